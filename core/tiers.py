"""The tier of service that a call asks for and the one that served it, since providers bill by it."""

from collections.abc import Mapping
from typing import Any

from core.request import JobRequest

UNTOLD = "untold"
_STANDARD = frozenset({"auto", "default", "standard", "standard_only", "unspecified"})


def options_for(request: JobRequest, provider: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """`provider_options` for one provider: the alias target's (in `parameters`), and before them the request's own."""
    defaults: Mapping[str, Any] = parameters.get("provider_options", {})
    return {**defaults.get(provider, {}), **request.provider_options.get(provider, {})}


def asked_tier(request: JobRequest, provider: str, parameters: Mapping[str, Any]) -> str | None:
    """None: the standard one. Anthropic's fast mode is asked for by `speed`, which elsewhere may be a number."""
    if not request.provider_options and "provider_options" not in parameters:
        return None
    options = options_for(request, provider, parameters)
    if options.get("speed") == "fast":
        return "fast"
    return _named(options.get("service_tier", options.get("serviceTier")))


def served_tier(asked: str | None, told: Any) -> str | None:
    """What the answer tells; `untold` where one was asked for and the answer tells none, for then its price is not
    known. None: the standard one."""
    return UNTOLD if told is None and asked is not None else _named(told)


def _named(tier: Any) -> str | None:
    name = str(tier or "auto").lower()
    return None if name in _STANDARD else name
