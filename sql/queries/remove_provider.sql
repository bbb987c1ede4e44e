DELETE FROM factory.providers
WHERE id = $1::text
    AND NOT EXISTS (SELECT FROM factory.provider_endpoints WHERE provider = $1::text)
    AND NOT EXISTS (SELECT FROM factory.models WHERE provider = $1::text)
    AND NOT EXISTS (SELECT FROM factory.voices WHERE provider = $1::text)
RETURNING id
