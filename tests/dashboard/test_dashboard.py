"""What the dashboard's server side promises: nobody looks without a session, nobody else changes anything, nothing slow."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from core.clock import utc_now
from core.settings import read_secret
from core.signing import sign_link
from producer.dashboard.assets import FOLDER, assets
from producer.dashboard.board import LiveBoard
from producer.dashboard.jobs import LOOKS
from producer.dashboard.sampling import QueueSampling
from producer.dashboard.session import COOKIE
from producer.keys import make_key
from tests.dashboard.many import insert_many_jobs
from tests.house import Factory

OWN = {"x-dashboard": "1"}


@pytest.fixture
async def visitor(factory: Factory) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that has not signed in."""
    async with httpx.AsyncClient(transport=factory.client._transport, base_url="http://factory", timeout=60) as client:
        yield client


@pytest.fixture
async def viewer(factory: Factory, visitor: httpx.AsyncClient) -> httpx.AsyncClient:
    """A browser that has."""
    answer = await visitor.post("/dashboard/session", json={"key": await factory.operator_key()}, headers=OWN)
    assert answer.status_code == 204, answer.text
    return visitor


async def test_without_a_session_there_is_no_data(factory: Factory, visitor: httpx.AsyncClient) -> None:
    paths = [route.path for route in _routes(factory) if route.path.startswith("/dashboard/api/")]
    assert len(paths) > 10
    for route in _routes(factory):
        if not route.path.startswith("/dashboard/api/"):
            continue
        path = re.sub(r"\{\w+\}", str(UUID(int=1)), route.path)
        for method in route.methods:
            answer = await visitor.request(method, path, headers=OWN, json={})
            assert answer.status_code == 401, (method, path, answer.text)
            foreign = await visitor.request(method, path, headers=OWN | {"x-api-key": factory.key}, json={})
            assert foreign.status_code == 401, (method, path, foreign.text)


def _routes(factory: Factory) -> list[Any]:
    transport: Any = factory.client._transport
    return _flat(transport.app.routes)


def _flat(routes: list[Any]) -> list[Any]:
    found = []
    for route in routes:
        inner = getattr(route, "effective_candidates", None)
        found += _flat(inner()) if callable(inner) else [route] if hasattr(route, "path") else []
    return found


async def test_only_an_operators_key_opens_it_and_only_while_it_is_in_force(
    factory: Factory, visitor: httpx.AsyncClient
) -> None:
    for body, status in (({"key": "fk_wrong"}, 401), ({"key": ""}, 401), ({}, 401), ({"key": factory.key}, 403)):
        answer = await visitor.post("/dashboard/session", json=body, headers=OWN)
        assert (answer.status_code, answer.headers.get("set-cookie")) == (status, None), body
    made = await make_key(factory.services.database, project_id=None)
    answer = await visitor.post("https://factory/dashboard/session", json={"key": made.api_key}, headers=OWN)
    said = answer.headers["set-cookie"]
    assert all(part in said for part in ("HttpOnly", "SameSite=strict", "Secure", "Path=/"))
    assert made.api_key not in said
    value = answer.cookies[COOKIE]
    cookie = {"cookie": f"{COOKIE}={value}"}
    assert (await visitor.get("/dashboard/api/names", headers=cookie)).status_code == 200
    secret = read_secret(factory.settings)
    late = sign_link(secret, made.id, "dashboard", utc_now() - timedelta(seconds=1))
    other = sign_link(secret, made.id, "events", utc_now() + timedelta(hours=1))
    for wrong in (value[:-1] + ("0" if value[-1] != "0" else "1"), "a.b.c", "x", *map(_cookie(made.id), (late, other))):
        answer = await visitor.get("/dashboard/api/names", headers={"cookie": f"{COOKIE}={wrong}"})
        assert answer.status_code == 401, wrong
    await factory.execute("UPDATE factory.api_keys SET revoked_at = now() WHERE id = $1", made.id)
    assert (await visitor.get("/dashboard/api/names", headers=cookie)).status_code == 401


def _cookie(key_id: UUID) -> Any:
    def write(link: str) -> str:
        expires, signature = (part.partition("=")[2] for part in link.split("&"))
        return f"{key_id}.{expires}.{signature}"

    return write


