"""Sending again, safely: what was lost or put off, with growing pauses, within a time."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from factory_client.calls import Answer, Call, Flow, Lost, Pause, Send
from factory_client.errors import ApiError, FactoryError, JobFailed, Problem, Unreachable
from factory_client.shapes import Job, make_shape, read_json

AGAIN = frozenset({408, 429, 502, 503, 504})
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 8.0


@dataclass(frozen=True, slots=True)
class Patience:
    """`retry_for_s`: how long something is tried again, from its first try or its last progress."""

    retry_for_s: float = 60.0
    clock: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = random.random

    def within(self, seconds: float | None) -> "Patience":
        """No longer than that."""
        return self if seconds is None else replace(self, retry_for_s=max(0.0, min(self.retry_for_s, seconds)))


class Tries:
    """The tries of one thing."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.progressed()

    def progressed(self) -> None:
        self._until = self._patience.clock() + self._patience.retry_for_s
        self._ceiling_s = FIRST_PAUSE_S

    def pause(self, fault: FactoryError | None, at_least_s: float = 0) -> Pause:
        """Before the next try: drawn between nothing and a ceiling that doubles, never before the time that the server
        named. Raises the fault once the time is up."""
        named_s = getattr(fault, "retry_after_s", None) or 0
        seconds = max(self._patience.draw() * self._ceiling_s, named_s, at_least_s)
        self._ceiling_s = min(LONGEST_PAUSE_S, self._ceiling_s * 2)
        if fault is not None and self._patience.clock() + seconds > self._until:
            raise fault
        return Pause(seconds)


class Deadline:
    """A time that a caller gives, or none."""

    def __init__(self, patience: Patience, timeout_s: float | None) -> None:
        self._clock = patience.clock
        self._until = None if timeout_s is None else patience.clock() + timeout_s

    @property
    def left_s(self) -> float | None:
        return None if self._until is None else max(0.0, self._until - self._clock())

    def share_s(self, most: float) -> float:
        """What is left of it, at most so much."""
        left = self.left_s
        return most if left is None else min(most, left)


def ask(call: Call, patience: Patience) -> Flow[Answer]:
    """The answer, if it is a good one. Raises ApiError, JobFailed, Unreachable."""
    tries = Tries(patience)
    while True:
        fault: FactoryError
        try:
            answer: Answer = yield Send(call)
        except Lost as lost:
            fault = Unreachable(str(lost))
        else:
            if answer.status < 300:
                return answer
            fault = fault_of(answer)
        if not (call.repeatable and is_passing(fault)):
            raise fault
        yield tries.pause(fault)


def is_passing(fault: FactoryError) -> bool:
    """A job that failed at its providers has the same statuses, but is an answer."""
    return isinstance(fault, Unreachable) or (isinstance(fault, ApiError) and fault.status in AGAIN)


def fault_of(answer: Answer) -> FactoryError:
    """What a refusal says."""
    body: Mapping[str, Any] = {}
    if "json" in answer.headers.get("content-type", ""):
        try:
            parsed = read_json(answer.body)
            body = parsed if isinstance(parsed, dict) else {}
        except FactoryError:
            body = {}
    if isinstance(body.get("job"), dict):
        return JobFailed(make_shape(Job, body["job"]))
    if 300 <= answer.status < 400:
        message = f"the address redirects to {answer.headers.get('location', 'nowhere')}: set FACTORY_URL to that"
    else:
        message = str(body.get("detail") or f"the answer was HTTP status {answer.status}, without a reason")
    return ApiError(
        message,
        status=answer.status,
        code=body.get("code"),
        problems=[_problem(one) for one in body.get("problems", ()) if isinstance(one, dict)],
        request_id=answer.headers.get("x-request-id"),
        retry_after_s=retry_after_s(answer.headers),
    )


def _problem(one: Mapping[str, Any]) -> Problem:
    return Problem(str(one.get("message", "")), one.get("field"), one.get("line"))


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds, or a date by the server's own clock."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    from email.utils import parsedate_to_datetime

    try:
        span = parsedate_to_datetime(text) - parsedate_to_datetime(headers["date"])
    except (ValueError, TypeError, KeyError):
        return None
    return max(0.0, span.total_seconds())
