SELECT what, id, batch_id, cost
FROM factory.end_jobs($1::uuid[], $2::jsonb, $3::jsonb, $4::jsonb, $5::timestamptz)
