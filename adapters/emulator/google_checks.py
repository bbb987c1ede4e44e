"""A request for content, checked as Google does, and read."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.emulator.google_rules import MOST_OUTPUT, Family, find_schema_fault
from adapters.emulator.google_wire import check_names, get, invalid, to_camel
from adapters.emulator.wire import looks_like_picture

BODY_FIELDS = frozenset(
    "model contents systemInstruction generationConfig safetySettings tools toolConfig cachedContent labels serviceTier".split()
)
CONFIG_FIELDS = frozenset(
    "temperature topP topK candidateCount maxOutputTokens stopSequences seed responseMimeType responseSchema "
    "responseJsonSchema thinkingConfig responseModalities speechConfig presencePenalty frequencyPenalty "
    "responseLogprobs logprobs mediaResolution".split()
)
_RANGES = {"temperature": (0, 2), "topP": (0, 1), "maxOutputTokens": (1, MOST_OUTPUT), "seed": (-(2**31), 2**31 - 1)}
_MOST_STOPS = 5
# Taken from a model of another house, whose calls Gemini never signed.
_UNCHECKED_SIGNATURE = b"skip_thought_signature_validator"


@dataclass(slots=True)
class Asked:
    """What the model reads. `results` are those of the last turn: what a tool said that is to be answered to."""

    text: str = ""
    pictures: list[bytes] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)
    functions: dict[str, Mapping[str, Any]] = field(default_factory=dict)


def read_config(body: Mapping[str, Any], family: Family) -> dict[str, Any]:
    """The generation's settings in camelCase. Raises Refused."""
    check_names(body, BODY_FIELDS, "")
    config = {to_camel(name): value for name, value in (get(body, "generationConfig") or {}).items()}
    check_names(config, CONFIG_FIELDS, "generation_config.")
    for name, (least, most) in _RANGES.items():
        value = config.get(name)
        if value is not None and not least <= value <= most:
            raise invalid(f"Invalid value at 'generation_config.{name}': {value} is not in {least} to {most}.")
    if len(config.get("stopSequences") or ()) > _MOST_STOPS:
        raise invalid(f"Unable to submit request because it has more than {_MOST_STOPS} stop sequences.")
    _check_schema(config)
    _check_thinking(config, family)
    if family.speech != (config.get("responseModalities") == ["AUDIO"]):
        raise invalid("The requested combination of response modalities is not supported by the model.")
    return config


def read_contents(body: Mapping[str, Any], family: Family) -> Asked:
    """System words, turns and tools. Raises Refused."""
    contents = get(body, "contents")
    if not isinstance(contents, list) or not contents:
        raise invalid("* GenerateContentRequest.contents: contents is not specified")
    asked = Asked(functions=_read_functions(body))
    system = get(body, "systemInstruction")
    texts = [_read_part(part, asked) for part in (system or {}).get("parts") or ()]
    waiting: list[str] = []
    for place, content in enumerate(contents):
        parts = content.get("parts")
        if content.get("role", "user") not in ("user", "model"):
            raise invalid("Please use a valid role: user, model.")
        if not isinstance(parts, list) or not parts:
            raise invalid(f"* GenerateContentRequest.contents[{place}].parts: contents.parts must not be empty.")
        _check_signatures(parts, family, place)
        asked.results = _check_results(parts, waiting)
        waiting = [str(call.get("name")) for part in parts if (call := get(part, "functionCall")) is not None]
        texts += [_read_part(part, asked) for part in parts]
    if contents[-1].get("role") == "model" and not family.prefill:
        raise invalid("The last turn of the conversation may not be a model turn.")
    asked.text = "\n".join(text for text in texts if text)
    return asked


def _check_schema(config: Mapping[str, Any]) -> None:
    if "responseSchema" in config and "responseJsonSchema" in config:
        raise invalid("Only one of response_schema and response_json_schema may be set.")
    schema = config.get("responseSchema") or config.get("responseJsonSchema")
    if schema and config.get("responseMimeType") != "application/json":
        raise invalid("A response schema needs response_mime_type application/json.")
    fault = find_schema_fault(config["responseJsonSchema"]) if config.get("responseJsonSchema") else None
    if fault:
        raise invalid(f"Invalid response_json_schema: {fault}")


