SELECT voice, provider, provider_voice_id, settings FROM factory.voices
