"""The readout of an experiment, out of one moment of the ledger."""

from datetime import datetime
from typing import Any

from core.errors import NotFound
from core.experiments import compare_variants, latency_ranks
from producer.composition import Services
from producer.submit import Caller
from sql.experiments import FIRST_ID, LAST_ID, count_labels, first_id_at, rank_latencies, summarize_experiment


async def read_experiment(
    services: Services, caller: Caller, alias: str, since: datetime | None, until: datetime | None
) -> dict[str, Any]:
    """The caller's jobs of an alias that were submitted in a time, by drawn variant. Raises NotFound for a name that
    is no alias and never was one that drew."""
    begin = first_id_at(since) if since else FIRST_ID
    end = first_id_at(until) if until else LAST_ID
    asked = (caller.project_id, alias, begin, end)
    async with (
        services.database.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        sums = await summarize_experiment(connection, *asked)
        ranks = latency_ranks(sums)
        timed = {one.variant: one.timed for one in sums}
        wanted = [
            {"variant": variant, "places": [(rank - 0.5) / timed[variant] for rank in ranks[variant]]}
            for variant in ranks
        ]
        latencies = await rank_latencies(connection, *asked, wanted)
        labels = await count_labels(connection, *asked)
    if not sums and services.catalog.current.find_alias(alias, caller.project_id) is None:
        raise NotFound(f"there is no alias {alias[:100]!r}, and none of that name has drawn a variant in this time")
    by_rank = {variant: dict(zip(ranks[variant], found, strict=True)) for variant, found in latencies.items()}
    named = {"alias": alias, "project": caller.project, "since": since, "until": until}
    return named | compare_variants(sums, by_rank, labels)
