"""Why a model or an endpoint cannot serve a request: `(code, reason)`, or None. Pure.

What the catalog alone decides is asked once for each name, kind, region and format; the rest for every request.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from core.acceptance import refused_parameters
from core.catalog import Catalog, Endpoint, Model, Price, Project
from core.estimates import most_usage, prompt_tokens
from core.pricing import price_most
from core.provider import HandlerSpec
from core.request import JOINABLE_FORMATS, JobRequest, Kind
from core.tiers import asked_tier

Fault = tuple[str, str]
_NONE: frozenset[str] = frozenset()


def find_model_fault(
    model: Model, kind: Kind, project: Project | None, catalog: Catalog, *, target_active: bool, retired: bool
) -> Fault | None:
    """What the catalog says against a model, whatever is asked of it."""
    provider = catalog.providers.get(model.provider)
    if not (target_active and model.active and provider is not None and provider.active):
        return "inactive", "switched off"
    if model.kind != kind:
        return "kind", f"makes {model.kind}, not {kind.value}"
    if retired:
        return "retired", f"was switched off by its provider on {model.retires_on}"
    allowed = globs_of(project, "allowed_models")
    if allowed and not matches(model, allowed):
        return "not_allowed", "is not among the project's allowed_models"
    return None


def find_endpoint_fault(
    endpoint: Endpoint,
    model: Model,
    region: str | None,
    audio_format: str | None,
    parameters: Mapping[str, Any],
    handlers: Mapping[str, HandlerSpec],
) -> Fault | None:
    """What the catalog says against an endpoint; code `not_served` where it was never meant."""
    handler = handlers.get(endpoint.handler_function)
    if not serves(endpoint.model_pattern, model.model_id) or (handler is not None and handler.kind != model.kind):
        return "not_served", "serves other models"
    if not endpoint.active:
        return "inactive", "endpoint switched off"
    if handler is None:
        return "handler", f"this version has no handler {endpoint.handler_function}"
    regions = {one for one in (region, parameters.get("region")) if one is not None}
    if regions - {endpoint.region}:
        return "region", f"is in {endpoint.region}, not {' and '.join(sorted(regions))}"
    if not regions and endpoint.region != "global":
        return "region", f"serves only requests for region {endpoint.region}"
    if endpoint.region not in model.regions:
        return "region", f"is in {endpoint.region}, which is not among the model's regions ({', '.join(model.regions)})"
    if audio_format is not None and audio_format not in handler.formats:
        return "format", f"cannot deliver {audio_format}"
    return None


def find_request_fault(model: Model, request: JobRequest, catalog: Catalog) -> Fault | None:
    """What this very request asks that a model does not do."""
    needed = needed_capabilities(request)
    if needed and (missing := needed - model.capabilities):
        return "capability", f"lacks {', '.join(sorted(missing))}"
    if request.voice is not None and not _has_voice(model.provider, request.voice, catalog):
        return "voice", f"{model.provider} has no voice {request.voice!r}"
    return _find_size_fault(model, request)


def _has_voice(provider: str, voice: str, catalog: Catalog) -> bool:
    """Not, where a semantic voice is not cast there, or where the name is known as another provider's own, such as
    OpenAI's `alloy` to ElevenLabs. A name that nobody knows may be anybody's."""
    if voice in catalog.voice_names:
        return (voice, provider) in catalog.voices
    own = catalog.voices_of.get(provider)
    return own is None or voice in own or not any(voice in others for others in catalog.voices_of.values())


def find_call_fault(
    model: Model, endpoint: Endpoint, price: Price | None, parameters: Mapping[str, Any], request: JobRequest
) -> Fault | None:
    """What this very request asks that the model does not do over this endpoint, or not for its money."""
    if request.strict or request.tools:
        refused = refused_parameters(request, model, endpoint.handler_function, parameters)
        if request.strict and refused:
            return "strict", f"does not accept {', '.join(refused)}"
        if "tools" in refused:
            return "capability", f"takes no tools over {endpoint.handler_function}"
    limit = request.requirements.max_cost_usd if request.requirements else None
    if limit is None:
        return None
    tier = asked_tier(request, model.provider, parameters)
    most = price_most(most_usage(request, model.max_output_tokens), price, endpoint.region, tier)
    if most is None:
        return "max_cost", "has no known price, and max_cost_usd is set"
    return ("max_cost", f"may cost {most:f} USD, more than max_cost_usd {limit:f}") if most > limit else None


def _find_size_fault(model: Model, request: JobRequest) -> Fault | None:
    if request.kind is Kind.speech:
        characters, most = sum(len(text) for text in request.texts), model.max_input_characters
        target = audio_format_of(request)
        if target not in JOINABLE_FORMATS and most is not None and characters > most:
            return "context_length", f"speaks {most} characters at once, and parts in {target} cannot be joined"
    elif request.kind is Kind.embedding:
        longest = max(len(text) for text in request.texts) / 4
        if model.context_window is not None and longest > model.context_window:
            return "context_length", f"reads at most {model.context_window} tokens a text, one has about {longest:.0f}"
    else:
        window, tokens = model.max_input_tokens or model.context_window, prompt_tokens(request)
        if window is not None and tokens > window:
            return "context_length", f"reads at most {window} tokens, this has about {tokens}"
    return None


def needed_capabilities(request: JobRequest) -> frozenset[str]:
    """What the request asks of a model. A JSON schema is no need: where a model has no native way, it is asked for in
    the prompt and checked all the same."""
    needed: set[str] = set()
    if request.requirements and request.requirements.capabilities:
        needed.update(request.requirements.capabilities)
    if request.messages and any(True for _ in request.image_urls()):
        needed.add("vision")
    if request.tools:
        needed.add("tools")
    return frozenset(needed) if needed else _NONE


def audio_format_of(request: JobRequest) -> str | None:
    return (request.format or "mp3") if request.kind is Kind.speech else None


def region_of(request: JobRequest, project: Project | None) -> str | None:
    """Hard, through every failover: the request's, else the project's."""
    asked = request.requirements.region if request.requirements else None
    return asked or (project.settings.get("region") if project else None)


def globs_of(project: Project | None, setting: str) -> tuple[str, ...]:
    """A list of model globs out of a project's settings; what is no list of texts counts as none."""
    found = project.settings.get(setting) if project else None
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def matches(model: Model, globs: tuple[str, ...]) -> bool:
    """By model id or `provider/model_id`."""
    return any(fnmatchcase(name, glob) for glob in globs for name in (model.model_id, model.name))


def serves(pattern: str, model_id: str) -> bool:
    """Globs separated by spaces; a leading `!` excludes."""
    globs = pattern.split()
    return any(fnmatchcase(model_id, glob) for glob in globs if glob[0] != "!") and not any(
        fnmatchcase(model_id, glob[1:]) for glob in globs if glob[0] == "!"
    )
