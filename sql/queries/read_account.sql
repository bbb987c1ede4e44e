SELECT
    day.starts_at AS day_starts_at, day.spent_usd AS day_spent, day.uncertain_usd AS day_uncertain,
    month.starts_at AS month_starts_at, month.spent_usd AS month_spent, month.uncertain_usd AS month_uncertain,
    (day.starts_at AT TIME ZONE zone.name + interval '1 day') AT TIME ZONE zone.name AS day_ends_at,
    (month.starts_at AT TIME ZONE zone.name + interval '1 month') AT TIME ZONE zone.name AS month_ends_at,
    reserved.usd AS reserved
FROM factory.projects AS project
CROSS JOIN LATERAL factory.zone_of(project.settings) AS zone (name)
CROSS JOIN LATERAL factory.open_period(project.id, 'daily', zone.name, coalesce($2::timestamptz, now())) AS day
CROSS JOIN LATERAL factory.open_period(project.id, 'monthly', zone.name, coalesce($2::timestamptz, now())) AS month
CROSS JOIN LATERAL (
    SELECT coalesce(sum(job.reserved_usd), 0) AS usd FROM factory.jobs AS job
    WHERE job.project_id = project.id AND job.reserved_usd IS NOT NULL
        AND job.state IN ('waiting', 'queued', 'in_progress', 'cancelling')
) AS reserved
WHERE project.id = $1::uuid
