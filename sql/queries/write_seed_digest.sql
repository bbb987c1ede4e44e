INSERT INTO factory.seeded (table_name, row_key, row_values)
VALUES ('', '{}', jsonb_build_object('digest', $1::text))
ON CONFLICT (table_name, row_key) DO UPDATE SET row_values = EXCLUDED.row_values, seeded_at = now()
