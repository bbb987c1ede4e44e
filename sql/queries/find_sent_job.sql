SELECT id
FROM factory.jobs
WHERE
    project_id = $1::uuid AND sent_hash = $2::bytea
    AND (finished_at IS NULL OR finished_at > coalesce($4::timestamptz, now()) - make_interval(secs => $3::double precision))
ORDER BY created_at DESC, id DESC
LIMIT 1
