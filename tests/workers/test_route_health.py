"""Breakers, rests and dead credentials, over a running factory."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from core.health import BreakerRule
from core.jsonio import load_json
from tests.house import Factory
from tests.workers.test_promises import alone, own_model


def models_called(job: dict[str, Any]) -> list[str]:
    return [call["model"] for call in job["calls"]]


async def explained(factory: Factory) -> dict[str, Any]:
    key = await factory.operator_key()
    answer = await factory.client.post(
        "/v1/admin/routes/explain",
        json={"model": "mine", "prompt": "x", "project": "nicestory"},
        headers={"x-api-key": key},
    )
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = load_json(answer.content)
    return shown


async def asked(factory: Factory, prompt: str, **more: Any) -> dict[str, Any]:
    return await factory.job(model="mine", prompt=prompt, cache="off", **more)


async def test_a_breaker_keeps_calls_away_until_one_probe_succeeds(factory: Factory) -> None:
    broken, prompt = await own_model(factory, "gpt-6-luna@503:5"), uuid4().hex
    await alone(factory, broken, "gemini-3.5-flash-lite")
    for _ in range(BreakerRule().failures):
        assert models_called(await asked(factory, prompt)) == [broken, "gemini-3.5-flash-lite"]
    assert models_called(await asked(factory, prompt)) == ["gemini-3.5-flash-lite"]
    shown = await explained(factory)
    assert [route["model"] for route in shown["routes"]] == ["gemini-3.5-flash-lite"]
    assert "after server_error" in shown["resting"][0]["reason"] or "after overloaded" in shown["resting"][0]["reason"]
    async with asyncio.timeout(BreakerRule().rest_s + 5):
        while (await explained(factory))["resting"]:
            await asyncio.sleep(0.1)
    assert models_called(await asked(factory, prompt)) == [broken]
    assert models_called(await asked(factory, prompt)) == [broken]


async def test_a_time_that_a_provider_named_holds_for_every_job(factory: Factory) -> None:
    limited, prompt = await own_model(factory, "gpt-6-luna@429=60:1"), uuid4().hex
    await alone(factory, limited, "gemini-3.5-flash-lite")
    assert models_called(await asked(factory, prompt)) == [limited, "gemini-3.5-flash-lite"]
    assert models_called(await asked(factory, prompt)) == ["gemini-3.5-flash-lite"]
    assert "after rate_limited" in (await explained(factory))["resting"][0]["reason"]


async def test_who_waits_for_a_limit_alone_spends_no_attempts(factory: Factory) -> None:
    limited, prompt = await own_model(factory, "gpt-6-luna@429=1:1"), uuid4().hex
    await alone(factory, limited)
    first, second = await asyncio.gather(asked(factory, prompt), asked(factory, prompt + "second"))
    assert [first["status"], second["status"]] == ["completed", "completed"]
    assert first["attempts"] == 2
    assert models_called(first) == [limited, limited]


async def test_a_dead_key_raises_an_alert_and_comes_back_with_a_new_secret(factory: Factory, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("an old key")
    await factory.execute(
        "INSERT INTO factory.provider_endpoints (provider, base_url, handler_function, credential) VALUES ($1, $2, $3, $4)",
        "mine", f"{factory.emulator}/openai/v1", "openai.chat_completions", f"file:{secret}",
    )  # fmt: skip
    await factory.execute("INSERT INTO factory.models (provider, model_id) VALUES ('mine', 'gpt-6-luna@badkey:1')")
    await factory.execute(
        "INSERT INTO factory.alias_targets (alias, provider, model_id, position) VALUES ('mine', 'mine', $1, -1)",
        "gpt-6-luna@badkey:1",
    )
    await alone(factory, "gemini-3.5-flash-lite")
    prompt = uuid4().hex
    assert models_called(await asked(factory, prompt)) == ["gpt-6-luna@badkey:1", "gemini-3.5-flash-lite"]
    assert models_called(await asked(factory, prompt)) == ["gemini-3.5-flash-lite"]
    raised = await factory.execute("SELECT kind, subject, resolved_at FROM factory.alerts")
    assert [tuple(row) for row in raised] == [("auth", f"mine file:{secret}", None)]
    secret.write_text("a new key")
    async with asyncio.timeout(5):
        while models_called(await asked(factory, prompt)) != ["gpt-6-luna@badkey:1"]:
            await asyncio.sleep(0.05)
    async with asyncio.timeout(5):
        while (await factory.execute("SELECT resolved_at FROM factory.alerts"))[0]["resolved_at"] is None:
            await asyncio.sleep(0.02)


async def test_the_cost_ceiling_bounds_failovers_too(factory: Factory) -> None:
    useless = await own_model(factory, "gpt-6-luna@empty")
    await alone(factory, useless, "gemini-3.5-flash-lite")
    dearest = (await explained_cost(factory)) * Decimal("1.001")
    job = await asked(factory, "x" * 4000, max_output_tokens=100, requirements={"max_cost_usd": float(dearest)})
    assert (job["status"], job["error"]["kind"]) == ("failed", "budget")
    assert set(models_called(job)) == {useless}
    assert "max_cost_usd" in job["error"]["message"]


async def explained_cost(factory: Factory) -> Decimal:
    """The most that the dearer of the two can cost, by the ledger's own figure."""
    job = await asked(factory, "x" * 4000, max_output_tokens=100)
    rows = await factory.execute("SELECT max(max_cost) AS most FROM factory.calls WHERE job_id = $1", job["id"])
    most: Decimal = rows[0]["most"]
    return most


async def test_a_target_that_is_taken_away_while_a_job_is_on_its_way_is_not_called(factory: Factory) -> None:
    factory.settings.call_timeout_s = 2
    slow = await own_model(factory, "gpt-6-luna@hang")
    second = await own_model(factory, "gpt-5.6-luna@503", like="gpt-5.6-luna")
    await alone(factory, slow, second, "gemini-3.5-flash-lite")
    made = (await factory.client.post("/v1/jobs", json={"model": "mine", "prompt": uuid4().hex, "cache": "off"})).json()
    async with asyncio.timeout(10):
        while not (await factory.client.get(made["urls"]["self"])).json()["calls"]:
            await asyncio.sleep(0.02)
    await factory.execute(
        "UPDATE factory.alias_targets SET active = false WHERE alias = 'mine' AND model_id = $1", second
    )
    await factory.settled()
    job = (await factory.client.get(f"{made['urls']['self']}?wait=30")).json()
    assert models_called(job) == [slow, "gemini-3.5-flash-lite"]
