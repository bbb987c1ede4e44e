"""`/v1/voices`: the voices that requests may name."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from core.catalog import Catalog, Voice
from producer.api.access import CallerOf, ServicesOf
from producer.api.jobs import json_response

router = APIRouter(tags=["voices"])


@router.get("/v1/voices")
async def voices(services: ServicesOf, _caller: CallerOf) -> Response:
    """Every semantic voice with what speaks it at each provider; `models` are those switched on, the best match
    first."""
    catalog = services.catalog.current
    named = sorted(catalog.voices.values(), key=lambda one: (one.voice, one.provider))
    return json_response({"data": [_present(voice, catalog) for voice in named]})


def _present(voice: Voice, catalog: Catalog) -> dict[str, Any]:
    return {
        "voice": voice.voice,
        "provider": voice.provider,
        "provider_voice_id": voice.provider_voice_id,
        "settings": voice.settings,
        "models": speakers_of(voice, catalog),
    }


def speakers_of(voice: Voice, catalog: Catalog) -> list[str]:
    """The provider's speech models that are switched on; a preset made of this very voice goes first, those made of
    another voice last."""

    def distance(model_id: str) -> tuple[int, str]:
        preset = model_id.partition(":")[2]
        return (0 if preset == voice.provider_voice_id else 2 if preset else 1), model_id

    provider = catalog.providers.get(voice.provider)
    if provider is None or not provider.active:
        return []
    able = [
        model.model_id
        for model in catalog.models.values()
        if model.provider == voice.provider and model.kind == "speech" and model.active
    ]
    return sorted(able, key=distance)
