"""Which paths answer in OpenAI's shapes."""

PREFIXES = ("/v1/chat", "/v1/responses", "/v1/embeddings", "/v1/audio", "/v1/models", "/v1/files", "/v1/batches")


def is_openai_path(path: str) -> bool:
    return any(path == prefix or path.startswith(prefix + "/") for prefix in PREFIXES)
