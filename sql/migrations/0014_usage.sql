-- What the same answers would have cost on the preferred model called directly, and figures that add up fast.

ALTER TABLE factory.calls
    ADD COLUMN preferred text,
    ADD COLUMN preferred_cost numeric;
COMMENT ON COLUMN factory.calls.preferred IS 'PROVIDER/MODEL that the name asked for means first: the alias''s active target with the lowest position when the call began, or the model itself.';
COMMENT ON COLUMN factory.calls.preferred_cost IS 'What this answer would have cost there, asked for once. NULL where there is no answer, or it is not known.';

ALTER TABLE factory.cache_entries ADD COLUMN preferred_cost numeric;
COMMENT ON COLUMN factory.cache_entries.preferred_cost IS 'What the answer would have cost on the preferred model when it was bought; NULL is unknown.';
ALTER TABLE factory.cache_hits ADD COLUMN preferred_cost numeric;
COMMENT ON COLUMN factory.cache_hits.preferred_cost IS 'What the answer would have cost on the preferred model when it was bought; NULL is unknown.';

-- What a job's answer would have cost on the preferred model: each part once, also where it was bought twice because a
-- worker was lost, and parts that an earlier narration had. NULL when nothing answered or a part's figure is unknown.
CREATE FUNCTION factory.direct_cost_of(asker uuid) RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN bool_and(preferred_cost IS NOT NULL) THEN sum(preferred_cost) END
    FROM (
        (
            SELECT DISTINCT ON (part) preferred_cost
            FROM factory.calls
            WHERE job_id = asker AND outcome = 'ok'
            ORDER BY part, finished_at DESC, id
        )
        UNION ALL
        SELECT preferred_cost FROM factory.cache_hits WHERE job_id = asker AND part
    ) AS answered
$$;

-- Reports read the ledger itself. A roll-up would have to follow every line that ends late; nothing ever wrote it.
DROP TABLE factory.usage_daily;
CREATE INDEX calls_by_time ON factory.calls USING brin (started_at);
CREATE INDEX cache_hits_by_time ON factory.cache_hits USING brin (at);
-- How few groups there are, so that Postgres adds reports up in memory instead of sorting the ledger.
CREATE STATISTICS factory.calls_groups (ndistinct)
    ON project_id, alias, provider, model, kind, variant, ((started_at AT TIME ZONE 'UTC')::date) FROM factory.calls;
CREATE STATISTICS factory.cache_hits_groups (ndistinct)
    ON project_id, alias, provider, model, kind, variant, ((at AT TIME ZONE 'UTC')::date) FROM factory.cache_hits;
