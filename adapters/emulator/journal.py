"""Every call that was seen, so that a test can count what a provider would bill."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

KEPT = 100_000


@dataclass(slots=True)
class Seen:
    """One call; times are seconds of a monotonic clock. `billed`: what the provider would put on its invoice, see
    `billing`; None: nothing."""

    provider: str
    model: str
    path: str
    call_id: str | None
    started_at: float = field(default_factory=time.monotonic)
    finished_at: float | None = None
    status: int | None = None
    aborted: bool = False
    billed: Mapping[str, int] | None = None


class Journal:
    """The calls in the order they came."""

    def __init__(self) -> None:
        self._seen: deque[Seen] = deque(maxlen=KEPT)

    def add(self, seen: Seen) -> Seen:
        self._seen.append(seen)
        return seen

    def all(self) -> list[dict[str, Any]]:
        return [asdict(one) for one in self._seen]

    def clear(self) -> None:
        self._seen.clear()
