"""What was spent and saved, added up by Postgres out of the ledger and the cache's hits, at one moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sql.statements import Executor, statement


@dataclass(frozen=True, slots=True)
class UsageSums:
    """One group; what is not grouped by is None. `calls` are all lines, those under way and of unknown end with them.
    `cost` and `direct_cost` add up what is known, `unpriced` and `undirected` count the lines that they lack;
    `uncertain_cost` is the most that lines without a known end can have cost, without the `unbounded` ones, of which
    nobody knows that. `unsaved` counts the `cache_hits` whose
    answer had no known cost; those without a known direct cost are among `undirected`."""

    project: str | None
    alias: str | None
    provider: str | None
    model: str | None
    kind: str | None
    variant: str | None
    day: date | None
    calls: int
    ok: int
    failed: int
    unknown: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    reasoning_tokens: int
    audio_tokens: int
    characters: int
    cost: Decimal
    unpriced: int
    uncertain_cost: Decimal
    unbounded: int
    cache_hits: int
    saved_usd: Decimal
    unsaved: int
    direct_cost: Decimal
    undirected: int
    emulated: bool


async def plan_report(db: Executor) -> None:
    """For this transaction: plans made for the filters that are given, with memory for many groups. A plan for any
    filters reads the whole ledger for one day of it."""
    await db.execute(statement("plan_report"))


async def select_usage(
    db: Executor,
    by: Sequence[str],
    project_id: UUID | None,
    since: datetime | None,
    until: datetime | None,
    batch_id: UUID | None,
    alias: str | None,
    provider: str | None,
    model: str | None,
    kind: str | None,
    limit: int,
) -> list[UsageSums]:
    """At most so many groups, sorted by the dimensions in the order of `by`: `project alias provider model kind variant
    day`, the day being UTC's. Without a project, everybody's. `model` may be PROVIDER/MODEL."""
    filters = (project_id, since, until, batch_id, alias, provider, model, kind)
    return [UsageSums(**row) for row in await db.fetch(statement("select_usage"), list(by), *filters, limit)]
