SELECT count(*) FROM factory.jobs
WHERE state IN ('in_progress', 'cancelling') AND project_id = $1::uuid AND kind = $2::text
