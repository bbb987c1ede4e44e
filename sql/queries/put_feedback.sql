INSERT INTO factory.feedback (id, project_id, job_id, score, label)
VALUES (gen_random_uuid(), $1::uuid, $2::uuid, $3::numeric, $4::text)
ON CONFLICT (job_id) DO UPDATE SET score = EXCLUDED.score, label = EXCLUDED.label, created_at = now()
RETURNING score, label, created_at
