INSERT INTO factory.batch_errors (batch_id, line, key, problems)
SELECT $1::uuid, wrong.line, wrong.key, wrong.problems
FROM jsonb_to_recordset($2::jsonb) AS wrong (line integer, key text, problems jsonb)
ON CONFLICT (batch_id, line) DO UPDATE SET problems = EXCLUDED.problems
