INSERT INTO factory.batch_errors (batch_id, line, problems)
SELECT $1::uuid, wrong.line, wrong.problems
FROM jsonb_to_recordset($2::jsonb) AS wrong (line integer, problems jsonb)
ON CONFLICT (batch_id, line) DO UPDATE SET problems = EXCLUDED.problems
