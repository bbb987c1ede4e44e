"""What an attempt at a job brings when it succeeds."""

import time
from dataclasses import dataclass, field
from datetime import datetime

from adapters.splitting import SpokenPart
from core.fingerprint import CacheUse
from core.records import record
from core.request import JobRequest
from core.routing import Route
from sql.calls import CompletedCall
from sql.jobs import StartedJob
from sql.parts import Part
from workers.calling import Answered


@dataclass(slots=True)
class JobRun:
    """A started job and its deadline by this machine's clock. `cache`: what the cache is to it, once that is known.
    `variant`: the target that its attempt drew. `owed`: the end of its last call's ledger line, which is written
    together with the job's own. `began`: a monotonic time."""

    job: StartedJob
    deadline: datetime | None
    cache: CacheUse | None = None
    variant: str | None = None
    owed: CompletedCall | None = None
    began: float = field(default_factory=time.monotonic)

    def owe(self, line: CompletedCall) -> None:
        self.owed = line


@record
class Done:
    """An answer that is what was asked for."""

    request: JobRequest
    route: Route
    answered: Answered


@dataclass(frozen=True, slots=True)
class Narrated:
    """All parts of a narration, each stored: what was to be said, and where it is."""

    request: JobRequest
    route: Route
    format: str
    parts: list[tuple[SpokenPart, Part]]
    warnings: list[str] = field(default_factory=list)
