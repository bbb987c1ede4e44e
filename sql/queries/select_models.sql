SELECT
    provider, model_id, kind, context_window, max_output_tokens, max_input_tokens, max_input_characters,
    default_voice, dimensions, capabilities, regions, active, retires_on, parameters
FROM factory.models
