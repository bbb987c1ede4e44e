SELECT
    provider, model_id, kind, context_window, max_output_tokens, max_input_tokens, max_input_characters,
    default_voice, dimensions, capabilities, regions, active, retires_on, parameters, note, source, checked_on
FROM factory.models
WHERE ($1::text IS NULL OR provider = $1::text)
    AND ($2::text IS NULL OR model_id = $2::text)
ORDER BY provider, model_id
