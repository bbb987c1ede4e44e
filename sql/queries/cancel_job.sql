UPDATE factory.jobs AS job SET
    state = CASE WHEN state IN ('waiting', 'queued') THEN 'cancelled' ELSE 'cancelling' END,
    seq = seq + 1,
    cost = spent.cost,
    uncertain_cost = spent.uncertain_cost,
    finished_at = CASE WHEN state IN ('waiting', 'queued') THEN coalesce($3::timestamptz, now()) END
FROM factory.spent_on($1::uuid) AS spent
WHERE id = $1::uuid AND project_id = $2::uuid AND state IN ('waiting', 'queued', 'in_progress')
RETURNING id, state
