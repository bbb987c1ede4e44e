"""What is in line and what runs, for deciding how many workers there should be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sql.statements import Executor, statement


@dataclass(frozen=True, slots=True)
class OpenJobs:
    """Of a project and kind. `oldest_wait_s`: how long the first of the ready ones could have run; None without any."""

    project_id: UUID
    kind: str
    ready: int
    running: int
    oldest_wait_s: float | None


@dataclass(frozen=True, slots=True)
class AskedModel:
    """Jobs that ask for a model by this name, among those that were looked at. `characters`: of each that is to be
    spoken, about as they count for its parts."""

    project_id: UUID
    kind: str
    model: str
    ready: int
    running: int
    characters: Sequence[int]


@dataclass(frozen=True, slots=True)
class Arrivals:
    kind: str
    jobs: int


async def count_demand(db: Executor, now: datetime | None) -> list[OpenJobs]:
    """Jobs that are ready and that run. Those that wait for a time or for an identical one are neither."""
    return [OpenJobs(**row) for row in await db.fetch(statement("count_demand"), now)]


async def sample_demand(
    db: Executor, now: datetime | None, kinds: Sequence[str], without: Sequence[UUID], most: int
) -> list[AskedModel]:
    """What the first `most` ready jobs of each kind ask for, some projects left out, and all that run."""
    return [AskedModel(**row) for row in await db.fetch(statement("sample_demand"), now, kinds, without, most)]


async def count_arrivals(db: Executor, since: UUID) -> list[Arrivals]:
    """Jobs with ids from `since` on that came for a worker."""
    return [Arrivals(**row) for row in await db.fetch(statement("count_arrivals"), since)]


@dataclass(frozen=True, slots=True)
class ArrivalSpan:
    """None: nothing was rolled up yet."""

    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, slots=True)
class QuarterArrivals:
    """`busiest`: in its busiest minute."""

    quarter: datetime
    kind: str
    jobs: int
    busiest: int


async def roll_up_arrivals(db: Executor, since: UUID) -> None:
    """Count the jobs with ids from `since` on, which is where a quarter of an hour begins, into their quarters."""
    await db.execute(statement("roll_up_arrivals"), since)


async def read_arrival_span(db: Executor) -> ArrivalSpan:
    """The first and the last quarter that something came in."""
    row = await db.fetchrow(statement("read_arrival_span"))
    assert row is not None
    return ArrivalSpan(**row)


async def select_arrivals(db: Executor, quarters: Sequence[datetime]) -> list[QuarterArrivals]:
    """Of these quarters, those that something came in."""
    return [QuarterArrivals(**row) for row in await db.fetch(statement("select_arrivals"), quarters)]


async def prune_arrivals(db: Executor, before: datetime) -> None:
    await db.execute(statement("prune_arrivals"), before)
