"""`/v1/models`."""

from fastapi import APIRouter
from fastapi.responses import Response

from core.errors import UnknownModel
from producer.api.access import CallerOf, ServicesOf
from producer.api.jobs import json_response
from producer.openai.models import find_name, list_names

router = APIRouter(tags=["openai"])


@router.get("/v1/models")
async def list_models(services: ServicesOf, caller: CallerOf) -> Response:
    """The aliases that the project may ask for, then the models that are switched on."""
    return json_response({"object": "list", "data": list_names(services.catalog.current, caller.project_id)})


@router.get("/v1/models/{name:path}")
async def get_model(services: ServicesOf, caller: CallerOf, name: str) -> Response:
    """One of them."""
    found = find_name(services.catalog.current, caller.project_id, name)
    if found is None:
        raise UnknownModel(f"The model '{name[:100]}' does not exist or is switched off")
    return json_response(found)
