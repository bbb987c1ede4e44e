-- What may be spent: budgets of projects, ceilings of batches, and what calls have used lately, to estimate by.

-- Spent in a period, kept beside the ledger: every line that ends is counted by a trigger in its own transaction. What
-- is reserved is kept nowhere: it is the sum over the jobs that are open.
CREATE TABLE factory.budget_periods (
    project_id uuid NOT NULL REFERENCES factory.projects ON DELETE CASCADE,
    period text NOT NULL CHECK (period IN ('daily', 'monthly')),
    starts_at timestamptz NOT NULL,
    spent_usd numeric NOT NULL DEFAULT 0,
    uncertain_usd numeric NOT NULL DEFAULT 0,
    counted boolean NOT NULL DEFAULT false,
    PRIMARY KEY (project_id, period, starts_at)
);
COMMENT ON TABLE factory.budget_periods IS 'The ledger added up by the periods of budgets; deleted rows are counted again when they are asked for.';
COMMENT ON COLUMN factory.budget_periods.uncertain_usd IS 'The most that lines can have cost whose end nobody knows.';
COMMENT ON COLUMN factory.budget_periods.counted IS 'False until the ledger before the row''s making is in it.';

COMMENT ON COLUMN factory.jobs.reserved_usd IS 'What the job may yet cost; counts against budgets while the job is open.';
CREATE INDEX jobs_reserved ON factory.jobs (project_id) INCLUDE (reserved_usd)
    WHERE reserved_usd IS NOT NULL AND state IN ('waiting', 'queued', 'in_progress', 'cancelling');
CREATE INDEX jobs_reserved_in_batch ON factory.jobs (batch_id) INCLUDE (reserved_usd)
    WHERE reserved_usd IS NOT NULL AND batch_id IS NOT NULL AND state IN ('in_progress', 'cancelling');

ALTER TABLE factory.batches
    ADD COLUMN spent_usd numeric NOT NULL DEFAULT 0,
    ADD COLUMN uncertain_usd numeric NOT NULL DEFAULT 0;
COMMENT ON COLUMN factory.batches.max_cost_usd IS 'No call is begun that could take the batch beyond it.';
COMMENT ON COLUMN factory.batches.spent_usd IS 'By its ledger lines; kept for batches with max_cost_usd alone.';
SELECT factory.demand('batches', 'batches_max_cost_usd_positive', 'max_cost_usd >= 0');

-- The zone of a project's days; what is no zone counts as UTC and is among the configuration's faults.
CREATE FUNCTION factory.zone_of(settings jsonb) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    zone text := settings #>> '{budgets,timezone}';
BEGIN
    IF zone IS NULL THEN RETURN 'UTC'; END IF;
    PERFORM now() AT TIME ZONE zone;
    RETURN zone;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN 'UTC';
END $$;

