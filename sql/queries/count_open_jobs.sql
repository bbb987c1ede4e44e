SELECT state, kind, count(*) AS jobs
FROM (
    SELECT state, kind FROM factory.jobs WHERE state = 'queued'
    UNION ALL
    SELECT state, kind FROM factory.jobs WHERE state IN ('in_progress', 'cancelling')
    UNION ALL
    SELECT state, kind FROM factory.jobs WHERE state = 'waiting'
) AS open
GROUP BY state, kind
