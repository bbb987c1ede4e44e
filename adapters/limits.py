"""What providers say of their limits in the headers of an answer, in our words.

ElevenLabs counts calls that run at once, for the account. OpenAI and those who answer like it name limit, remaining
and reset for requests and tokens, the reset as a duration; Anthropic as a time, tokens also by input and output.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from core.clock import utc_now
from core.limits import ProviderWord
from core.provider import Adapter, ProviderAnswer, ProviderCall, ProviderError

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")
_COUNTS = ("limit", "remaining")
_A_MINUTE_S = 90.0
_LONGEST_REST_S = 3600.0


@dataclass(slots=True)
class Wire:
    """What the pool's client does for the call that it sends: it waits until it `may_go`, and keeps the headers of the
    latest answer."""

    may_go: Callable[[], Awaitable[None]]
    headers: Mapping[str, str] | None = None

    @property
    def limits(self) -> ProviderWord | None:
        return None if self.headers is None else read_limits(self.headers)


WIRE: ContextVar[Wire | None] = ContextVar("provider_wire", default=None)


async def listen(adapter: Adapter, by_pool: bool, call: ProviderCall) -> ProviderAnswer:
    """The adapter's answer, or its error, with what the headers under it said of limits."""
    if by_pool:
        await asyncio.sleep(0)  # what `may_go` waits for is on its way before the request is made ready
    else:
        await call.may_go()
    wire = Wire(call.may_go)
    token = WIRE.set(wire)
    try:
        answer = await adapter(call)
        answer.limits = wire.limits
    except ProviderError as error:
        error.limits = wire.limits
        raise
    else:
        return answer
    finally:
        WIRE.reset(token)


def read_limits(headers: Mapping[str, str]) -> ProviderWord | None:
    """None where they say nothing. A limit that is not by the minute, as its reset tells, is no minute's limit."""
    named = {name.lower(): value for name, value in headers.items() if _is_about_limits(name.lower())}
    if not named:
        return None
    prefix = "anthropic-ratelimit-" if any(name.startswith("anthropic-") for name in named) else "x-ratelimit-"
    form = "{prefix}{kind}-{word}" if prefix.startswith("anthropic") else "{prefix}{word}-{kind}"
    minute: dict[str, int] = {}
    rests: list[float] = []
    for kind in ("requests", "tokens", "input-tokens", "output-tokens"):
        limit, left = (_count(named.get(form.format(prefix=prefix, kind=kind, word=word))) for word in _COUNTS)
        reset_s = _seconds(named.get(form.format(prefix=prefix, kind=kind, word="reset")), headers)
        if limit is not None and _is_by_the_minute(limit, left, reset_s):
            minute[kind] = limit
        if left == 0 and reset_s is not None:
            rests.append(min(reset_s, _LONGEST_REST_S))
    tokens = minute.get("tokens") or (minute.get("input-tokens", 0) + minute.get("output-tokens", 0)) or None
    return ProviderWord(
        requests_per_minute=minute.get("requests") or None,
        tokens_per_minute=tokens,
        most_at_once=_count(named.get("maximum-concurrent-requests")) or None,
        running=_count(named.get("current-concurrent-requests")),
        rest_s=max(rests) if rests else None,
    )


def _is_about_limits(name: str) -> bool:
    return "ratelimit-" in name or name.endswith("-concurrent-requests")


def _is_by_the_minute(limit: int, left: int | None, reset_s: float | None) -> bool:
    """A bucket that fills all the time says by its reset how long the whole of it takes."""
    if left is None or reset_s is None or left >= limit:
        return True
    return reset_s * limit / (limit - left) <= _A_MINUTE_S


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"\d{1,15}", text.strip()) else None


def _seconds(text: str | None, headers: Mapping[str, str]) -> float | None:
    """A duration such as `6m0s`, `20ms` or `1.5`, or a time, read against the answer's own `date`."""
    if text is None:
        return None
    text = text.strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if re.fullmatch(f"({_DURATION.pattern})+", text):
        return sum(float(number) * _UNITS_S[unit] for number, unit in _DURATION.findall(text))
    try:
        until = datetime.fromisoformat(text)
        said = next((value for name, value in headers.items() if name.lower() == "date"), None)
        now = parsedate_to_datetime(said) if said else utc_now()
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):
        return None