CREATE FUNCTION factory.period_start(period text, zone text, at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT date_trunc(CASE period WHEN 'daily' THEN 'day' ELSE 'month' END, at AT TIME ZONE zone) AT TIME ZONE zone
$$;

-- What a line counts for: nothing while it is under way, its cost, or the most it can have cost.
CREATE FUNCTION factory.line_spent(line factory.calls, OUT spent numeric, OUT uncertain numeric)
LANGUAGE sql IMMUTABLE AS $$
    SELECT
        coalesce(line.cost, 0),
        CASE WHEN line.outcome IS NOT NULL AND line.cost IS NULL THEN coalesce(line.max_cost, 0) ELSE 0 END
$$;

-- Without nested loops: a plan that was made for one line would compare every line of a large group with every other.
CREATE FUNCTION factory.count_spending() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
BEGIN
    INSERT INTO factory.budget_periods AS kept (project_id, period, starts_at, spent_usd, uncertain_usd)
    SELECT line.project_id, budget.period, factory.period_start(budget.period, zone.name, line.started_at),
        sum(now_is.spent - was.spent), sum(now_is.uncertain - was.uncertain)
    FROM new_lines AS line
    JOIN old_lines AS before ON before.id = line.id
    JOIN factory.projects AS project ON project.id = line.project_id AND project.settings ? 'budgets'
    CROSS JOIN LATERAL factory.zone_of(project.settings) AS zone (name)
    CROSS JOIN (VALUES ('daily'), ('monthly')) AS budget (period)
    CROSS JOIN LATERAL factory.line_spent(line) AS now_is
    CROSS JOIN LATERAL factory.line_spent(before) AS was
    GROUP BY 1, 2, 3
    HAVING sum(now_is.spent - was.spent) <> 0 OR sum(now_is.uncertain - was.uncertain) <> 0
    ORDER BY 1, 2, 3
    ON CONFLICT (project_id, period, starts_at) DO UPDATE SET
        spent_usd = kept.spent_usd + EXCLUDED.spent_usd, uncertain_usd = kept.uncertain_usd + EXCLUDED.uncertain_usd;
    UPDATE factory.batches AS batch SET
        spent_usd = batch.spent_usd + ended.spent, uncertain_usd = batch.uncertain_usd + ended.uncertain
    FROM (
        SELECT line.batch_id, sum(now_is.spent - was.spent) AS spent, sum(now_is.uncertain - was.uncertain) AS uncertain
        FROM new_lines AS line
        JOIN old_lines AS before ON before.id = line.id
        CROSS JOIN LATERAL factory.line_spent(line) AS now_is
        CROSS JOIN LATERAL factory.line_spent(before) AS was
        WHERE line.batch_id IS NOT NULL
        GROUP BY line.batch_id
        ORDER BY line.batch_id
    ) AS ended
    WHERE batch.id = ended.batch_id AND batch.max_cost_usd IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER count_spending AFTER UPDATE ON factory.calls
    REFERENCING OLD TABLE AS old_lines NEW TABLE AS new_lines
    FOR EACH STATEMENT EXECUTE FUNCTION factory.count_spending();

-- Periods of a project without budgets are not followed, so what was followed before is forgotten with them, and what
-- was said of the budgets that were.
CREATE FUNCTION factory.forget_periods() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM factory.budget_periods WHERE project_id = NEW.id;
    UPDATE factory.alerts SET resolved_at = now()
    WHERE kind IN ('budget_soft', 'budget_hard') AND resolved_at IS NULL
        AND subject IN ('project ' || OLD.name || ' daily', 'project ' || OLD.name || ' monthly');
    RETURN NULL;
END $$;
CREATE TRIGGER forget_periods AFTER UPDATE OF settings ON factory.projects
    FOR EACH ROW WHEN (OLD.settings -> 'budgets' IS DISTINCT FROM NEW.settings -> 'budgets')
    EXECUTE FUNCTION factory.forget_periods();

-- A period's row with everything in it. The row is locked before the ledger is read: what ends meanwhile waits and is
-- added afterwards.
CREATE FUNCTION factory.open_period(project uuid, named text, zone text, at timestamptz) RETURNS factory.budget_periods
LANGUAGE plpgsql AS $$
DECLARE
    begins timestamptz := factory.period_start(named, zone, at);
    kept factory.budget_periods;
BEGIN
    SELECT * INTO kept FROM factory.budget_periods AS one
    WHERE one.project_id = project AND one.period = named AND one.starts_at = begins AND one.counted;
    IF FOUND THEN RETURN kept; END IF;
    INSERT INTO factory.budget_periods (project_id, period, starts_at) VALUES (project, named, begins)
    ON CONFLICT DO NOTHING;
    PERFORM FROM factory.budget_periods AS one
    WHERE one.project_id = project AND one.period = named AND one.starts_at = begins FOR UPDATE;
    UPDATE factory.budget_periods AS one SET (spent_usd, uncertain_usd, counted) = (
        SELECT coalesce(sum(line_spent.spent), 0), coalesce(sum(line_spent.uncertain), 0), true
        FROM factory.calls AS line CROSS JOIN LATERAL factory.line_spent(line) AS line_spent
        WHERE line.project_id = project AND line.started_at >= begins
            AND line.started_at < (begins AT TIME ZONE zone
                + CASE named WHEN 'daily' THEN interval '1 day' ELSE interval '1 month' END) AT TIME ZONE zone
    )
    WHERE one.project_id = project AND one.period = named AND one.starts_at = begins
    RETURNING * INTO kept;
    RETURN kept;
END $$;

CREATE TABLE factory.call_figures (
    provider text NOT NULL,
    model text NOT NULL,
    kind text NOT NULL,
    calls integer NOT NULL,
    completion_tokens_mean double precision NOT NULL,
    completion_tokens_p99 integer NOT NULL,
    measured_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, model, kind)
);
COMMENT ON TABLE factory.call_figures IS 'What good calls used lately, by model: what reservations and quotes go by where a request caps nothing.';
