UPDATE factory.voices AS old SET (
    provider_voice_id, settings
) = (
    SELECT
        provider_voice_id, settings
    FROM jsonb_populate_record(old, $3::jsonb)
)
WHERE provider = $1::text AND voice = $2::text
RETURNING provider, voice
