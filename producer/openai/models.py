"""`GET /v1/models`: the names that a project may ask for."""

from typing import Any
from uuid import UUID

from core.catalog import Catalog


def list_names(catalog: Catalog, project_id: UUID) -> list[dict[str, Any]]:
    """The project's aliases and everybody's, then the models that are switched on, each under the shortest name that
    finds it and nothing else."""
    aliases = sorted({name for name, owner in catalog.aliases if owner in (None, project_id)})
    named = dict.fromkeys(aliases, "factory")
    for model in sorted(catalog.models.values(), key=lambda one: one.name):
        provider = catalog.providers.get(model.provider)
        if model.active and provider is not None and provider.active:
            short = model.model_id not in named and len(catalog.models_by_id[model.model_id]) == 1
            named[model.model_id if short else model.name] = model.provider
    return [_present(name, owner) for name, owner in named.items()]


def find_name(catalog: Catalog, project_id: UUID, name: str) -> dict[str, Any] | None:
    """One of `list_names`; a model also as `provider/model_id`."""
    names = {one["id"]: one for one in list_names(catalog, project_id)}
    provider, _, model_id = name.partition("/")
    longer = names.get(model_id)
    if longer is not None and longer["owned_by"] == provider:
        return {**longer, "id": name}
    return names.get(name)


def _present(name: str, owner: str) -> dict[str, Any]:
    """When a name was made is not known; clients want a number."""
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}
