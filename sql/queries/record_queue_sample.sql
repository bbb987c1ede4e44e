WITH old AS (
    DELETE FROM factory.queue_samples WHERE at < now() - make_interval(hours => $5::integer)
)
INSERT INTO factory.queue_samples (pool, ready, running, oldest_s)
SELECT sample.pool, sample.ready, sample.running, sample.oldest_s
FROM unnest($1::text[], $2::integer[], $3::integer[], $4::double precision[]) AS sample (pool, ready, running, oldest_s)
ON CONFLICT DO NOTHING
