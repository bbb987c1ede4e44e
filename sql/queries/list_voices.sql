SELECT
    provider, voice, provider_voice_id, settings
FROM factory.voices
WHERE ($1::text IS NULL OR provider = $1::text)
    AND ($2::text IS NULL OR voice = $2::text)
ORDER BY provider, voice
