SELECT cost
FROM factory.calls
WHERE job_id = $1::uuid AND fence < $2::bigint AND asked IS NOT NULL
    AND (schema_outcome = 'invalid' OR asked = 'native' AND outcome = 'invalid_request')
ORDER BY started_at, id
