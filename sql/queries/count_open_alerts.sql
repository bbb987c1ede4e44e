SELECT kind, count(*) AS alerts FROM factory.alerts WHERE resolved_at IS NULL GROUP BY kind
