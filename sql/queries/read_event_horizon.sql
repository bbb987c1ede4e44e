SELECT CASE
    WHEN coalesce(bool_or(state IS NULL OR state = 'disabled'), true) THEN now() - $1::interval
    ELSE greatest(now() - $1::interval, least(now(), min(xact_start)))
END AS horizon
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
