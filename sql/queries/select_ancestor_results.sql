SELECT key, result FROM factory.jobs WHERE id = ANY($1::uuid[]) AND key IS NOT NULL
