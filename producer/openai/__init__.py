"""OpenAI's shapes and the factory's, translated both ways. Pure: no HTTP, no database."""
