"""Which generation parameters a model takes. One reading for routing (`strict`) and for the adapters.

What a model's `parameters` may say (a model that says nothing, such as a self-hosted one, takes everything):

| key            | values                                    | about                                                   |
|----------------|-------------------------------------------|---------------------------------------------------------|
| `sampling`     | `yes no ignored effort_none_only`         | temperature, top_p                                      |
| `stop`, `seed` | `yes no`                                  | `stop` goes with `sampling` unless said                 |
| `effort`       | list out of `core.request.EFFORTS`        | reasoning_effort; the nearest accepted value is sent    |
| `tools`        | `yes no effort_none_only`                 | tools, tool_choice; with the last, effort none is sent  |
| `token_cap`    | name of the wire field, or `no`           | max_output_tokens                                       |
| `instructions`, `language`, `speed`, `voice_settings`, `dimensions` | `yes no` | the parameter of that name         |
| `thinking`     | `level budget`                            | how a Gemini model is told its effort                   |
|                | `always adaptive budget`                  | how a Claude thinks and is told its effort              |
| `forced_tool_choice` | `yes no`                            | a tool_choice other than auto and none                  |
| `prefill`      | `yes no`                                  | whether a Claude or Gemini continues its own last turn  |
| `streamed_above` | number of tokens                        | the longest answer that a Gemini gives in one piece     |
| `stitching`    | `yes no`                                  | a part is told the text before and behind it            |
| a handler's name, such as `openai.responses` | a table with these keys | what is otherwise with that handler    |

true and false stand for yes and no. An OpenAI speech model whose `instructions` are yes is billed by token.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from core.catalog import Model
from core.request import EFFORTS, JobRequest, Kind

_BY_KIND: Mapping[Kind, tuple[str, ...]] = {
    Kind.text: (
        "reasoning_effort",
        "temperature",
        "top_p",
        "stop",
        "seed",
        "max_output_tokens",
        "tools",
        "tool_choice",
    ),
    Kind.speech: ("instructions", "speed", "language", "voice_settings", "seed", "timestamps"),
    Kind.embedding: ("dimensions",),
}
_BEYOND_HANDLER: Mapping[str, frozenset[str]] = {
    "openai.responses": frozenset({"stop", "seed"}),
    "openai.speech": frozenset({"language", "voice_settings", "seed", "timestamps"}),
    "google.speech": frozenset({"speed", "voice_settings", "timestamps"}),
    "anthropic.messages": frozenset({"seed"}),
    "mistral.speech": frozenset({"instructions", "speed", "language", "voice_settings", "seed", "timestamps"}),
    "elevenlabs.text_to_speech": frozenset({"instructions"}),
}
_LEAST_OUTPUT_TOKENS: Mapping[str, int] = {"openai.responses": 16}
_SPEEDS: Mapping[str, tuple[float, float]] = {"elevenlabs.text_to_speech": (0.7, 1.2)}


@dataclass(slots=True)
class Accepted:
    """What is sent of the request's parameters: `values` by request name. `refused` are left out,
    `altered` are sent with another value; `warnings` has a line for each of both."""

    values: dict[str, Any]
    refused: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def refused_parameters(
    request: JobRequest, model: Model, handler_name: str, parameters: Mapping[str, Any]
) -> list[str]:
    """The names that would be left out. `parameters` are the alias target's defaults."""
    return accept_parameters(request, model, handler_name, parameters).refused


def accept_parameters(request: JobRequest, model: Model, handler_name: str, parameters: Mapping[str, Any]) -> Accepted:
    """The request's own values before the target's defaults, less what handler and model do not take."""
    if said := model.parameters.get(handler_name):
        model = replace(model, parameters={**model.parameters, **said})
    names = _BY_KIND[request.kind]
    wanted = {name: getattr(request, name) for name in names}
    wanted = {name: parameters.get(name) if value is None else value for name, value in wanted.items()}
    accepted = Accepted({name: value for name, value in wanted.items() if value is not None and value is not False})
    beyond = _BEYOND_HANDLER.get(handler_name, frozenset())
    for name in [name for name in accepted.values if name in beyond or _says_no(model, name)]:
        _refuse(accepted, model, name)
    _settle_effort(accepted, model)
    _settle_sampling(accepted, model)
    _settle_tool_choice(accepted, model)
    if handler_name == "anthropic.messages":
        _settle_claude(accepted, model)
    if handler_name == "mistral.chat":
        _settle_mistral(accepted, model)
    _settle_range(accepted, model, handler_name)
    return accepted


def takes_context(model: Model) -> bool:
    """Whether a part of a long narration is told what comes before and behind it. Only a model that says so is."""
    return model.parameters.get("stitching") in (True, "yes")


def nearest_effort(wanted: str, efforts: list[str]) -> str:
    """The accepted effort that is closest to the wanted one; the smaller of two."""
    place = EFFORTS.index(wanted)
    return min(
        (one for one in efforts if one in EFFORTS),
        key=lambda one: (abs(EFFORTS.index(one) - place), EFFORTS.index(one)),
    )


