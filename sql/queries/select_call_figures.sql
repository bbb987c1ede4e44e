SELECT provider, model, kind, calls, completion_tokens_mean, completion_tokens_p99 FROM factory.call_figures