async def test_switches_are_for_the_own_page_alone_and_leave_a_trace(
    factory: Factory, viewer: httpx.AsyncClient
) -> None:
    routing = (await viewer.get("/dashboard/api/routing")).json()
    fast = next(one for one in routing["aliases"] if one["alias"] == "fast")
    target = fast["targets"][0]
    change = {name: target[name] for name in ("provider", "model_id")} | {"revision": fast["revision"], "active": False}
    path = "/dashboard/api/aliases/fast/target"
    for headers in ({}, OWN | {"origin": "http://factory:81"}, OWN | {"sec-fetch-site": "same-site"}):
        assert (await viewer.post(path, json=change, headers=headers)).status_code == 403
    changed = await viewer.post(path, json=change, headers=OWN | {"origin": "http://factory"})
    assert changed.status_code == 200, changed.text
    assert [one["active"] for one in changed.json()["targets"]] == [False, True, True, True]
    assert (await viewer.post(path, json=change, headers=OWN)).status_code == 409  # somebody was faster
    now = changed.json()["revision"]
    drawn = await viewer.post(
        "/dashboard/api/aliases/fast/strategy", json={"revision": now, "strategy": "weighted"}, headers=OWN
    )
    assert drawn.json()["strategy"] == "weighted"
    endpoint = routing["endpoints"][0]
    switched = await viewer.post(
        f"/dashboard/api/endpoints/{endpoint['id']}", json={"active": False, "priority": 7}, headers=OWN
    )
    assert (switched.json()["active"], switched.json()["priority"]) == (False, 7)
    actors = await factory.execute("SELECT DISTINCT actor FROM factory.audit_log WHERE actor LIKE 'dashboard %'")
    assert len(actors) == 1
    bad: list[tuple[str, Any]] = [
        (path, {}), (path, change | {"position": -1}), (path, change | {"model_id": "none"}), (path, []),
        ("/dashboard/api/aliases/none/target", change), (f"/dashboard/api/endpoints/{endpoint['id']}", {"base_url": "x"}),
        ("/dashboard/api/endpoints/x", {"active": True}), ("/dashboard/api/explain", {"model": "none", "prompt": "x"}),
    ]  # fmt: skip
    for where, body in bad:
        answer = await viewer.post(where, json=body, headers=OWN)
        assert answer.status_code in (400, 404), (where, body, answer.text)


async def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(visitor: httpx.AsyncClient) -> None:
    page = await visitor.get("/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<script(?![^>]*src=)[^>]*>|\son\w+=|style=", page.text) == []
    for name in assets():
        answer = await visitor.get(f"/dashboard/static/{name}")
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        addresses = set(re.findall(r"https?://[^\s\"'`]+", answer.text)) - {"http://www.w3.org/2000/svg"}
        assert not addresses, name
        again = await visitor.get(f"/dashboard/static/{name}", headers={"if-none-match": answer.headers["etag"]})
        assert again.status_code == 304
    for wrong in ("none.js", "../assets.py", "%2e%2e%2fassets.py", "index.html/"):
        assert (await visitor.get(f"/dashboard/static/{wrong}")).status_code in (307, 404), wrong
    assert {path.name for path in FOLDER.iterdir()} == set(assets())


def test_no_module_writes_html() -> None:
    words = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser")
    for path in Path(FOLDER).glob("*.js"):
        assert not any(word in path.read_text(encoding="utf-8") for word in words), path.name


