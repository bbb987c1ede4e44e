"""Very many jobs in one statement."""

from tests.house import Factory

INSERT = """
INSERT INTO factory.jobs (
    id, project_id, state, kind, priority, request, run_at, queued_at, created_at, started_at, finished_at, attempts,
    provider, model, cost, result, error
)
SELECT
    (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || left(hash, 3) || '8' || substr(hash, 4, 15))::uuid,
    $1, state, CASE WHEN n % 10 = 0 THEN 'speech' ELSE 'text' END, 'standard',
    jsonb_build_object('model', CASE WHEN n % 7 = 0 THEN 'smart' ELSE 'fast' END, 'prompt', repeat('word ', 40)),
    at, at, at, at + interval '1 second', at + interval '2 seconds', 1, 'openai', 'gpt-6-luna', 0.001,
    CASE state WHEN 'completed' THEN jsonb_build_object('content', repeat('word ', 60)) END,
    CASE state WHEN 'failed' THEN '{"kind": "invalid_request", "message": "no"}'::jsonb END
FROM (
    SELECT n, md5(n::text) AS hash, now() - interval '1 day' + n * interval '0.8 second' AS at,
        CASE WHEN n % 500 = 0 THEN 'failed' ELSE 'completed' END AS state
    FROM generate_series(1, $2::integer) AS n
) AS series
"""


async def insert_many_jobs(factory: Factory, count: int) -> None:
    """Finished jobs of a project `many`."""
    await factory.execute("INSERT INTO factory.projects (name) VALUES ('many')")
    project = (await factory.execute("SELECT id FROM factory.projects WHERE name = 'many'"))[0]["id"]
    await factory.execute(INSERT, project, count)
    await factory.execute("ANALYZE factory.jobs")
