"""What one would write by hand on arq, openai's SDK and asyncpg, to have something to compare with."""
