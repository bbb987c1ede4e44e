UPDATE factory.batch_admissions SET
    admitted_requests = admitted_requests + $2::bigint,
    admitted_tokens = admitted_tokens + $3::bigint,
    next_at = now() + make_interval(secs => $4::double precision)
WHERE batch_id = $1::uuid
