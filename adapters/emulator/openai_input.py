"""What a request to OpenAI's responses says: the items of its `input`, checked as the API checks them."""

import base64
from dataclasses import dataclass, field
from typing import Any

from adapters.emulator.openai_wire import invalid, not_found, read_picture
from adapters.emulator.wire import Refused

ROLES = ("user", "assistant", "system", "developer")
SAID = {"assistant": ("output_text", "refusal")}
HEARD = ("input_text", "input_image")
_SEAL = b"sealed reasoning of "


@dataclass(slots=True)
class ReadInput:
    """`texts` are all words, the instructions first; `tool_result` is that of the last item, if it is one."""

    texts: list[str] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    called: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    tool_result: str | None = None

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def read_input(body: dict[str, Any]) -> ReadInput:
    """Raises Refused for what the API would not take."""
    read = ReadInput([body["instructions"]] if body.get("instructions") else [])
    said = body.get("input")
    if isinstance(said, str):
        said = [{"role": "user", "content": said}]
    if not isinstance(said, list) or not said:
        raise _missing("input")
    for place, item in enumerate(said):
        _read_item(item, f"input[{place}]", read)
        _check_follower(item, said[place + 1] if place + 1 < len(said) else None)
    if unanswered := sorted(read.called - read.answered):
        raise invalid(f"No tool output found for function call {unanswered[0]}.", param="input")
    return read


def seal_reasoning(digest: str) -> str:
    """What stands for encrypted reasoning; `read_input` knows its own."""
    return base64.b64encode(_SEAL + digest.encode()).decode("ascii")


def _read_reasoning(item: dict[str, Any], where: str) -> None:
    """Nothing is kept here, so reasoning has to be in the item itself."""
    _require(item, where, ("id", "summary"))
    if not str(item["id"]).startswith("rs_"):
        raise invalid(f"Invalid '{where}.id': expected an ID that begins with 'rs'.", param=f"{where}.id")
    sealed = item.get("encrypted_content")
    if sealed is None:
        raise not_found(f"Item with id '{item['id']}' not found. Items are not persisted when `store` is false.")
    try:
        known = base64.b64decode(str(sealed), validate=True).startswith(_SEAL)
    except ValueError:
        known = False
    if not known:
        raise invalid("The encrypted content could not be verified.", code="invalid_encrypted_content")


def _check_follower(item: dict[str, Any], follower: Any) -> None:
    if item.get("type") != "reasoning":
        return
    follows = isinstance(follower, dict) and (
        follower.get("type") in ("function_call", "reasoning") or follower.get("role") == "assistant"
    )
    if not follows:
        message = f"Item '{item['id']}' of type 'reasoning' was provided without its required following item."
        raise invalid(message, param="input")


def _read_item(item: Any, where: str, read: ReadInput) -> None:
    kind = item.get("type", "message") if isinstance(item, dict) else None
    read.tool_result = None
    match kind:
        case "message":
            _read_message(item, where, read)
        case "function_call":
            _require(item, where, ("call_id", "name", "arguments"))
            if not str(item.get("id", "fc_")).startswith("fc"):
                raise invalid(f"Invalid '{where}.id': expected an ID that begins with 'fc'.", param=f"{where}.id")
            read.called.add(item["call_id"])
        case "reasoning":
            _read_reasoning(item, where)
        case "function_call_output":
            _require(item, where, ("call_id", "output"))
            if item["call_id"] not in read.called:
                raise invalid(
                    f"No tool call found for function call output with call_id {item['call_id']}.", param="input"
                )
            read.answered.add(item["call_id"])
            read.tool_result = str(item["output"])
            read.texts.append(read.tool_result)
        case _:
            raise invalid(f"Invalid value: '{kind}'.", code="invalid_value", param=where)


def _read_message(item: dict[str, Any], where: str, read: ReadInput) -> None:
    _require(item, where, ("role", "content"))
    role, content = item["role"], item["content"]
    if role not in ROLES:
        raise invalid(f"Invalid value: '{role}'.", code="invalid_value", param=f"{where}.role")
    for name in item.keys() - {"type", "role", "content", "id", "status", "phase"}:
        raise invalid(f"Unknown parameter: '{where}.{name}'.", code="unknown_parameter", param=f"{where}.{name}")
    if isinstance(content, str):
        read.texts.append(content)
        return
    if not isinstance(content, list):
        raise invalid(f"Invalid type for '{where}.content'.", code="invalid_type", param=f"{where}.content")
    for number, part in enumerate(content):
        _read_part(part, role, f"{where}.content[{number}]", read)


def _read_part(part: Any, role: str, where: str, read: ReadInput) -> None:
    kinds = SAID.get(role, HEARD)
    kind = part.get("type") if isinstance(part, dict) else None
    if kind not in kinds:
        supported = " and ".join(f"'{one}'" for one in kinds)
        message = f"Invalid value: '{kind}'. Supported values are: {supported}."
        raise invalid(message, code="invalid_value", param=where)
    if kind == "input_image":
        url = part.get("image_url")
        if not isinstance(url, str):
            message = f"Invalid type for '{where}.image_url': expected an image URL, but got an object instead."
            raise invalid(message, code="invalid_type", param=f"{where}.image_url")
        read.pictures.append(read_picture(url, where))
        return
    name = "refusal" if kind == "refusal" else "text"
    _require(part, where, (name,))
    read.texts.append(str(part[name]))


def _require(said: dict[str, Any], where: str, names: tuple[str, ...]) -> None:
    for name in names:
        if said.get(name) is None:
            raise _missing(f"{where}.{name}")


def _missing(param: str) -> Refused:
    return invalid(f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param)
