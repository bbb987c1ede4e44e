"""The admin API: every table, bad input for every entrance, and the trail that API and SQL leave alike."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.house import Factory


@pytest.fixture
async def operator(factory: Factory) -> AsyncIterator[httpx.AsyncClient]:
    """A client with an operator's key, at /v1/admin."""
    async with _operating(factory) as client:
        yield client


@pytest.fixture
async def refused_operator(shared: Factory) -> AsyncIterator[httpx.AsyncClient]:
    """For what changes nothing."""
    async with _operating(shared) as client:
        yield client


@asynccontextmanager
async def _operating(factory: Factory) -> AsyncIterator[httpx.AsyncClient]:
    transport = factory.client._transport
    key = await factory.operator_key()
    async with httpx.AsyncClient(
        transport=transport, base_url="http://factory/v1/admin", headers={"x-api-key": key}, timeout=60
    ) as client:
        yield client


async def trail(operator: httpx.AsyncClient, subject: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await operator.get("/audit", params={"subject": subject})).json()["data"]
    return rows


ROWS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "projects": ({"name": "tales", "settings": {"region": "eu"}}, "tales", {"weight": 7}),
    "providers": ({"id": "mine", "name": "Mine"}, "mine", {"limits": {"concurrency": 3}}),
    "models": ({"provider": "openai", "model_id": "org/own"}, "openai/org/own", {"context_window": 4096}),
    "prices": (
        {"provider": "openai", "model_id": "gpt-6-luna", "valid_from": "2027-01-01T00:00:00Z",
         "input_usd_per_mtok": "0.10000000000000000001"},
        "openai/gpt-6-luna/2027-01-01T00:00:00Z", {"output_usd_per_mtok": 0.5},
    ),
    "voices": ({"provider": "google", "voice": "wizard", "provider_voice_id": "Kore"}, "google/wizard",
               {"provider_voice_id": "Puck"}),
}  # fmt: skip


@pytest.mark.parametrize("table", ROWS)
async def test_rows_are_made_read_changed_and_removed_and_each_step_is_in_the_trail(
    operator: httpx.AsyncClient, table: str
) -> None:
    row, place, change = ROWS[table]
    made = await operator.post(f"/{table}", json=row)
    assert made.status_code == 201, made.text
    assert (await operator.post(f"/{table}", json=row)).status_code == 409
    assert (await operator.get(made.headers["location"].removeprefix("/v1/admin"))).json() == made.json()
    changed = await operator.patch(f"/{table}/{place}", json=change)
    assert changed.status_code == 200, changed.text
    assert change.items() <= changed.json().items() or table == "providers"
    removed = await operator.delete(f"/{table}/{place}")
    assert removed.status_code == (200 if table == "projects" else 204), removed.text
    name = {"prices": "model_prices"}.get(table, table)
    recorded = (await operator.get("/audit", params={"subject": name, "limit": 3})).json()["data"]
    assert [one["action"] for one in recorded][::-1] == [
        "insert", "update", "update" if table == "projects" else "delete"
    ]  # fmt: skip
    assert all(one["actor"].startswith("key fk_") for one in recorded)
    assert recorded[-1]["before"] is None
    assert recorded[0]["before"] is not None


async def test_money_keeps_its_digits(operator: httpx.AsyncClient) -> None:
    await operator.post("/prices", json=ROWS["prices"][0])
    shown = await operator.get("/prices", params={"model_id": "gpt-6-luna", "valid_from": "2027-01-01T00:00:00Z"})
    assert '"input_usd_per_mtok":0.10000000000000000001' in shown.text


async def test_a_server_is_added_by_one_short_post_and_serves_within_a_second(
    factory: Factory, operator: httpx.AsyncClient
) -> None:
    body = {"provider": "openai", "base_url": f"{factory.emulator}/openai/v1", "credential": "env:HOME",
            "handler_function": "openai.chat_completions", "priority": 1}  # fmt: skip
    made = await operator.post("/endpoints", json=body)
    assert made.status_code == 201, made.text
    await factory.settled()
    job = await factory.job(model="gpt-6-luna", prompt="x")
    assert job["calls"][0]["endpoint"] == made.json()["id"]
    assert (await operator.delete(f"/endpoints/{made.json()['id']}")).status_code == 204


