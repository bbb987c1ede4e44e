SELECT id FROM factory.complete_calls($1::jsonb) AS id
