"""What a replayed day leaves: rows, and the providers' own count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

from tests.replay.calling import Asked
from tests.replay.day import Planned
from tests.replay.world import World

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Remains:
    """`jobs` by the number of their request; `usage` is the API's own report by kind and model; `seen` are the
    providers' calls by the ledger's id of the call; `prices` by provider and model."""

    day: Sequence[Planned]
    asked: Mapping[int, Asked]
    jobs: Mapping[int, Row]
    calls: Sequence[Row]
    hits: Sequence[Row]
    usage: Mapping[str, Any]
    seen: Mapping[str, Row]
    prices: Mapping[tuple[str, str], Row]
    seconds: float


async def collect(world: World, day: Sequence[Planned], asked: Sequence[Asked], seconds: float) -> Remains:
    fetch = world.database.fetch
    jobs = await fetch("SELECT * FROM factory.jobs WHERE metadata ? 'replay'")
    calls = await fetch("SELECT * FROM factory.calls ORDER BY started_at, id")
    hits = await fetch("SELECT * FROM factory.cache_hits")
    prices = await fetch("SELECT * FROM factory.model_prices WHERE valid_from <= now() ORDER BY valid_from")
    seen = (await world.emulator.get("/_emulator/calls")).json()["calls"]
    async with httpx.AsyncClient(base_url=world.apis[0].url, headers={"x-api-key": world.key}, timeout=60) as http:
        usage = await http.get("/v1/usage", params={"by": "kind,provider,model"})
    return Remains(
        day,
        {one.number: one for one in asked},
        {row["metadata"]["replay"]: dict(row) for row in jobs},
        [dict(row) for row in calls],
        [dict(row) for row in hits],
        _exact(usage.raise_for_status()),
        {one["call_id"]: one for one in seen if one["call_id"]},
        {(row["provider"], row["model_id"]): dict(row) for row in prices},
        seconds,
    )


def _exact(answer: httpx.Response) -> dict[str, Any]:
    """Amounts with the digits they came with."""
    import json

    found: dict[str, Any] = json.loads(answer.text, parse_float=Decimal)
    return found
