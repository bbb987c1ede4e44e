INSERT INTO factory.models (
    provider, model_id, kind, context_window, max_output_tokens, max_input_tokens, max_input_characters,
    default_voice, dimensions, capabilities, regions, active, retires_on, parameters, note, source, checked_on
)
SELECT
    provider, model_id, kind, context_window, max_output_tokens, max_input_tokens, max_input_characters,
    default_voice, dimensions, capabilities, regions, active, retires_on, parameters, note, source, checked_on
FROM jsonb_populate_record(NULL::factory.models, $1::jsonb)
RETURNING provider, model_id
