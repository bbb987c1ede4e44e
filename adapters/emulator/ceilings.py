"""Limits that an emulated provider keeps when told so, and what it says of them in the headers of its answers."""

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

from adapters.emulator.faults import Fault
from core.clock import utc_now

_CONCURRENT = {"elevenlabs": "concurrent"}


@dataclass(slots=True)
class Ceiling:
    """For the models of a provider that fit a pattern. `peak` and `refused` are for tests to read. `owner`: who may
    take it away."""

    provider: str
    model: str
    owner: str | None
    concurrency: int | None
    requests_per_minute: int | None
    running: int = 0
    peak: int = 0
    refused: int = 0
    begun: deque[float] = field(default_factory=deque)

    def refusal(self, now_s: float) -> Fault | None:
        """What is answered when there is no room for another call."""
        while self.begun and self.begun[0] <= now_s - 60:
            self.begun.popleft()
        if self.requests_per_minute is not None and len(self.begun) >= self.requests_per_minute:
            return Fault("429", math.ceil(self.begun[0] + 60 - now_s))
        if self.concurrency is not None and self.running >= self.concurrency:
            return Fault(_CONCURRENT.get(self.provider, "429"), 1)
        return None

    @contextmanager
    def running_one(self, now_s: float) -> Iterator[None]:
        """While a call runs."""
        self.begun.append(now_s)
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            yield
        finally:
            self.running -= 1

    def headers(self, now_s: float) -> dict[str, str]:
        """As the provider names them; Google says nothing."""
        if self.provider == "elevenlabs":
            if self.concurrency is None:
                return {}
            return {
                "current-concurrent-requests": str(self.running),
                "maximum-concurrent-requests": str(self.concurrency),
            }
        if self.requests_per_minute is None or self.provider == "google":
            return {}
        left = max(0, self.requests_per_minute - len(self.begun))
        reset_s = max(0.001, self.begun[0] + 60 - now_s) if self.begun else 0.0
        if self.provider == "anthropic":
            until = (utc_now() + timedelta(seconds=reset_s)).isoformat()
            said = {"limit": str(self.requests_per_minute), "remaining": str(left), "reset": until}
            return {f"anthropic-ratelimit-requests-{name}": value for name, value in said.items()}
        said = {"limit": str(self.requests_per_minute), "remaining": str(left), "reset": f"{round(reset_s * 1000)}ms"}
        return {f"x-ratelimit-{name}-requests": value for name, value in said.items()}

    def shown(self) -> dict[str, Any]:
        names = ("provider", "model", "owner", "concurrency", "requests_per_minute", "running", "peak", "refused")
        return {name: getattr(self, name) for name in names}


class Ceilings:
    """The first that fits counts."""

    def __init__(self) -> None:
        self._set: list[Ceiling] = []

    def put(self, ceiling: Ceiling) -> None:
        self._set.append(ceiling)

    def clear(self, owner: str | None) -> None:
        """Take away what this owner set; without an owner, everything."""
        self._set = [one for one in self._set if owner is not None and one.owner != owner]

    def find(self, provider: str, model: str) -> Ceiling | None:
        return next((one for one in self._set if one.provider == provider and fnmatchcase(model, one.model)), None)

    def all(self) -> list[dict[str, Any]]:
        return [one.shown() for one in self._set]
