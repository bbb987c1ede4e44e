SELECT inserted, updated, kept FROM factory.seed_rows($1::text, $2::text[], $3::jsonb)
