SELECT id FROM factory.fail_dependents($1::uuid, $2::jsonb, $3::timestamptz) AS id