async def test_jobs_of_all_projects_page_by_page_among_a_hundred_thousand(
    factory: Factory, viewer: httpx.AsyncClient
) -> None:
    await insert_many_jobs(factory, 100_000)
    seen: list[str] = []
    query: dict[str, Any] = {}
    for _ in range(3):
        page = (await viewer.get("/dashboard/api/jobs", params=query)).json()
        seen += [one["id"] for one in page["data"]]
        query = {"before": page["next"]}
    assert len(seen) == len(set(seen)) == 150
    assert seen == sorted(seen, reverse=True)
    asked: list[tuple[dict[str, Any], int]] = [
        ({}, 50), ({"state": ["failed", "expired"]}, 50), ({"state": "cancelled"}, 0), ({"project": "many"}, 50),
        ({"kind": "speech", "project": "many"}, 50), ({"model": "smart"}, 50), ({"project": "nicestory"}, 0),
        ({"before": seen[-1], "state": "completed"}, 50), ({"kind": "embedding"}, 0),
        ({"state": ["waiting", "queued", "in_progress", "cancelling"]}, 0),
    ]  # fmt: skip
    for params, rows in asked:
        took_s = []
        for _ in range(3):
            began = time.perf_counter()
            page = (await viewer.get("/dashboard/api/jobs", params=params)).json()
            took_s.append(time.perf_counter() - began)
            assert len(page["data"]) == rows, params
        assert min(took_s) < 0.3, (params, took_s)
    rare = [(await viewer.get("/dashboard/api/jobs", params={"model": "nobody"})).json()]
    while rare[-1]["next"]:
        query = {"model": "nobody", "before": rare[-1]["next"]}
        rare.append((await viewer.get("/dashboard/api/jobs", params=query)).json())
    assert (sum(len(page["data"]) for page in rare), len(rare)) == (0, 1 + 100_000 // LOOKS)
    for wrong in ({"state": "odd"}, {"before": "x"}, {"project": "nobody"}, {"kind": "odd"}):
        assert (await viewer.get("/dashboard/api/jobs", params=wrong)).status_code == 400, wrong


async def test_a_job_a_batch_and_a_recording_of_any_project(factory: Factory, viewer: httpx.AsyncClient) -> None:
    jobs = [
        {"model": "fast", "prompt": "One", "key": "one"},
        {"model": "narrator-fast", "kind": "speech", "input": "{{one.content}}", "key": "two", "after": ["one"]},
    ]
    made = (await factory.client.post("/v1/job-batches", json={"name": "Pair", "jobs": jobs})).json()
    async with asyncio.timeout(30):
        while (batch := (await viewer.get(f"/dashboard/api/batches/{made['id']}")).json())["finished_at"] is None:
            await asyncio.sleep(0.05)
    one, two = batch["nodes"]
    assert (batch["project"], one["after"], two["after"]) == ("nicestory", [], [one["id"]])
    job = (await viewer.get(f"/dashboard/api/jobs/{two['id']}")).json()
    assert job["request"]["input"] == "{{one.content}}"
    assert [call["outcome"] for call in job["calls"]] == ["ok"]
    sound = await viewer.get(f"/dashboard/api/jobs/{two['id']}/audio", headers={"range": "bytes=0-9"})
    assert (sound.status_code, len(sound.content)) == (206, 10)
    listed = (await viewer.get("/dashboard/api/batches")).json()["data"]
    assert [row["name"] for row in listed] == ["Pair"]
    for path in (f"jobs/{UUID(int=1)}", "jobs/x", f"jobs/{one['id']}/audio", f"batches/{UUID(int=1)}"):
        assert (await viewer.get(f"/dashboard/api/{path}")).status_code == 404, path


async def test_the_line_over_time_is_noted_by_one_process_of_all(factory: Factory, viewer: httpx.AsyncClient) -> None:
    await factory.execute("INSERT INTO factory.queue_samples VALUES (now() - interval '3 days', 'text', 1, 1, 1)")
    first, second = (QueueSampling(factory.services, owner) for owner in ("one", "two"))
    await first.step()
    await second.step()
    data = (await viewer.get("/dashboard/api/samples", params={"minutes": 2880})).json()["data"]
    assert [(one["pool"], one["ready"], one["running"]) for one in data] == [("speech", 0, 0), ("text", 0, 0)]
    assert (await factory.execute("SELECT count(*) FROM factory.queue_samples"))[0][0] == 2


async def test_nothing_is_read_while_nobody_looks_and_who_looks_shares() -> None:
    read = 0

    async def reader() -> int:
        nonlocal read
        read += 1
        return read

    board = LiveBoard({"work": reader})
    await asyncio.sleep(0)
    assert read == 0
    with board.following() as changed, board.following() as other:
        async with asyncio.timeout(5):
            await changed.wait()
            await other.wait()
        assert read == 1
        mine: dict[str, int] = {}
        assert board.news(mine) == b"event: work\ndata: 1\n\n"
        assert board.news(mine) == b""
    await asyncio.sleep(0)
    assert not _reading()


def _reading() -> set[str]:
    return {name for task in asyncio.all_tasks() if (name := task.get_name()).startswith("dashboard ")}


async def test_the_feed_tells_every_part_and_ends_with_its_reader(
    factory: Factory, served: str, viewer: httpx.AsyncClient
) -> None:
    headers = {"cookie": f"{COOKIE}={viewer.cookies[COOKIE]}"}
    said: set[str] = set()
    async with (
        httpx.AsyncClient(base_url=served, headers=headers, timeout=30) as browser,
        browser.stream("GET", "/dashboard/api/live") as answer,
    ):
        async for line in answer.aiter_lines():
            said |= {line.removeprefix("event: ")} if line.startswith("event: ") else set()
            if len(said) == 6:
                break
        assert _reading()
    assert said == {"work", "fleet", "providers", "limits", "cost", "alerts"}
    async with asyncio.timeout(10):
        while _reading():
            await asyncio.sleep(0.02)
    assert (await viewer.delete("/dashboard/session", headers=OWN)).status_code == 204
    assert (await viewer.get("/dashboard/session")).json() == {"name": None}
    assert not viewer.cookies
    assert (await viewer.get("/dashboard/api/names", headers=headers)).status_code == 401, "a copy of it opens nothing"
