"""Nothing of one project can be seen, counted or guessed from another."""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from producer.keys import create_key
from tests.house import Factory


@pytest.fixture
async def stranger(factory: Factory) -> AsyncIterator[httpx.AsyncClient]:
    """The same API with the key of another project."""
    key = await create_key(factory.services.database, project="stranger", make_project=True)
    async with httpx.AsyncClient(
        transport=factory.client._transport, base_url="http://factory", headers={"x-api-key": key}, timeout=60
    ) as client:
        yield client


async def finished_batch(factory: Factory) -> dict[str, Any]:
    jobs = [
        {"model": "fast", "prompt": "x", "key": "a"},
        {"model": "narrator-fast", "kind": "speech", "input": "Hello.", "key": "b"},
    ]
    batch: dict[str, Any] = (await factory.client.post("/v1/job-batches", json={"jobs": jobs})).json()
    for job in (await factory.client.get("/v1/jobs", params={"batch_id": batch["id"]})).json()["data"]:
        await factory.client.get(f"/v1/jobs/{job['id']}", params={"wait": 30})
    return batch


def without_ids(answer: httpx.Response, *ids: str) -> tuple[int, str]:
    text = answer.text
    for one in ids:
        text = text.replace(one, "ID")
    return answer.status_code, text


OPENAIS = {"response_id": "resp_", "file_id": "file-", "openai_batch_id": "batch_"}
BODIES: dict[str, Any] = {"/v1/jobs/{job_id}/feedback": {"score": 1}}


async def test_a_foreign_id_is_answered_exactly_like_one_that_does_not_exist(
    factory: Factory, stranger: httpx.AsyncClient
) -> None:
    """Every path of the document that takes an id of a project's own, those of tomorrow too."""
    ids = await ids_of_everything(factory)
    before = await everything_that_could_change(factory)
    document = (await stranger.get("/openapi.json")).json()
    tried = []
    for path, methods in document["paths"].items():
        named = re.findall(r"\{(\w+_id)\}", path)
        if not named or path.startswith("/v1/admin"):
            continue
        assert set(named) <= ids.keys(), f"{path}: whose id is this?"
        for method in [*methods, *(["head"] if "get" in methods else [])]:
            unknown = {name: OPENAIS[name] + uuid4().hex if name in OPENAIS else str(uuid4()) for name in ids}
            how: dict[str, Any] = {"headers": {"x-request-id": "the-same"}}
            if "requestBody" in methods.get(method, {}):
                how["json"] = BODIES.get(path, {})
            theirs = await stranger.request(method, path.format(**ids), **how)
            nobodys = await stranger.request(method, path.format(**unknown), **how)
            assert theirs.status_code == 404, (method, path, theirs.text)
            assert without_ids(theirs, *ids.values()) == without_ids(nobodys, *unknown.values()), (method, path)
            tried.append((method, path))
    assert len(tried) >= 39
    for query, name in (
        ("/v1/jobs?batch_id=", "batch_id"),
        ("/v1/usage?batch_id=", "batch_id"),
        ("/v1/webhook-deliveries?job_id=", "job_id"),
    ):
        shown = [(await stranger.get(query + one)).text.replace(one, "ID") for one in (ids[name], str(uuid4()))]
        assert shown[0] == shown[1], query
    assert await everything_that_could_change(factory) == before


async def ids_of_everything(factory: Factory) -> dict[str, str]:
    """One of each kind; by the names that paths have for them."""
    batch = await finished_batch(factory)
    listed = (await factory.client.get("/v1/jobs", params={"batch_id": batch["id"]})).json()["data"]
    jobs = {job["kind"]: job["id"] for job in listed}
    order = {"url": "https://receiver.example/hook", "active": False}
    endpoint = (await factory.client.post("/v1/webhook-endpoints", json=order)).json()["id"]
    rows = await factory.execute(
        "INSERT INTO factory.webhook_deliveries (id, project_id, endpoint_id, type, job_id, url, failed_at) "
        "SELECT gen_random_uuid(), project_id, $1, 'job.completed', id, 'x', now() FROM factory.jobs WHERE id = $2 "
        "RETURNING id",
        UUID(endpoint),
        UUID(jobs["text"]),
    )
    response = f"resp_{UUID(jobs['text']).hex}"
    assert (await factory.client.get(f"/v1/responses/{response}")).status_code == 200
    asked = b'{"custom_id": "x", "method": "POST", "url": "/v1/embeddings", "body": {"model": "embed", "input": "x"}}'
    uploaded = await factory.client.post("/v1/files", data={"purpose": "batch"}, files={"file": ("x", asked)})
    whole = {"input_file_id": uploaded.json()["id"], "endpoint": "/v1/embeddings", "completion_window": "24h"}
    openais = (await factory.client.post("/v1/batches", json=whole)).json()["id"]
    await factory.client.get(f"/v1/job-batches/{UUID(openais.removeprefix('batch_'))}", params={"wait": 30})
    return {
        "file_id": uploaded.json()["id"],
        "openai_batch_id": openais,
        "job_id": jobs["speech"],
        "batch_id": batch["id"],
        "response_id": response,
        "endpoint_id": endpoint,
        "delivery_id": str(rows[0]["id"]),
    }


