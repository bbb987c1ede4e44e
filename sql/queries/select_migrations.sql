SELECT version, name, digest FROM factory.schema_migrations ORDER BY version
