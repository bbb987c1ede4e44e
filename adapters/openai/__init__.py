"""OpenAI's wire format, by the openai SDK: also that of self-hosted servers and gateways that speak it."""
