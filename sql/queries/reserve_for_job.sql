UPDATE factory.jobs SET reserved_usd = $3::numeric WHERE id = $1::uuid AND fence = $2::bigint AND state = 'in_progress'
