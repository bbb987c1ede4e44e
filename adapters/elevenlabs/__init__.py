"""ElevenLabs' wire format, by the elevenlabs SDK."""
