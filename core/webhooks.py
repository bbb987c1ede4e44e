"""What webhooks say, and what follows from an answer: again later, delivered, given up, or the endpoint is gone. Pure.

After Standard Webhooks: https://www.standardwebhooks.com.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from core.jsonio import dump_json

EVENTS = ("job.completed", "job.failed", "job.cancelled", "job.expired", "batch.completed")
DEFAULT_EVENTS = ("job.completed", "job.failed", "batch.completed")
MINUTE, HOUR = 60, 3600
SCHEDULE_S = (5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
JITTER = 0.1
LONGEST_WAIT = timedelta(hours=24)
FAILING_FOR = timedelta(days=5)
GONE = 410
_NAMES_A_TIME = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one try: the receiver's status, or why there is none."""

    status: int | None
    error: str | None = None
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """Any 2xx."""


@dataclass(frozen=True, slots=True)
class AgainAt:
    at: datetime


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The schedule is used up."""


@dataclass(frozen=True, slots=True)
class EndpointGone:
    """The receiver says that it wants nothing more: 410."""


Verdict = Delivered | AgainAt | GivenUp | EndpointGone


def judge(answered: Answered, tries: int, now: datetime, drawn: float) -> Verdict:
    """`tries` of this schedule, this one included; `drawn` is a random number from 0 to 1 for the jitter."""
    if answered.status is not None and 200 <= answered.status < 300:
        return Delivered()
    if answered.status == GONE:
        return EndpointGone()
    if tries > len(SCHEDULE_S):
        return GivenUp()
    wait = timedelta(seconds=SCHEDULE_S[tries - 1] * (1 + JITTER * drawn))
    if answered.status in _NAMES_A_TIME and answered.retry_after is not None:
        wait = max(wait, min(read_retry_after(answered.retry_after, now), LONGEST_WAIT))
    return AgainAt(now + wait)


def read_retry_after(text: str, now: datetime) -> timedelta:
    """Seconds or a date of HTTP; nothing where it is neither."""
    said = text.strip()
    if said.isascii() and said.isdecimal():
        return timedelta(seconds=min(int(said[:9]), 86_400 * 365))
    try:
        at = parsedate_to_datetime(said)
    except ValueError:
        return timedelta(0)
    return max(timedelta(0), (at if at.tzinfo else at.replace(tzinfo=UTC)) - now)


def webhook_body(kind: str, at: datetime, data: Mapping[str, Any]) -> bytes:
    """`{"type", "timestamp", "data"}`; `at` is when it happened."""
    return dump_json({"type": kind, "timestamp": at, "data": data})


def readable(answer: bytes, most: int) -> str:
    """The beginning of an answer, as Postgres can hold it."""
    return answer.decode("utf-8", "replace").replace("\x00", "")[:most]
