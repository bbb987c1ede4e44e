"""Batches of many lines: stored first, read in one transaction by whoever lives, accepted or refused whole."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any
from uuid import UUID

import httpx
import pytest

from core.ids import new_id
from producer.composition import Services
from producer.intake.intake import BatchHeader, Intake
from producer.intake.lines import LineCutter
from producer.intake.validating import MOST_TRIES
from producer.limiting import ProjectLimits
from producer.submit import Caller
from sql.access import find_project
from sql.batches import copy_lines, insert_batch, lock_validating
from tests.house import Factory

LATER = "2099-01-01T00:00:00Z"
JSONL = {"Content-Type": "application/jsonl"}


def good(number: int = 0, **more: Any) -> bytes:
    return json.dumps({"model": "cheap", "prompt": f"line {number}", "max_output_tokens": 5, **more}).encode()


def later(count: int) -> list[bytes]:
    return [good(number, run_at=LATER) for number in range(count)]


async def post(factory: Factory, lines: Iterable[bytes], query: str = "", **headers: str) -> httpx.Response:
    return await factory.client.post(f"/v1/job-batches{query}", content=b"\n".join(lines), headers=JSONL | headers)


async def ended(factory: Factory, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    batch: dict[str, Any] = (await factory.client.get(f"{answer.json()['urls']['self']}?wait=30")).json()
    return batch


async def read(factory: Factory, answer: httpx.Response) -> dict[str, Any]:
    """Once its lines are read."""
    async with asyncio.timeout(30):
        while (batch := (await factory.client.get(answer.json()["urls"]["self"])).json())["status"] == "validating":
            await asyncio.sleep(0.05)
    found: dict[str, Any] = batch
    return found


async def count(factory: Factory, table: str) -> int:
    return int((await factory.execute(f"SELECT count(*) AS n FROM factory.{table}"))[0]["n"])


async def caller_of(services: Services) -> Caller:
    project = await find_project(services.database, "nicestory")
    assert project is not None
    return Caller(project.id, project.name, frozenset({"jobs"}))


def another_process(services: Services) -> Intake:
    limits = ProjectLimits(services.limiter, services.catalog)
    return Intake(services.database, services.submitter, limits, services.wakeups, services.storage, 10)


async def test_many_lines_are_read_after_the_answer_and_bad_ones_may_be_skipped(factory: Factory) -> None:
    lines = [good(n) if n % 200 == 0 else b'{"model": "cheap", "promt": "x"}' for n in range(1200)]
    made = await post(factory, [*lines, b"", b"no json"], "?on_error=skip&name=many")
    assert made.json()["status"] == "validating"
    assert (made.json()["total"], made.json()["name"]) == (1201, "many")
    batch = await ended(factory, made)
    assert batch["status"] == "completed"
    assert (batch["total"], batch["refused"], batch["counts"]["completed"]) == (6, 1195, 6)
    assert batch["cost"] > 0

    answer = await factory.client.get(batch["urls"]["results"])
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert [one["line"] for one in found] == [1, 201, 401, 601, 801, 1001]
    assert list(found[0]) == ["line", "key", "job_id", "status", "result", "error", "cost"]
    assert found[0]["result"]["content"]
    assert (await factory.client.get(batch["urls"]["results"] + "?status=failed")).text == ""

    first = (await factory.client.get(batch["urls"]["errors"] + "?limit=1000")).json()
    rest = (await factory.client.get(f"{batch['urls']['errors']}?cursor={first['next_cursor']}&limit=1000")).json()
    assert len(first["data"]) + len(rest["data"]) == 1195
    assert first["data"][0]["line"] == 2
    assert first["data"][0]["problems"][0] == {"line": 2, "field": "promt", "message": "this field is not known here"}
    assert rest["data"][-1]["line"] == 1202
    assert rest["next_cursor"] is None
    assert await count(factory, "batch_lines") == 0


async def test_one_bad_line_of_many_refuses_them_all_with_its_number(factory: Factory) -> None:
    lines = [*later(1100), good(key="a", after=["ghost"]), good(key="b", after=["c"]), good(key="c", after=["b"])]
    made = await post(factory, lines, **{"Idempotency-Key": "one"})
    batch = await ended(factory, made)
    assert (batch["status"], batch["refused"], batch["total"]) == ("failed", 1, 1103)
    assert batch["error"]["kind"] == "invalid_request"
    assert "line 1101: after.0: no job of this batch has the key 'ghost'" in batch["error"]["message"]
    assert [one["line"] for one in (await factory.client.get(batch["urls"]["errors"])).json()["data"]] == [1101]
    assert await count(factory, "jobs") == await count(factory, "batch_lines") == 0
    circle = await ended(factory, await post(factory, [*later(1100), *lines[-2:]]))
    assert "these jobs wait for each other: b → c → b" in circle["error"]["message"]

    assert (await post(factory, lines, **{"Idempotency-Key": "one"})).json()["id"] == batch["id"]
    other = await post(factory, [*lines, good()], **{"Idempotency-Key": "one"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await count(factory, "batch_lines") == 0


async def test_few_lines_are_refused_at_once_and_skipping_takes_their_followers_along(factory: Factory) -> None:
    lines = [
        good(key="late", after=["bad"], run_at=LATER),
        good(key="bad", promt="x"),
        good(key="fine", run_at=LATER),
        good(key="round", after=["trip"]),
        good(key="trip", after=["round"]),
        good(key="after-circle", after=["fine", "trip"]),
        good(key="fine"),
        good(project="somebody"),
    ]
    whole = await post(factory, lines[:-1])
    assert (whole.status_code, {one["line"] for one in whole.json()["problems"]}) == (400, {1, 2, 7})
    stranger = await post(factory, lines, "?on_error=skip")
    assert (stranger.status_code, stranger.json()["code"]) == (403, "forbidden")
    made = await post(factory, lines[:-1], "?on_error=skip")
    assert made.status_code == 202, made.text
    assert (made.json()["total"], made.json()["refused"]) == (1, 6)
    said = (await factory.client.get(made.json()["urls"]["errors"])).json()["data"]
    messages = {one["line"]: one["problems"][0]["message"] for one in said}
    assert messages.keys() == {1, 2, 4, 5, 6, 7}
    assert messages[1] == "the job 'bad' is refused itself"
    assert "wait for each other: round → trip → round" in messages[4]
    assert messages[6] == "the job 'trip', which this one comes after, makes no job"
    assert "is that of line 3 too" in messages[7]
    assert await count(factory, "jobs") == 1
    nothing = await post(factory, [b"{}", b"[]"], "?on_error=skip")
    assert nothing.status_code == 400
    asked = await post(factory, [good()], "?on_error=perhaps")
    assert asked.status_code in (400, 422)
    assert (await post(factory, [good()], "?name=a%00b")).json()["problems"][0]["field"] == "name"
    spoiled = {"jobs": [json.loads(good())], "metadata": {"a": ["\x00"]}}
    answer = await factory.client.post("/v1/job-batches", json=spoiled)
    assert (answer.status_code, answer.json()["problems"][0]["field"]) == (400, "metadata.a.0")
    body = {"jobs": [json.loads(lines[2]), {"model": "cheap", "odd\x00": 1}], "on_error": "skip"}
    as_json = await factory.client.post("/v1/job-batches", json=body)
    assert (as_json.json()["total"], as_json.json()["refused"]) == (1, 1)
    errors = as_json.json()["urls"]["errors"]
    assert "odd\N{REPLACEMENT CHARACTER}" in (await factory.client.get(errors)).text
    assert (await factory.client.get(f"{errors}?cursor={1 << 31}")).status_code == 400


async def test_what_a_dead_process_began_to_read_another_one_finishes(factory: Factory) -> None:
    services, caller = factory.services, await caller_of(factory.services)
    dying = another_process(services)

    async def body() -> AsyncIterator[bytes]:
        yield b"\n".join(later(1500))

    batch_id = await dying.receive(caller, BatchHeader(), body(), LineCutter(1), None)
    async with asyncio.timeout(10):
        while not await factory.execute("SELECT FROM factory.batches WHERE tries > 0"):
            await asyncio.sleep(0.005)
    await dying.stop()
    (row,) = await factory.execute("SELECT state, total FROM factory.batches WHERE id = $1", batch_id)
    assert (row["state"], row["total"]) == ("validating", 1500)
    assert await count(factory, "jobs") == 0
    await another_process(services).step()
    (row,) = await factory.execute("SELECT state, total, queued FROM factory.batches WHERE id = $1", batch_id)
    assert (row["state"], row["total"], row["queued"]) == ("in_progress", 1500, 1500)
    assert await count(factory, "batch_lines") == 0
    assert await services.queue.depth() == 1500


async def test_lines_are_read_by_one_process_only_so_often_and_not_once_cancelled(factory: Factory) -> None:
    services, caller = factory.services, await caller_of(factory.services)

    async def stored() -> UUID:
        batch_id = new_id()
        await copy_lines(services.database, batch_id, [(1, good(run_at=LATER))])
        await insert_batch(services.database, batch_id, caller.project_id, None, 1, None, {}, "reject", None)
        return batch_id

    async with services.database.acquire() as holder, holder.transaction():
        taken = await stored()
        assert await lock_validating(holder, taken) == "reject"
        await another_process(services).step()
        assert await count(factory, "jobs") == 0
        stopped = (await factory.client.post(f"/v1/job-batches/{taken}/cancel")).json()
    assert stopped["status"] == "cancelled"
    assert stopped["finished_at"] is not None
    deadly = await stored()
    await factory.execute("UPDATE factory.batches SET tries = $2 WHERE id = $1", deadly, MOST_TRIES)
    await another_process(services).step()
    batch = (await factory.client.get(f"/v1/job-batches/{deadly}")).json()
    assert batch["status"] == "failed"
    assert "none came to the end" in batch["error"]["message"]
    assert await count(factory, "jobs") == await count(factory, "batch_lines") == 0


async def test_an_upload_that_breaks_off_leaves_nothing(factory: Factory) -> None:
    services, caller = factory.services, await caller_of(factory.services)

    async def broken() -> AsyncIterator[bytes]:
        yield b"\n".join(later(3000))
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await services.intake.receive(caller, BatchHeader(), broken(), LineCutter(1), None)
    await copy_lines(services.database, UUID(int=7 << 76), [(1, b"of a process that died")])
    assert await count(factory, "batch_lines") == 1
    await services.intake.step()
    assert await count(factory, "batch_lines") == await count(factory, "batches") == 0

    async def endless() -> AsyncIterator[bytes]:
        yield good() + b"\n"
        while True:
            yield b"x" * 100_000

    with pytest.raises(Exception, match="line 2 is larger than 1 MB"):
        await services.intake.receive(caller, BatchHeader(), endless(), LineCutter(1), None)
    too_many = await post(factory, [b"1"] * 100_001)
    assert (too_many.status_code, too_many.json()["code"]) == (400, "invalid_request")
    assert await count(factory, "batch_lines") == 0


async def test_budgets_and_limits_hold_for_the_whole(factory: Factory) -> None:
    hard = '{"budgets": {"daily": {"hard_usd": 0.0001}}}'
    await factory.execute("UPDATE factory.projects SET settings = $1::text::jsonb WHERE name = 'nicestory'", hard)
    await factory.settled()
    batch = await ended(factory, await post(factory, later(1100)))
    assert (batch["status"], batch["error"]["kind"]) == ("failed", "budget")
    assert (await post(factory, later(900))).status_code == 402
    assert (await post(factory, later(3))).status_code == 202
    limits = '{"limits": {"requests_per_minute": 1050}}'
    await factory.execute("UPDATE factory.projects SET settings = $1::text::jsonb WHERE name = 'nicestory'", limits)
    await factory.settled()
    assert (await read(factory, await post(factory, later(1020))))["counts"]["queued"] == 1020
    assert await count(factory, "jobs") == 1023
