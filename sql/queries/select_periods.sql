SELECT
    opened.period AS name, opened.starts_at,
    (opened.starts_at AT TIME ZONE zone.name
        + CASE opened.period WHEN 'daily' THEN interval '1 day' ELSE interval '1 month' END)
        AT TIME ZONE zone.name AS ends_at,
    opened.spent_usd AS spent, opened.uncertain_usd AS uncertain
FROM factory.projects AS project
CROSS JOIN LATERAL factory.zone_of(project.settings) AS zone (name)
CROSS JOIN (VALUES ('daily'), ('monthly')) AS named (period)
CROSS JOIN LATERAL factory.open_period(project.id, named.period, zone.name, coalesce($2::timestamptz, now())) AS opened
WHERE project.id = $1::uuid
