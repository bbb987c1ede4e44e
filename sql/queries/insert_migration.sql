INSERT INTO factory.schema_migrations (version, name, digest) VALUES ($1::integer, $2::text, $3::text)
