"""What became of the jobs that drew a variant, added up by Postgres. A job belongs to the time of its id, with all of
its calls: `since` and `until` are ids (`first_id_at`)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from core.experiments import VariantSums
from sql.statements import Executor, statement

FIRST_ID = UUID(int=0)
LAST_ID = UUID(int=2**128 - 1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def first_id_at(moment: datetime) -> UUID:
    """Not above any id that is made at the moment or later: a uuid v7 begins with its milliseconds."""
    milliseconds = (moment - EPOCH) // timedelta(milliseconds=1)
    return UUID(int=max(0, milliseconds) << 80)


async def summarize_experiment(
    db: Executor, project_id: UUID, alias: str, since: UUID, until: UUID
) -> list[VariantSums]:
    """By variant, the one that was drawn most first."""
    rows = await db.fetch(statement("summarize_experiment"), project_id, alias, since, until)
    return [VariantSums(**row) for row in rows]


async def rank_latencies(
    db: Executor, project_id: UUID, alias: str, since: UUID, until: UUID, wanted: Sequence[Mapping[str, Any]]
) -> dict[str, list[float]]:
    """Latencies of completed jobs by variant, one for each of its `places`: `wanted` are `{"variant", "places"}`, a
    place is a part between 0 and 1 of the sorted ones."""
    rows = await db.fetch(statement("rank_latencies"), project_id, alias, since, until, wanted)
    return {row["variant"]: row["took_s"] for row in rows}


async def count_labels(
    db: Executor, project_id: UUID, alias: str, since: UUID, until: UUID
) -> dict[str, dict[str, int]]:
    """Jobs by variant and label of their feedback; of hundreds of labels, the most frequent."""
    found: dict[str, dict[str, int]] = {}
    for row in await db.fetch(statement("count_labels"), project_id, alias, since, until):
        found.setdefault(row["variant"], {})[row["label"]] = row["jobs"]
    return found
