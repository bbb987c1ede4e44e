"""What an answer would have cost without the factory: asked for once, on the model that its name means first. Pure."""

from dataclasses import replace
from datetime import UTC, datetime, time
from decimal import Decimal
from uuid import UUID

from core.catalog import Catalog, Model, Price
from core.pricing import price_usage
from core.result import Usage


def find_preferred(catalog: Catalog, name: str, project_id: UUID, called: Model, now: datetime) -> Model | None:
    """The model that a caller of `name` would call directly: of an alias, the active target with the lowest position;
    for an explicit model, that model, also where a fallback is `called` in its place. None: the name means none now."""
    alias = catalog.find_alias(name, project_id)
    if alias is None:
        found = catalog.find_models(name)
        return called if called in found else next(iter(found), None)
    targets = sorted((one for one in alias.targets if one.active), key=lambda one: one.position)
    models = (catalog.models.get((one.provider, one.model_id)) for one in targets)
    return next((one for one in models if one is not None and _is_served(catalog, one, called.kind, now)), None)


def _is_served(catalog: Catalog, model: Model, kind: str, now: datetime) -> bool:
    provider = catalog.providers.get(model.provider)
    retired = model.retires_on is not None and datetime.combine(model.retires_on, time(), UTC) <= now
    return model.kind == kind and model.active and provider is not None and provider.active and not retired


def price_directly(usage: Usage, asked_first: Usage | None, price: Price | None, region: str) -> Decimal | None:
    """USD of an answer by another price. `asked_first`: where the answer was asked for once more, the usage of the
    first call, whose prompt the direct call would have had. None: not known, also where one price counts characters,
    the other tokens, and the usage has only one of them."""
    if price is None:
        return None
    if asked_first is not None:
        usage = replace(asked_first, completion_tokens=usage.completion_tokens, reasoning_tokens=usage.reasoning_tokens)
    counted = usage.characters if price.audio_usd_per_mchar is not None else usage.total_tokens
    if not counted and (usage.characters or usage.total_tokens):
        return None
    return price_usage(usage, price, region)
