"""A provider's words made safe to store and show: one line, no key, nothing of the prompt."""

import re
from collections.abc import Iterator

from core.provider import ProviderCall
from core.request import TextPart

MAX_LENGTH = 300
_WINDOW = 20
_SEARCHED = 200_000
_KEY_LIKE = re.compile(
    r"(?i:\bbearer\s+\S+)"
    r"|\b(?:sk|pk|rk|xi|gsk|AIza|ya29)[-_.*A-Za-z0-9]{6,}"
    r"|\b(?=[-_A-Za-z0-9]*[0-9])(?=[-_A-Za-z0-9]*[A-Za-z])[-_A-Za-z0-9]{30,}"
    r"|\b[A-Za-z0-9]{2,8}\*{3,}[A-Za-z0-9]{0,8}"
)


def clean_message(text: str, call: ProviderCall) -> str:
    """At most 300 characters; keys and whatever repeats 20 characters of the request are taken out."""
    line = " ".join(text[:4000].split())
    if call.api_key:
        line = line.replace(call.api_key, "[key]")
    line = _without_echo(_KEY_LIKE.sub("[key]", line)[:1000], _asked(call))
    return line if len(line) <= MAX_LENGTH else line[: MAX_LENGTH - 1] + "…"


def mend_text(text: str) -> str:
    """Without what Postgres and UTF-8 cannot hold: NUL and lone surrogates."""
    text = text.replace("\0", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _asked(call: ProviderCall) -> str:
    """The request's own words, on one line each, as far as they are searched."""
    return "\n".join(" ".join(text[:_SEARCHED].split()) for text in _texts(call))[:_SEARCHED]


def _texts(call: ProviderCall) -> Iterator[str]:
    request = call.request
    yield from (text for text in (request.system, request.prompt, request.instructions) if text)
    yield from request.texts if request.input is not None else ()
    for message in request.messages or ():
        if isinstance(message.content, str):
            yield message.content
        else:
            yield from (part.text for part in message.content or () if isinstance(part, TextPart))


def _without_echo(line: str, asked: str) -> str:
    for short in (one for one in asked.splitlines() if 4 <= len(one) <= _WINDOW):
        line = line.replace(f"'{short}'", "'…'").replace(f'"{short}"', '"…"')
    kept: list[str] = []
    place = 0
    while place < len(line):
        if len(line) - place >= _WINDOW and line[place : place + _WINDOW] in asked:
            end = place + _WINDOW
            while end < len(line) and line[place : end + 1] in asked:
                end += 1
            kept.append("…")
            place = end
        else:
            kept.append(line[place])
            place += 1
    return "".join(kept)