def _says_no(model: Model, name: str) -> bool:
    said = model.parameters
    match name:
        case "reasoning_effort":
            return "effort" in said and not any(one in EFFORTS for one in said["effort"] or ())
        case "tools" | "tool_choice":
            return _is_no(said.get("tools"))
        case "max_output_tokens":
            return _is_no(said.get("token_cap"))
        case "temperature" | "top_p":
            return _is_no(said.get("sampling")) or said.get("sampling") == "ignored"
        case "stop":
            return _is_no(said.get("stop", said.get("sampling")))
        case _:
            return _is_no(said.get(name))


def _is_no(said: Any) -> bool:
    return said is False or said in ("no", "never")


def _refuse(accepted: Accepted, model: Model, name: str) -> None:
    del accepted.values[name]
    accepted.refused.append(name)
    accepted.warnings.append(f"{name}: not accepted by {model.model_id}, left out")


def _alter(accepted: Accepted, name: str, value: Any, reason: str) -> None:
    if name in accepted.values:
        accepted.altered.append(name)
    accepted.values[name] = value
    accepted.warnings.append(f"{name}: {reason}, sent as {value}")


def _settle_effort(accepted: Accepted, model: Model) -> None:
    efforts: list[str] = list(model.parameters.get("effort") or ())
    effort = accepted.values.get("reasoning_effort")
    if "tools" in accepted.values and model.parameters.get("tools") == "effort_none_only":
        if effort != "none":
            _alter(accepted, "reasoning_effort", "none", f"{model.model_id} takes tools with no other effort")
    elif effort is not None and efforts and effort not in efforts:
        nearest = nearest_effort(effort, efforts)
        _alter(accepted, "reasoning_effort", nearest, f"{effort} is not accepted by {model.model_id}")


def _settle_sampling(accepted: Accepted, model: Model) -> None:
    if model.parameters.get("sampling") != "effort_none_only" or accepted.values.get("reasoning_effort") == "none":
        return
    bound = ["temperature", "top_p"] + ([] if "stop" in model.parameters else ["stop"])
    for name in [name for name in bound if name in accepted.values]:
        del accepted.values[name]
        accepted.refused.append(name)
        accepted.warnings.append(f"{name}: accepted by {model.model_id} only with effort none, left out")


def _settle_tool_choice(accepted: Accepted, model: Model) -> None:
    if _is_forced(accepted) and _is_no(model.parameters.get("forced_tool_choice")):
        del accepted.values["tool_choice"]
        accepted.refused.append("tool_choice")
        accepted.warnings.append(f"tool_choice: {model.model_id} cannot be made to call a tool, left to it")


def _is_forced(accepted: Accepted) -> bool:
    return "tools" in accepted.values and accepted.values.get("tool_choice") not in (None, "auto", "none")


def _settle_claude(accepted: Accepted, model: Model) -> None:
    """A Claude that is made to call a tool does not think, unless it always does; one that thinks takes no sampling,
    and none takes temperature and top_p together."""
    values = accepted.values
    if values.get("temperature", 0) > 1:
        _alter(accepted, "temperature", 1, "Claude takes 0 to 1")
    _settle_stops(accepted, model)
    if "thinking" not in model.parameters:
        return
    thinks = values.get("reasoning_effort") not in (None, "none")
    if thinks and _is_forced(accepted) and model.parameters["thinking"] != "always":
        _alter(accepted, "reasoning_effort", "none", f"{model.model_id} does not think when made to call a tool")
        thinks = False
    sampling = [name for name in ("temperature", "top_p") if name in values]
    for name in sampling if thinks else sampling[1:]:
        del values[name]
        accepted.refused.append(name)
        reason = "with effort none" if thinks else "without temperature"
        accepted.warnings.append(f"{name}: accepted by {model.model_id} only {reason}, left out")


def _settle_stops(accepted: Accepted, model: Model) -> None:
    """A stop of white space alone is none to Claude."""
    said = accepted.values.get("stop", [])
    stops = [said] if isinstance(said, str) else said
    kept = [one for one in stops if one.strip()]
    if stops and not kept:
        _refuse(accepted, model, "stop")
    elif kept != stops:
        _alter(accepted, "stop", kept, "Claude takes no white space alone")


def _settle_mistral(accepted: Accepted, model: Model) -> None:
    """Temperature is 0 to 1, and at 0 there is nothing for top_p to choose from."""
    values = accepted.values
    if values.get("temperature", 0) > 1:
        _alter(accepted, "temperature", 1, "Mistral takes 0 to 1")
    if values.get("temperature") == 0 and values.get("top_p") not in (None, 1):
        del values["top_p"]
        accepted.refused.append("top_p")
        accepted.warnings.append(f"top_p: accepted by {model.model_id} only with a temperature above 0, left out")


def _settle_range(accepted: Accepted, model: Model, handler_name: str) -> None:
    most, asked = model.max_output_tokens, accepted.values.get("max_output_tokens")
    if asked is not None and most is not None and asked > most:
        _alter(accepted, "max_output_tokens", most, f"{model.model_id} gives at most {most}")
    least = _LEAST_OUTPUT_TOKENS.get(handler_name, 0)
    if asked is not None and asked < least:
        _alter(accepted, "max_output_tokens", least, f"{handler_name} takes no less than {least}")
    speed, limits = accepted.values.get("speed"), _SPEEDS.get(handler_name)
    if speed is not None and limits is not None and not limits[0] <= speed <= limits[1]:
        nearest = min(max(speed, limits[0]), limits[1])
        _alter(accepted, "speed", nearest, f"{model.model_id} takes {limits[0]} to {limits[1]}")
