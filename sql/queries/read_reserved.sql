SELECT coalesce(sum(reserved_usd), 0) AS reserved FROM factory.jobs
WHERE project_id = $1::uuid AND reserved_usd IS NOT NULL
    AND state IN ('waiting', 'queued', 'in_progress', 'cancelling')
