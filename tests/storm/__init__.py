"""Providers that fail in every way while jobs run, and what must hold all the same."""
