INSERT INTO factory.voices (
    provider, voice, provider_voice_id, settings
)
SELECT
    provider, voice, provider_voice_id, settings
FROM jsonb_populate_record(NULL::factory.voices, $1::jsonb)
RETURNING provider, voice
