"""From a request and what Postgres says to an ordered list of routes, each exclusion with its reason. Pure."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from core.acceptance import refused_parameters
from core.catalog import Alias, Catalog, Endpoint, Model, Price, Project, Voice
from core.errors import UnknownModel
from core.estimates import most_usage, prompt_tokens
from core.pricing import cost_per_token, price_usage
from core.provider import HandlerSpec
from core.request import JOINABLE_FORMATS, JobRequest, Kind

UNPRICED = Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class Route:
    """One way to get the answer. `parameters` are the alias target's defaults."""

    model: Model
    endpoint: Endpoint
    handler: HandlerSpec
    price: Price | None
    voice: Voice | None
    parameters: Mapping[str, Any]
    variant: str | None = None


@dataclass(frozen=True, slots=True)
class Exclusion:
    model: str
    endpoint: str | None
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """Routes in the order to try them."""

    name: str
    strategy: str
    on_content_policy: str
    routes: tuple[Route, ...]
    exclusions: tuple[Exclusion, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of the world: endpoints without their credential, and measured latency by model."""

    without_credential: Mapping[UUID, str] = field(default_factory=dict)
    latency_ms: Mapping[tuple[str, str], float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Candidate:
    model: Model
    position: int
    weight: int
    parameters: Mapping[str, Any]
    active: bool = True


@dataclass(frozen=True, slots=True)
class _Need:
    """What the request asks of a model and an endpoint."""

    request: JobRequest
    project: Project | None
    tokens: int
    capabilities: frozenset[str]
    region: str | None
    format: str | None
    now: datetime


def plan_routes(
    request: JobRequest,
    catalog: Catalog,
    project_id: UUID | None,
    handlers: Mapping[str, HandlerSpec],
    health: Health,
    now: datetime,
) -> RoutePlan:
    """Raises UnknownModel when no alias or model has the name."""
    alias = catalog.find_alias(request.model, project_id)
    candidates = _candidates(request, catalog, alias)
    project = catalog.projects.get(project_id) if project_id else None
    need = _Need(
        request=request,
        project=project,
        tokens=prompt_tokens(request),
        capabilities=_capabilities(request),
        region=_region(request, project),
        format=(request.format or "mp3") if request.kind is Kind.speech else None,
        now=now,
    )
    routes: list[Route] = []
    exclusions: list[Exclusion] = []
    strategy = _strategy(request, alias)
    for candidate in _order(candidates, strategy, alias, need, catalog, health):
        if fault := _model_fault(candidate, need, catalog):
            exclusions.append(Exclusion(candidate.model.name, None, *fault))
            continue
        for endpoint in catalog.endpoints.get(candidate.model.provider, ()):
            fault = _endpoint_fault(endpoint, candidate, need, handlers, health)
            if fault is not None:
                if fault[0] != "not_served":
                    exclusions.append(Exclusion(candidate.model.name, endpoint.base_url, *fault))
                continue
            routes.append(
                Route(
                    model=candidate.model,
                    endpoint=endpoint,
                    handler=handlers[endpoint.handler_function],
                    price=catalog.price_at(candidate.model, now),
                    voice=catalog.voices.get((request.voice, candidate.model.provider)) if request.voice else None,
                    parameters=candidate.parameters,
                    variant=candidate.model.name if strategy == "weighted" else None,
                )
            )
        if not any(route.model is candidate.model for route in routes) and not any(
            exclusion.model == candidate.model.name for exclusion in exclusions
        ):
            exclusions.append(
                Exclusion(candidate.model.name, None, "not_served", "no active endpoint serves this model")
            )
    policy = alias.on_content_policy if alias else "fail"
    return RoutePlan(request.model, strategy, policy, tuple(routes), tuple(exclusions))


def _candidates(request: JobRequest, catalog: Catalog, alias: Alias | None) -> list[_Candidate]:
    found: list[_Candidate] = []
    if alias is not None:
        found += [
            _Candidate(model, target.position, target.weight, target.parameters, target.active)
            for target in alias.targets
            if (model := catalog.models.get((target.provider, target.model_id)))
        ]
    else:
        found += [_Candidate(model, 0, 100, {}) for model in catalog.find_models(request.model)]
    if not found:
        known = ", ".join(sorted({name for name, _ in catalog.aliases})) or "none"
        raise UnknownModel(f"model: no alias or model is called {request.model[:100]!r}. Aliases: {known}.")
    for place, name in enumerate(request.fallbacks):
        models = catalog.find_models(name)
        if not models:
            raise UnknownModel(f"fallbacks.{place}: no model is called {name[:100]!r}.")
        found += [_Candidate(model, 10_000 + place, 0, {}) for model in models]
    return found


def _strategy(request: JobRequest, alias: Alias | None) -> str:
    match request.requirements.prefer if request.requirements else None:
        case "cost":
            return "cheapest"
        case "speed":
            return "fastest"
        case _:
            return alias.strategy if alias else "priority"


def _order(
    candidates: list[_Candidate],
    strategy: str,
    alias: Alias | None,
    need: _Need,
    catalog: Catalog,
    health: Health,
) -> list[_Candidate]:
    def cost(one: _Candidate) -> Decimal:
        blended = cost_per_token(one.model, catalog.price_at(one.model, need.now))
        return UNPRICED if blended is None else blended

    def latency(one: _Candidate) -> float:
        return health.latency_ms.get((one.model.provider, one.model.model_id), float("inf"))

    keys: dict[str, Callable[[_Candidate], tuple[Any, ...]]] = {
        "priority": lambda one: (one.position,),
        "cheapest": lambda one: (cost(one), one.position),
        "fastest": lambda one: (latency(one), one.position),
        "weighted": lambda one: (one is not chosen, one.position),
        "cheapest_within": lambda one: (latency(one) > bound, cost(one), one.position),
    }
    bound = (alias.latency_bound_ms if alias else None) or float("inf")
    chosen = _draw(candidates, need) if strategy == "weighted" else None
    ordered = sorted((one for one in candidates if one.position < 10_000), key=keys[strategy])
    return ordered + [one for one in candidates if one.position >= 10_000]


def _draw(candidates: list[_Candidate], need: _Need) -> _Candidate | None:
    """The same project draws the same variant every time; `metadata.variant_key` draws by that instead."""
    seed = str(need.request.metadata.get("variant_key") or (need.project.id if need.project else ""))
    weighted = [one for one in candidates if one.active and one.weight > 0]
    total = sum(one.weight for one in weighted)
    digest = hashlib.sha256(f"{need.request.model}\n{seed}".encode()).digest()
    point = int.from_bytes(digest[:8], "big") % total if total else 0
    for one in weighted:
        if point < one.weight:
            return one
        point -= one.weight
    return None


def _capabilities(request: JobRequest) -> frozenset[str]:
    needed = set(request.requirements.capabilities if request.requirements else ())
    if any(True for _ in request.image_urls()):
        needed.add("vision")
    if request.tools:
        needed.add("tools")
    if request.output_schema is not None:
        needed.add("json_schema")
    return frozenset(needed)


def _region(request: JobRequest, project: Project | None) -> str | None:
    asked = request.requirements.region if request.requirements else None
    return asked or (project.settings.get("region") if project else None)


def _model_fault(candidate: _Candidate, need: _Need, catalog: Catalog) -> tuple[str, str] | None:
    model, request = candidate.model, need.request
    provider = catalog.providers.get(model.provider)
    if not (candidate.active and model.active and provider is not None and provider.active):
        return "inactive", "switched off"
    if model.kind != request.kind:
        return "kind", f"makes {model.kind}, not {request.kind.value}"
    if model.retires_on is not None and model.retires_on <= need.now.date():
        return "retired", f"was switched off by its provider on {model.retires_on}"
    if missing := sorted(need.capabilities - model.capabilities):
        return "capability", f"lacks {', '.join(missing)}"
    allowed = need.project.settings.get("allowed_models") if need.project else None
    if allowed and not any(fnmatchcase(name, glob) for glob in allowed for name in (model.model_id, model.name)):
        return "not_allowed", "is not among the project's allowed_models"
    return _size_fault(model, need) or _cost_fault(model, need, catalog) or _voice_fault(model, need, catalog)


def _size_fault(model: Model, need: _Need) -> tuple[str, str] | None:
    request = need.request
    if request.kind is Kind.speech:
        characters, most = sum(len(text) for text in request.texts), model.max_input_characters
        if need.format not in JOINABLE_FORMATS and most is not None and characters > most:
            return "context_length", f"speaks {most} characters at once, and parts in {need.format} cannot be joined"
    elif request.kind is Kind.embedding:
        longest = max(len(text) for text in request.texts) / 4
        if model.context_window is not None and longest > model.context_window:
            return "context_length", f"reads at most {model.context_window} tokens a text, one has about {longest:.0f}"
    else:
        window = model.max_input_tokens or model.context_window
        if window is not None and need.tokens > window:
            return "context_length", f"reads at most {window} tokens, this has about {need.tokens}"
    return None


def _cost_fault(model: Model, need: _Need, catalog: Catalog) -> tuple[str, str] | None:
    limit = need.request.requirements.max_cost_usd if need.request.requirements else None
    if limit is None:
        return None
    most = price_usage(most_usage(need.request, model.max_output_tokens), catalog.price_at(model, need.now))
    if most is None:
        return "max_cost", "has no known price, and max_cost_usd is set"
    return ("max_cost", f"may cost {most:f} USD, more than max_cost_usd {limit:f}") if most > limit else None


def _voice_fault(model: Model, need: _Need, catalog: Catalog) -> tuple[str, str] | None:
    voice = need.request.voice
    if voice is None or voice not in catalog.voice_names or (voice, model.provider) in catalog.voices:
        return None
    return "voice", f"{model.provider} has no voice {voice!r}"


def serves(pattern: str, model_id: str) -> bool:
    """Globs separated by spaces; a leading `!` excludes."""
    globs = pattern.split()
    return any(fnmatchcase(model_id, glob) for glob in globs if glob[0] != "!") and not any(
        fnmatchcase(model_id, glob[1:]) for glob in globs if glob[0] == "!"
    )


def _endpoint_fault(
    endpoint: Endpoint, candidate: _Candidate, need: _Need, handlers: Mapping[str, HandlerSpec], health: Health
) -> tuple[str, str] | None:
    model = candidate.model
    handler = handlers.get(endpoint.handler_function)
    if not serves(endpoint.model_pattern, model.model_id) or (handler is not None and handler.kind != model.kind):
        return "not_served", "serves other models"
    if not endpoint.active:
        return "inactive", "endpoint switched off"
    if handler is None:
        return "handler", f"this version has no handler {endpoint.handler_function}"
    regions = {region for region in (need.region, candidate.parameters.get("region")) if region is not None}
    if regions - {endpoint.region}:
        return "region", f"is in {endpoint.region}, not {' and '.join(sorted(regions))}"
    if not regions and endpoint.region != "global":
        return "region", f"serves only requests for region {endpoint.region}"
    if need.format is not None and need.format not in handler.formats:
        return "format", f"cannot deliver {need.format}"
    if endpoint.id in health.without_credential:
        return "credential", health.without_credential[endpoint.id]
    refused = refused_parameters(need.request, model, handler.name, candidate.parameters)
    if need.request.strict and refused:
        return "strict", f"does not accept {', '.join(refused)}"
    if "tools" in refused:
        return "capability", f"takes no tools over {handler.name}"
    return None
