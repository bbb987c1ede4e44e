DELETE FROM factory.cache_entries WHERE project_id = $1::uuid AND fingerprint = $2::bytea
