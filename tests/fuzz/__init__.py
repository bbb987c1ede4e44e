"""The API asked at random, held to its own document."""
