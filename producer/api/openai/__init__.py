"""The OpenAI-compatible paths: the official clients work with only base URL and key changed."""