def _check_thinking(config: Mapping[str, Any], family: Family) -> None:
    thinking = {to_camel(name): value for name, value in (config.get("thinkingConfig") or {}).items()}
    if "thinkingBudget" in thinking and not family.budget:
        raise invalid("thinking_budget is not supported by this model.")
    level = str(thinking.get("thinkingLevel") or "").upper()
    if level and (level not in family.levels or family.budget):
        raise invalid(f"Thinking level {level} is not supported for this model.")


def _read_functions(body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    declared: dict[str, Mapping[str, Any]] = {}
    for tool in get(body, "tools") or ():
        for function in get(tool, "functionDeclarations") or ():
            name = function.get("name")
            if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][\w.:-]{0,127}", name, re.ASCII):
                raise invalid(f"Invalid function name {name!r}.")
            if name in declared:
                raise invalid(f"Duplicate function declaration found: {name}")
            schema = get(function, "parametersJsonSchema")
            if schema is not None and (fault := find_schema_fault(schema)):
                raise invalid(f"Invalid parameters_json_schema of {name}: {fault}")
            declared[name] = function
    _check_choice(body, declared)
    return declared


def _check_choice(body: Mapping[str, Any], declared: Mapping[str, Any]) -> None:
    calling = get(get(body, "toolConfig") or {}, "functionCallingConfig") or {}
    mode, allowed = str(calling.get("mode") or "AUTO").upper(), get(calling, "allowedFunctionNames") or ()
    if mode not in ("AUTO", "NONE", "ANY", "VALIDATED"):
        raise invalid(f"Invalid value at 'tool_config.function_calling_config.mode': {mode}")
    if mode == "ANY" and not declared:
        raise invalid("Function calling config is set without function_declarations.")
    if unknown := set(allowed) - declared.keys():
        raise invalid(f"The allowed function names contain an undeclared function: {min(unknown)}")


def _check_signatures(parts: list[dict[str, Any]], family: Family, place: int) -> None:
    """The first of parallel calls carries the signature that Gemini gave it."""
    calls = [part for part in parts if get(part, "functionCall") is not None]
    if not calls or not family.signs:
        return
    name, signature = get(calls[0], "functionCall").get("name"), get(calls[0], "thoughtSignature")
    if signature is None:
        message = f"Function call is missing a thought_signature in functionCall parts: {name}, position {place}."
        raise invalid(message)
    if signature != sign(str(name)) and _decoded(signature) != _UNCHECKED_SIGNATURE:
        raise invalid("Corrupted thought signature.")


def sign(function: str) -> str:
    """The signature that a call of this function is given."""
    return base64.b64encode(f"thoughts before {function}".encode()).decode("ascii")


def _check_results(parts: list[dict[str, Any]], waiting: list[str]) -> list[Any]:
    """As many results as there were calls, by the same names, in the very next turn."""
    replies = [reply for part in parts if (reply := get(part, "functionResponse")) is not None]
    if len(replies) != len(waiting):
        raise invalid(
            "Please ensure that the number of function response parts is equal to the number of function call parts "
            "of the function call turn."
        )
    if sorted(str(reply.get("name")) for reply in replies) != sorted(waiting):
        raise invalid("Please ensure that function response names are those of the function call turn.")
    if not all(isinstance(reply.get("response"), dict) for reply in replies):
        raise invalid("Invalid value at 'function_response.response': expected an object.")
    return [reply["response"] for reply in replies]


def _read_part(part: Mapping[str, Any], asked: Asked) -> str:
    if (inline := get(part, "inlineData")) is not None:
        asked.pictures.append(_read_picture(inline))
        return ""
    if (reply := get(part, "functionResponse")) is not None:
        return json.dumps(reply.get("response"))
    if get(part, "functionCall") is None and not isinstance(part.get("text"), str):
        raise invalid("Unable to submit request because it must have a part with data: text, inline_data, …")
    return str(part.get("text") or "")


def _read_picture(inline: Mapping[str, Any]) -> bytes:
    data = _decoded(inline.get("data"))
    if not looks_like_picture(data):
        raise invalid("Unable to process input image. Please retry or report in troubleshooting.")
    return data


def _decoded(text: Any) -> bytes:
    """Base64 in its usual or its URL-safe letters; nothing when it is neither."""
    try:
        return base64.b64decode(str(text), altchars=b"-_" if set("-_") & set(str(text)) else None, validate=True)
    except ValueError:
        return b""
