SELECT id FROM factory.release_dependents($1::uuid[], $2::timestamptz) AS id
