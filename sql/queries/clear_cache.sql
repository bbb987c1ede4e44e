DELETE FROM factory.cache_entries WHERE project_id = $1::uuid RETURNING fingerprint
