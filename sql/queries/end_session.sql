WITH over AS (
    DELETE FROM factory.ended_sessions WHERE expires_at < coalesce($3::timestamptz, now())
)
INSERT INTO factory.ended_sessions (id, expires_at) VALUES ($1::uuid, $2::timestamptz)
ON CONFLICT DO NOTHING