@pytest.mark.parametrize(
    ("table", "change", "field"),
    [
        ("endpoints", {"provider": "openai", "base_url": "https://u:p@x.example", "handler_function": "openai.speech"},
         "base_url"),
        ("endpoints", {"provider": "openai", "base_url": "https://x.example", "handler_function": "openai.next"},
         "handler_function"),
        ("endpoints", {"provider": "openai", "base_url": "https://x.example", "handler_function": "openai.speech",
                       "credential": "sk-live-1234"}, "credential"),
        ("models", {"provider": "openai", "model_id": "x", "context_window": 0}, "context_window"),
        ("models", {"provider": "openai", "model_id": "x", "kind": "film"}, "kind"),
        ("prices", {"provider": "openai", "model_id": "gpt-6-luna", "input_usd_per_mtok": -1}, "input_usd_per_mtok"),
        ("prices", {"provider": "openai", "model_id": "no-such", "input_usd_per_mtok": 1}, "model_id"),
        ("prices", {"provider": "openai", "model_id": "gpt-6-luna", "threshold_input_usd_per_mtok": 1},
         "threshold_tokens"),
        ("prices", {"provider": "openai", "model_id": "gpt-6-luna", "valid_from": "1950-01-01T00:00:00Z"}, "valid_from"),
        ("prices", {"provider": "openai", "model_id": "gpt-6-luna", "valid_from": "2026-01-01T00:00:00"}, "valid_from"),
        ("voices", {"provider": "openai", "voice": "x", "provider_voice_id": " "}, "provider_voice_id"),
        ("voices", {"provider": "openai", "voice": "x"}, "provider_voice_id"),
        ("projects", {"name": "x", "settings": {"regoin": "eu"}}, "settings.regoin"),
        ("projects", {"name": "x", "settings": {"allowed_models": "gpt"}}, "settings.allowed_models"),
        ("providers", {"id": "UPPER", "name": "x"}, "id"),
        ("keys", {"project": "nicestory", "scopes": ["everything"]}, "scopes.0"),
        ("keys", {"project": "nicestory", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ("keys", {"scopes": ["admin"], "project": "nicestory"}, "project"),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused_with_its_field(
    refused_operator: httpx.AsyncClient, table: str, change: dict[str, Any], field: str
) -> None:
    answer = await refused_operator.post(f"/{table}", json=change)
    assert answer.status_code in (400, 404), answer.text
    problem = answer.json()
    assert problem["code"] in ("invalid_request", "not_found")
    assert [one.get("field") for one in problem["problems"]] == [field], problem
    assert "sk-live" not in answer.text


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"name": "x\\u0000y"}', b'{"name": "x", "unknown": 1}'])
async def test_a_body_that_is_no_row_is_refused(refused_operator: httpx.AsyncClient, body: bytes) -> None:
    for table in ("projects", "providers", "endpoints", "models", "prices", "voices", "keys"):
        answer = await refused_operator.post(f"/{table}", content=body)
        assert answer.status_code == 400, (table, answer.text)


async def test_an_alias_is_one_document_and_a_stale_one_is_refused(
    factory: Factory, operator: httpx.AsyncClient
) -> None:
    targets = [{"provider": "openai", "model_id": "gpt-6-luna", "position": 1}]
    made = await operator.put("/aliases/quick", json={"targets": targets})
    assert made.status_code == 201, made.text
    revision = made.headers["etag"]
    both = [*targets, {"provider": "google", "model_id": "gemini-3.5-flash-lite", "position": 0}]
    changed = await operator.put("/aliases/quick", json={"targets": both}, headers={"If-Match": revision})
    assert changed.status_code == 200, changed.text
    stale = await operator.put("/aliases/quick", json={"targets": targets}, headers={"If-Match": revision})
    assert stale.status_code == 409
    await factory.settled()
    assert (await factory.job(model="quick", prompt="x"))["result"]["model"] == "gemini-3.5-flash-lite"
    own = await operator.put("/aliases/quick", params={"project": "nicestory"}, json={"targets": targets})
    assert own.status_code == 201, own.text
    await factory.settled()
    assert (await factory.job(model="quick", prompt="x"))["result"]["model"] == "gpt-6-luna"
    missing = await operator.put("/aliases/quick", json={"targets": [{"provider": "openai", "model_id": "none"}]})
    assert missing.status_code == 400
    assert "there is nothing with provider 'openai', model_id 'none'" in missing.json()["detail"]
    assert (await operator.delete("/aliases/quick")).status_code == 204


async def test_plain_sql_leaves_the_same_trail(factory: Factory, operator: httpx.AsyncClient) -> None:
    await factory.execute("UPDATE factory.models SET active = false WHERE model_id = 'gpt-6-luna'")
    changed = (await trail(operator, "models openai/gpt-6-luna"))[0]
    assert (changed["actor"], changed["action"]) == ("factory", "update")
    assert (changed["before"]["active"], changed["after"]["active"]) == (True, False)
    await factory.execute("UPDATE factory.models SET active = false WHERE model_id = 'gpt-6-luna'")
    assert len(await trail(operator, "models openai/gpt-6-luna")) == 1


async def test_a_key_is_shown_once_rotated_with_two_in_force_and_revoked_at_once(
    factory: Factory, operator: httpx.AsyncClient
) -> None:
    made = (await operator.post("/keys", json={"project": "nicestory", "name": "first"})).json()
    key, key_id = made["api_key"], made["id"]
    assert key.startswith(made["prefix"])
    assert key not in (await operator.get("/keys")).text

    async def works(one: str) -> int:
        return (await factory.client.get("/v1/jobs", headers={"x-api-key": one})).status_code

    rotated = (await operator.post(f"/keys/{key_id}/rotate")).json()
    assert [await works(key), await works(rotated["api_key"])] == [200, 200]
    assert (await operator.delete(f"/keys/{key_id}")).status_code == 200
    assert [await works(key), await works(rotated["api_key"])] == [401, 200]
    ended = (await operator.post(f"/keys/{rotated['id']}/rotate", json={"old_expires_in_s": 0})).json()
    assert [await works(rotated["api_key"]), await works(ended["api_key"])] == [401, 200]
    assert (await operator.post(f"/keys/{key_id}/rotate")).status_code == 409
    recorded = (await operator.get("/audit", params={"subject": "api_keys"})).text
    assert "key_hash" not in recorded
    assert key not in recorded


async def test_an_expired_key_opens_nothing(factory: Factory, operator: httpx.AsyncClient) -> None:
    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    made = (await operator.post("/keys", json={"project": "nicestory", "expires_at": soon})).json()
    headers = {"x-api-key": made["api_key"]}
    assert (await factory.client.get("/v1/jobs", headers=headers)).status_code == 200
    await factory.execute("UPDATE factory.api_keys SET expires_at = now() WHERE id = $1", made["id"])
    assert (await factory.client.get("/v1/jobs", headers=headers)).status_code == 401


async def test_a_key_that_may_look_may_not_submit(factory: Factory, operator: httpx.AsyncClient) -> None:
    made = (await operator.post("/keys", json={"project": "nicestory", "scopes": ["read"]})).json()
    headers = {"x-api-key": made["api_key"]}
    assert (await factory.client.get("/v1/jobs", headers=headers)).status_code == 200
    refused = await factory.client.post("/v1/jobs", json={"model": "fast", "prompt": "x"}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


ENTRANCES = ("projects", "providers", "endpoints", "models", "prices", "voices", "keys", "aliases", "audit", "faults")


@pytest.mark.parametrize("entrance", [*ENTRANCES, "alerts"])
async def test_only_operators_come_in(shared: Factory, entrance: str) -> None:
    assert (await shared.client.get(f"/v1/admin/{entrance}")).status_code == 403
    assert (await shared.client.get(f"/v1/admin/{entrance}", headers={"x-api-key": "fk_no"})).status_code == 401
    headers = {"x-api-key": await shared.operator_key()}
    assert (await shared.client.get(f"/v1/admin/{entrance}", headers=headers)).status_code == 200
    assert (await shared.client.post("/v1/jobs", json={"model": "fast"}, headers=headers)).status_code == 403


async def test_bad_configuration_is_named_and_stops_nobody(factory: Factory, operator: httpx.AsyncClient) -> None:
    assert [one for one in (await operator.get("/faults")).json()["data"] if one["code"] != "retires_soon"] == []
    await factory.execute("INSERT INTO factory.aliases (alias) VALUES ('empty')")
    await factory.execute(
        "INSERT INTO factory.alias_targets (alias, provider, model_id, active) VALUES ('off', 'openai', 'gpt-6-luna', false)"
    )
    await factory.execute(
        "INSERT INTO factory.provider_endpoints (provider, base_url, handler_function) VALUES ('openai', 'https://x.example', 'openai.next_year')"
    )
    await factory.execute("INSERT INTO factory.models (provider, model_id) VALUES ('nobody', 'own')")
    await factory.execute(
        'UPDATE factory.projects SET settings = \'{"allowed_models": 3, "region": "eu"}\' WHERE name = \'default\''
    )
    await factory.settled()
    found = {(one["subject"].split("/")[0], one["code"]) for one in (await operator.get("/faults")).json()["data"]}
    assert found >= {
        ("aliases empty", "no_route"), ("aliases off", "no_route"), ("provider_endpoints openai", "handler"),
        ("models nobody", "not_served"), ("models nobody", "price"), ("projects default", "settings"),
    }  # fmt: skip
    for alias in ("empty", "off"):
        refused = await factory.generate(model=alias, prompt="x")
        assert (refused.status_code, refused.json()["code"]) == (400, "no_route"), refused.text
    assert (await factory.job(model="fast", prompt="x"))["status"] == "completed"
