"""Mistral, by its wire format: its SDK spends ten milliseconds of CPU on a call."""
