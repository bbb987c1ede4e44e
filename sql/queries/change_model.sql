UPDATE factory.models AS old SET (
    kind, context_window, max_output_tokens, max_input_tokens, max_input_characters, default_voice, dimensions,
    capabilities, regions, active, retires_on, parameters, note, source, checked_on
) = (
    SELECT
        kind, context_window, max_output_tokens, max_input_tokens, max_input_characters, default_voice, dimensions,
        capabilities, regions, active, retires_on, parameters, note, source, checked_on
    FROM jsonb_populate_record(old, $3::jsonb)
)
WHERE provider = $1::text AND model_id = $2::text
RETURNING provider, model_id
