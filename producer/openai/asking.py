"""What every endpoint's translation shares: a body into a JobRequest, with problems under the names that were sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import Problem, RequestRefused
from core.jsonio import dump_json, load_json
from core.request import JobRequest
from core.request_checks import read_request
from producer.openai.errors import Refusal, param_of

_PRIORITIES = {"priority": "interactive", "fast": "interactive", "flex": "batch"}
_TIERS = ("auto", "default", *_PRIORITIES)


@dataclass(frozen=True, slots=True)
class Asked:
    """`fields` are those of a JobRequest; `names` says how the caller called them, where it was otherwise, as paths:
    `{"max_output_tokens": "max_tokens", "messages.1": "input.0"}`."""

    fields: dict[str, Any]
    names: dict[str, str] = field(default_factory=dict)


def read_object(raw: bytes) -> dict[str, Any]:
    """The body's JSON object. Raises Refusal."""
    try:
        body = load_json(raw)
    except ValueError:
        found = read_request(raw)  # which says where it breaks
        raise RequestRefused.of(found if isinstance(found, list) else [Problem("this is not JSON")]) from None
    if not isinstance(body, dict):
        raise RequestRefused("The body must be a JSON object.")
    return body


def to_request(asked: Asked, cache: str) -> JobRequest:
    """Raises RequestRefused with the caller's own names. `cache`: `use`, `refresh` or `off`."""
    read = read_request(dump_json({**asked.fields, "cache": cache}), literal=True)
    if isinstance(read, JobRequest):
        return read
    raise RequestRefused.of(
        [
            Problem(one.message, param_of(_called(one.field, asked.names)) if one.field else None)
            for one in read
            if not any((other.field or "").startswith(f"{one.field}.") for other in read)  # the deepest say it best
        ]
    )


def _called(path: str, names: Mapping[str, str]) -> str:
    """The longest beginning of a path that was called otherwise decides."""
    steps = path.split(".")
    for count in range(len(steps), 0, -1):
        if (name := names.get(".".join(steps[:count]))) is not None:
            return ".".join([name, *steps[count:]])
    return path


def said(body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The named parameters that are there and not null."""
    return {name: body[name] for name in names if body.get(name) is not None}


def flag(body: Mapping[str, Any], name: str, within: str = "") -> bool:
    """Raises Refusal where it is neither true nor false. `within`: the path of `body`, with its point."""
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise Refusal(f"Invalid type for '{within}{name}': expected a boolean.", within + name, "invalid_type")
    return bool(value)


def object_of(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A parameter that is an object; empty where it is not there. Raises Refusal."""
    value = body.get(name)
    if value is not None and not isinstance(value, dict):
        raise Refusal(f"Invalid type for '{name}': expected an object.", name, "invalid_type")
    return value or {}


def only(value: Mapping[str, Any], path: str, *known: str) -> None:
    """Raises Refusal for the first key of an object that is not known and not null."""
    for name in value:
        if name not in known and value[name] is not None:
            message = f"Unsupported parameter: '{path}.{name[:100]}' is not supported here."
            raise Refusal(message, f"{path}.{name[:100]}", "unsupported_parameter")


def priority_of(body: Mapping[str, Any]) -> dict[str, str]:
    """`service_tier` as a priority of the queue."""
    tier = body.get("service_tier")
    if tier is None:
        return {}
    if not isinstance(tier, str) or tier not in _TIERS:
        message = f"Unsupported value: 'service_tier' is one of {', '.join(_TIERS)} here."
        raise Refusal(message, "service_tier", "unsupported_value")
    return {"priority": _PRIORITIES[tier]} if tier in _PRIORITIES else {}


def about_job(job_id: Any, result: Mapping[str, Any]) -> dict[str, Any]:
    """What the factory knows beyond OpenAI's shape, in every answer's `factory`."""
    shown = {"job_id": job_id, **{name: result[name] for name in ("provider", "model", "cost", "cached")}}
    return shown | ({"warnings": result["warnings"]} if result.get("warnings") else {})
