"""The operator's own SQL runs as it is printed, and agrees with what the strategy `cheapest` picks."""

import asyncio
from decimal import Decimal

import pytest

from adapters.registry import HANDLERS
from core.clock import utc_now
from core.health import Health
from core.request import JobRequest
from core.routing import Router
from producer.embedded.postgres import programs
from sql.configuration import load_configuration
from sql.pool import open_pool

PRINTED = """SELECT provider, model_id, (cost_per_token * $1) AS estimated_cost FROM factory.model_aliases
WHERE capabilities @> $2 ORDER BY estimated_cost LIMIT 1"""


async def test_the_printed_query_runs_from_a_plain_psql(database_url: str) -> None:
    script = f"PREPARE cheapest AS {PRINTED};\nEXECUTE cheapest(1000, '[\"vision\"]');\n"
    psql = await asyncio.create_subprocess_exec(
        str(programs() / "psql"), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", database_url,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await psql.communicate(script.encode())
    assert psql.returncode == 0, err.decode()
    provider, model, cost = out.decode().splitlines()[-1].split("|")
    assert provider
    assert model
    assert Decimal(cost) > 0


@pytest.mark.parametrize("alias", ["cheap", "fast", "smart", "narrator", "embed"])
async def test_the_view_agrees_with_cheapest(database_url: str, alias: str) -> None:
    pool = await open_pool(database_url)
    rows = await pool.fetch(
        "SELECT provider, model_id, cost_per_token FROM factory.model_aliases WHERE alias = $1 AND provider = ANY($2) ORDER BY cost_per_token",
        alias,
        sorted({name.split(".")[0] for name in HANDLERS}),
    )
    catalog = await load_configuration(pool)
    await pool.close()
    kind = {"narrator": "speech", "embed": "embedding"}.get(alias, "text")
    text = {"prompt": "x"} if kind == "text" else {"input": "x"}
    request = JobRequest.model_validate(
        {"model": alias, "kind": kind, **text, "requirements": {"prefer": "cost"}}, strict=False
    )
    plan = Router(catalog, HANDLERS).plan(request, None, Health(), utc_now())
    by_view = {(row["provider"], row["model_id"]): row["cost_per_token"] for row in rows}
    picked = [by_view[route.model.provider, route.model.model_id] for route in plan.routes]
    assert picked == sorted(picked)
    assert picked[0] == rows[0]["cost_per_token"]
