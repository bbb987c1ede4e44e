-- A project without budgets: its periods are added up whenever they are asked for, as nobody keeps their rows up to date.

CREATE FUNCTION factory.add_up_period(project uuid, begins timestamptz, ends timestamptz, OUT spent numeric, OUT uncertain numeric)
LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(counted.spent), 0), coalesce(sum(counted.uncertain), 0)
    FROM factory.calls AS line CROSS JOIN LATERAL factory.line_spent(line) AS counted
    WHERE line.project_id = project AND line.started_at >= begins AND line.started_at < ends
$$;

CREATE OR REPLACE FUNCTION factory.open_period(project uuid, named text, zone text, at timestamptz)
RETURNS factory.budget_periods LANGUAGE plpgsql AS $$
DECLARE
    begins timestamptz := factory.period_start(named, zone, at);
    ends timestamptz := (begins AT TIME ZONE zone
        + CASE named WHEN 'daily' THEN interval '1 day' ELSE interval '1 month' END) AT TIME ZONE zone;
    kept factory.budget_periods;
BEGIN
    IF NOT EXISTS (SELECT FROM factory.projects AS one WHERE one.id = project AND one.settings ? 'budgets') THEN
        SELECT project, named, begins, sums.spent, sums.uncertain, true INTO kept
        FROM factory.add_up_period(project, begins, ends) AS sums;
        RETURN kept;
    END IF;
    SELECT * INTO kept FROM factory.budget_periods AS one
    WHERE one.project_id = project AND one.period = named AND one.starts_at = begins AND one.counted;
    IF FOUND THEN RETURN kept; END IF;
    INSERT INTO factory.budget_periods (project_id, period, starts_at) VALUES (project, named, begins)
    ON CONFLICT DO NOTHING;
    PERFORM FROM factory.budget_periods AS one
    WHERE one.project_id = project AND one.period = named AND one.starts_at = begins FOR UPDATE;
    UPDATE factory.budget_periods AS one SET (spent_usd, uncertain_usd, counted) = (
        SELECT sums.spent, sums.uncertain, true FROM factory.add_up_period(project, begins, ends) AS sums
    )
    WHERE one.project_id = project AND one.period = named AND one.starts_at = begins
    RETURNING * INTO kept;
    RETURN kept;
END $$;

DELETE FROM factory.budget_periods AS kept USING factory.projects AS project
WHERE project.id = kept.project_id AND NOT project.settings ? 'budgets';
