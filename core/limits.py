"""Limits on requests and tokens per minute and on how many run at once: what they say, and a window that keeps them.

The fleet's windows live in Redis (`broker/limits.py`). The one here keeps a process's share while Redis is away.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.catalog import Endpoint, Model
from core.estimates import AUDIO_TOKENS_PER_CHARACTER, prompt_tokens
from core.records import record
from core.request import JobRequest, Kind

WINDOW_S = 60.0
SLOTS = 60
UNSAID_ANSWER_TOKENS = 1000
LEFT_TO_OTHERS = 6  # one part of so many


@dataclass(frozen=True, slots=True)
class Limits:
    """None: no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None

    def __bool__(self) -> bool:
        return any((self.requests_per_minute, self.tokens_per_minute, self.concurrency))

    @classmethod
    def of(cls, said: Any) -> "Limits":
        """Out of a column's JSON. What is no limit there limits nothing; `factory faults` names it."""
        if not isinstance(said, Mapping):
            return cls()
        found = {name: said.get(name) for name in ("requests_per_minute", "tokens_per_minute", "concurrency")}
        return cls(**{name: value for name, value in found.items() if type(value) is int and value >= 1})

    def minutes_for(self, requests: int, tokens: int) -> int | None:
        """In how many minutes a batch of so much is admitted, rounded up. None: nothing is limited by the minute."""

        def within(limits: Limits) -> int | None:
            asked = ((requests, limits.requests_per_minute), (tokens, limits.tokens_per_minute))
            return max((math.ceil(count / limit) for count, limit in asked if limit), default=None)

        return 1 if within(self) == 1 else within(self.for_batches())

    def for_batches(self) -> "Limits":
        """What batches that wait for room take of a minute: the rest is for whoever submits meanwhile."""

        def most(limit: int | None) -> int | None:
            return limit and limit - limit // LEFT_TO_OTHERS

        return Limits(most(self.requests_per_minute), most(self.tokens_per_minute), self.concurrency)

    def share(self, processes: int) -> "Limits":
        """The part of one process of so many, at least 1."""

        def part(limit: int | None) -> int | None:
            return limit and max(1, limit // max(1, processes))

        return Limits(part(self.requests_per_minute), part(self.tokens_per_minute), part(self.concurrency))


@dataclass(frozen=True, slots=True)
class Scope:
    """What a limit is about. `learned`: what the provider said of it counts too."""

    name: str
    limits: Limits
    learned: bool = False


@record
class Room:
    """What a scope's window holds. `limit` None: none. `reset_s`: until the oldest of it leaves the window."""

    limit: int | None
    used: int
    reset_s: float

    @property
    def left(self) -> int:
        return max(0, (self.limit or 0) - self.used)


@record
class Taken:
    """Room for a call. `slot`: where in the windows its tokens are counted. `marks`: by scope what was written down
    (1: tokens, 2: a place). `local`: by this process alone, because Redis was away."""

    holder: str
    scopes: tuple[str, ...]
    marks: tuple[int, ...]
    tokens: int
    slot: int
    local: bool = False
    requests_room: Room | None = None
    tokens_room: Room | None = None

    @property
    def is_unlimited(self) -> bool:
        """Nothing is limited here, and the provider has said of no limit."""
        alone = len(self.scopes) == 1 and not self.local and not any(self.marks)
        return alone and self.requests_room is None and self.tokens_room is None

    @property
    def places(self) -> tuple[str, ...]:
        """The scopes in which it holds a place."""
        if not any(self.marks):
            return ()
        return tuple(name for name, mark in zip(self.scopes, self.marks, strict=True) if mark & 2)


@dataclass(frozen=True, slots=True)
class Refused:
    """No room. `dimension`: `requests tokens concurrency rest`. `wait_s` until it is worth asking again, None where
    nobody knows: somebody has to finish first."""

    scope: str
    dimension: str
    limit: int
    wait_s: float | None
    requests_room: Room | None = None
    tokens_room: Room | None = None


@dataclass(frozen=True, slots=True)
class ProviderWord:
    """What a provider's answer said of its limits. `running` counts this call, by everybody who uses the account.
    `rest_s`: it has no room left until then."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    most_at_once: int | None = None
    running: int | None = None
    rest_s: float | None = None


def project_scope(project_id: UUID) -> str:
    return f"project:{project_id}"


def route_scope(endpoint: Endpoint, model: Model) -> str:
    """What providers say of their limits is about a model at an endpoint; voices are presets of one model."""
    return f"route:{endpoint.id}:{model.name.partition(':')[0]}"


def tokens_asked(request: JobRequest) -> int:
    """What a request is counted as until its true tokens are known: the prompt, and the answer's bound or a usual
    answer."""
    if request.kind is Kind.text:
        return prompt_tokens(request) + (request.max_output_tokens or UNSAID_ANSWER_TOKENS)
    if request.kind is Kind.speech:
        spoken = sum(map(len, request.texts)) * AUDIO_TOKENS_PER_CHARACTER
        return prompt_tokens(request) + math.ceil(spoken)
    return prompt_tokens(request)


class Window:
    """Counts in slots of a second; in no stretch of `window_s` is more than the limit taken. Cautious by at most one
    slot: what was taken counts until its whole slot has left the window."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._step_s = window_s / SLOTS
        self._counts: deque[list[int]] = deque()
        self._sum = 0

    def used(self, now_s: float) -> int:
        """What counts at a time."""
        first = math.floor(now_s / self._step_s) - SLOTS
        while self._counts and self._counts[0][0] < first:
            self._sum -= self._counts.popleft()[1]
        return self._sum

    def wait_s(self, now_s: float, weight: int, limit: int) -> float:
        """0 where there is room now. What is heavier than the limit has room in an empty window."""
        over = self.used(now_s) + min(weight, limit) - limit
        for slot, count in self._counts:
            if over <= 0:
                break
            over -= count
            if over <= 0:
                return (slot + SLOTS + 1) * self._step_s - now_s
        return 0.0

    def add(self, now_s: float, weight: int) -> int:
        """The slot it is counted in."""
        self.used(now_s)
        slot = math.floor(now_s / self._step_s)
        if not self._counts or self._counts[-1][0] < slot:
            self._counts.append([slot, 0])
        self._counts[-1][1] += weight
        self._sum += weight
        return slot
