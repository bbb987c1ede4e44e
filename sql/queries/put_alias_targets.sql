WITH wanted AS (
    SELECT provider, model_id, position, weight, parameters, active
    FROM jsonb_populate_recordset(NULL::factory.alias_targets, $3::jsonb)
), removed AS (
    DELETE FROM factory.alias_targets
    WHERE alias = $1::text AND project_id IS NOT DISTINCT FROM $2::uuid
        AND (provider, model_id) NOT IN (SELECT provider, model_id FROM wanted)
)
INSERT INTO factory.alias_targets AS target (
    alias, project_id, provider, model_id, position, weight, parameters, active
)
SELECT $1::text, $2::uuid, provider, model_id, position, weight, parameters, active FROM wanted
ON CONFLICT (alias, project_id, provider, model_id) DO UPDATE SET
    position = EXCLUDED.position, weight = EXCLUDED.weight, parameters = EXCLUDED.parameters, active = EXCLUDED.active
WHERE (target.position, target.weight, target.parameters, target.active)
    IS DISTINCT FROM (EXCLUDED.position, EXCLUDED.weight, EXCLUDED.parameters, EXCLUDED.active)