async def everything_that_could_change(factory: Factory) -> list[Any]:
    return [
        await factory.execute("SELECT id, state, seq, content_deleted_at FROM factory.jobs ORDER BY id"),
        await factory.execute(
            "SELECT id, state, seq, cancelled_at, content_deleted_at FROM factory.batches ORDER BY id"
        ),
        await factory.execute("SELECT * FROM factory.files ORDER BY id"),
        await factory.execute("SELECT * FROM factory.webhook_endpoints ORDER BY id"),
        await factory.execute("SELECT * FROM factory.webhook_deliveries ORDER BY id"),
    ]


async def test_lists_and_sums_hold_the_own_projects_alone(factory: Factory, stranger: httpx.AsyncClient) -> None:
    batch = await finished_batch(factory)
    following = (await factory.client.get("/v1/jobs", params={"limit": 1})).json()["next_cursor"]
    assert (await stranger.get("/v1/jobs", params={"cursor": following})).status_code == 400
    for query in ({}, {"batch_id": batch["id"]}, {"status": "completed"}, {"key": "a"}, {"model": "fast"}):
        shown = (await stranger.get("/v1/jobs", params=query)).json()
        assert shown == {"data": [], "next_cursor": None}, query
    for query in ({}, {"batch_id": batch["id"]}):
        shown = (await stranger.get("/v1/usage", params=query)).json()
        assert (shown["data"], shown["total_cost"], shown["totals"]["calls"]) == ([], 0, 0), query
    await factory.execute(
        "INSERT INTO factory.cache_hits (id, project_id, job_id, kind, model, provider, alias, saved_usd) "
        "SELECT gen_random_uuid(), project_id, id, kind, model, provider, 'fast', cost FROM factory.jobs"
    )
    everything = ("", "project", "alias,model,day", "project,alias,provider,model,kind,variant,day")
    for by in everything:
        mine = (await factory.client.get("/v1/usage", params={"by": by})).json()
        assert (mine["totals"]["calls"], mine["totals"]["cache_hits"]) == (2, 2)
        assert {row.get("project", "nicestory") for row in mine["data"]} == {"nicestory"}
        shown = (await stranger.get("/v1/usage", params={"by": by})).json()
        assert (shown["data"], shown["totals"]["cache_hits"]) == ([], 0), by
    for project in ("nicestory", "nobody"):
        refused = await stranger.get("/v1/usage", params={"project": project})
        assert (refused.status_code, "belongs to project 'stranger'" in refused.text) == (403, True)
    assert (await stranger.get("/v1/usage", params={"project": "stranger"})).json()["data"] == []
    assert (await stranger.get("/v1/usage", params={"format": "csv"})).text.count("\r\n") == 1
    assert (await stranger.get("/v1/admin/usage")).status_code == 403


async def test_the_same_idempotency_key_is_another_one_in_another_project(
    factory: Factory, stranger: httpx.AsyncClient
) -> None:
    headers, body = {"Idempotency-Key": "the-same"}, {"model": "fast", "prompt": "x"}
    mine = (await factory.client.post("/v1/jobs", json=body, headers=headers)).json()
    theirs = (await stranger.post("/v1/jobs", json=body, headers=headers)).json()
    assert mine["id"] != theirs["id"]
    other_body = await stranger.post("/v1/jobs", json={**body, "prompt": "y"}, headers=headers)
    assert other_body.status_code == 422


async def test_places_in_line_speak_of_the_own_project_alone(factory: Factory, stranger: httpx.AsyncClient) -> None:
    later = {"model": "fast", "prompt": "x", "run_at": "2099-01-01T00:00:00Z"}
    for _ in range(3):
        await factory.client.post("/v1/jobs", json=later)
    theirs = (await stranger.post("/v1/jobs", json=later)).json()
    assert theirs["position"] in (None, 0, 1)


async def test_parts_that_another_project_bought_are_not_found(factory: Factory, stranger: httpx.AsyncClient) -> None:
    body = {"model": "narrator-fast", "kind": "speech", "input": f"A sentence of its own {uuid4().hex}."}
    assert (await factory.job(**body))["status"] == "completed"
    theirs = (await stranger.post("/v1/jobs", json=body, headers={"Prefer": "wait=30"})).json()
    assert theirs["status"] == "completed", theirs["error"]
    assert len(theirs["calls"]) == 1


async def test_a_key_names_its_own_project_or_none(factory: Factory, stranger: httpx.AsyncClient) -> None:
    body = {"model": "fast", "prompt": "x"}
    assert (await stranger.post("/v1/jobs", json=body, headers={"x-project-id": "nicestory"})).status_code == 403
    refused = await stranger.post("/v1/jobs", json={**body, "project": "nicestory"})
    assert refused.status_code in (400, 403), refused.text
    own_alias = "INSERT INTO factory.alias_targets (alias, project_id, provider, model_id) SELECT 'secret', id, 'openai', 'gpt-6-luna' FROM factory.projects WHERE name = 'nicestory'"
    await factory.execute(own_alias)
    await factory.settled()
    assert (await factory.job(model="secret", prompt="x"))["status"] == "completed"
    unknown = await stranger.post("/v1/jobs", json={"model": "secret", "prompt": "x"})
    assert unknown.json()["code"] == "unknown_model"
    assert "secret," not in unknown.json()["detail"].partition("Aliases:")[2]


async def test_ids_cannot_be_guessed(factory: Factory) -> None:
    """74 random bits in each, beside the time."""
    made = [
        UUID((await factory.client.post("/v1/jobs", json={"model": "fast", "prompt": "x"})).json()["id"])
        for _ in range(20)
    ]
    assert {one.version for one in made} == {7}
    assert len({one.int & ((1 << 62) - 1) for one in made}) == 20
