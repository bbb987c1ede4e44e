SELECT provider, model, kind, calls, completion_tokens_mean, completion_tokens_p99, duration_ms_mean, slot_ms_mean,
    tokens_mean
FROM factory.call_figures
