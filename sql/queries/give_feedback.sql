WITH job AS (
    SELECT id, project_id, state FROM factory.jobs WHERE id = $2::uuid AND project_id = $3::uuid FOR KEY SHARE
), given AS (
    INSERT INTO factory.feedback (id, project_id, job_id, score, label)
    SELECT $1::uuid, job.project_id, job.id, $4::numeric, $5::text FROM job WHERE job.state = 'completed'
    ON CONFLICT (job_id) DO UPDATE SET
        id = EXCLUDED.id, score = EXCLUDED.score, label = EXCLUDED.label, created_at = EXCLUDED.created_at
    RETURNING id, score, label, created_at
)
SELECT job.state, given.id, given.score, given.label, given.created_at
FROM job LEFT JOIN given ON true
