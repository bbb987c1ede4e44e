UPDATE factory.calls SET outcome = 'unknown', finished_at = coalesce($3::timestamptz, now())
WHERE job_id = $1::uuid AND fence < $2::bigint AND outcome IS NULL
