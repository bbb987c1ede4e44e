SELECT count(*) AS ahead FROM factory.jobs
WHERE state = 'queued' AND project_id = $1::uuid AND kind = $2::text AND id < $3::uuid
    AND run_at <= coalesce($4::timestamptz, now())
