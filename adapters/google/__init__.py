"""Gemini's wire format, by the google-genai SDK."""
