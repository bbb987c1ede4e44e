"""What all dialects do alike: options of the provider, JSON answers, voices, estimates where usage is not told."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.schemas import Converted
from adapters.wording import mend_text
from core.jsonio import dump_json, load_json
from core.provider import ErrorKind, ProviderCall, ProviderError
from core.request import Message, TextPart
from core.result import Usage
from core.tiers import asked_tier, options_for, served_tier

_OURS = ("model", "model_id", "stream", "stream_options", "stream_format")
_CHARACTERS_PER_TOKEN = 4

GO_ON = "Go on from where your last message ends."
USAGE_ESTIMATED = "usage: not told by the provider, estimated"


@dataclass(slots=True)
class JsonPlan:
    """How a call asks for JSON: `mode` is `text`, `json` or `schema`; `instruction` goes to the end of the system
    prompt."""

    mode: str
    converted: Converted | None = None
    instruction: str | None = None
    warnings: list[str] = field(default_factory=list)


def plan_json(call: ProviderCall, convert: Callable[[dict[str, Any]], Converted]) -> JsonPlan:
    """A schema where the model takes one, else JSON mode with the schema in the prompt."""
    request = call.request
    if not request.wants_json:
        return JsonPlan("text")
    able = call.model.capabilities
    if request.output_schema is None:
        mode = "json" if not able or able & {"json_mode", "json_schema"} else "text"
        return JsonPlan(mode, instruction=None if _mentions_json(call) else "Answer in JSON.")
    converted = convert(request.output_schema)
    plan = JsonPlan("schema", converted, warnings=list(converted.warnings))
    if able and "json_schema" not in able:
        plan.mode = "json" if "json_mode" in able else "text"
        plan.warnings = [f"response_format: {call.model.model_id} takes no schema; it is given in the prompt"]
    elif converted.schema is None:
        plan.mode = "json"
    if plan.mode != "schema":
        schema = dump_json(request.output_schema).decode()
        plan.instruction = f"Answer with JSON that satisfies this JSON Schema, and with nothing else:\n{schema}"
    return plan


def restore_json(content: str, plan: JsonPlan) -> str:
    """The answer's text in the caller's own schema; as it came when it is not JSON or nothing has to change."""
    if plan.converted is None:
        return content
    try:
        parsed = load_json(content)
    except ValueError:
        return content
    restored = plan.converted.restore(parsed)
    return content if restored == parsed else dump_json(restored).decode()


def provider_options(call: ProviderCall, *ours: str) -> tuple[dict[str, Any], list[str]]:
    """What goes into the provider's body as it is: the alias target's, then the request's own; and warnings for
    fields that are the factory's to say, in whatever spelling: those of all dialects, and `ours`, in snake_case."""
    options = options_for(call.request, call.model.provider, call.parameters)
    kept = {name: value for name, value in options.items() if _to_snake(name) not in (*_OURS, *ours)}
    return kept, [f"provider_options.{name}: not for callers to set, left out" for name in options if name not in kept]


def find_tier(call: ProviderCall, told: Any) -> str | None:
    """The tier that served a call, by what its answer tells; None is the standard one."""
    return served_tier(asked_tier(call.request, call.model.provider, call.parameters), told)


def warn_of_going_on(call: ProviderCall) -> str:
    """For a conversation that ends with the model's own turn, where the model writes on only when asked to."""
    return f"messages: {call.model.model_id} does not continue an assistant's turn here, it is asked to go on"


def system_text(call: ProviderCall, instruction: str | None = None) -> str | None:
    """All system words in one text: the request's `system`, system turns, the instruction."""
    turns = [text_of(turn) for turn in call.request.turns if turn.role == "system"]
    parts = [part for part in (call.request.system, *turns, instruction) if part]
    return "\n\n".join(parts) or None


def text_of(message: Message) -> str:
    """A turn's text, its parts joined."""
    if isinstance(message.content, str):
        return message.content
    return "\n".join(part.text for part in message.content or () if isinstance(part, TextPart))


def speech_text(call: ProviderCall) -> str:
    """What is to be spoken."""
    return "\n\n".join(call.request.texts)


def choose_voice(call: ProviderCall, fallback: str) -> str:
    """The provider's id of the voice: the mapped one, else the caller's word for it, else the model's own."""
    if call.voice is not None:
        return call.voice.provider_voice_id
    return call.request.voice or call.model.default_voice or fallback


def speech_defaults(call: ProviderCall) -> Mapping[str, Any]:
    """What stands behind a speech request: the alias target's defaults, and behind those the instructions that make
    the provider's voice the character asked for, where the model takes any."""
    own = call.voice.settings.get("instructions") if call.voice is not None else None
    if not own or call.model.parameters.get("instructions") in (False, "no"):
        return call.parameters
    return {"instructions": own, **call.parameters}


def require_text(content: str | None, finish: str, usage: Usage, request_id: str | None) -> str:
    """The answer's text, mended. Raises ProviderError(invalid_response) when there is none."""
    text = mend_text(content or "")
    if text.strip():
        return text
    reason = "stopped at the token limit before any text" if finish == "length" else "is empty"
    raise ProviderError(
        ErrorKind.invalid_response, f"The answer {reason}", status=200, request_id=request_id, usage=usage
    )


def estimate_tokens(*texts: str) -> int:
    """Tokens of texts that the provider did not count."""
    return sum(math.ceil(len(text) / _CHARACTERS_PER_TOKEN) for text in texts)


def _to_snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def _mentions_json(call: ProviderCall) -> bool:
    texts = [call.request.system or "", *(text_of(turn) for turn in call.request.turns)]
    return any("json" in text.lower() for text in texts)
