"""HTTP in full: ids of requests, limits, methods, pages, places in line, deletion, the document."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from core.cursors import StreamPlace, read_place, seal, unseal, write_place
from core.waiting import expect_end_s
from producer.api.app import create_app
from producer.api.openai.paths import is_openai_path
from producer.api.server import ApiServer, config_of
from producer.composition import open_services
from sql.deleting import select_outlived
from tests.house import Factory

LATER = {"model": "fast", "prompt": "x", "run_at": "2099-01-01T00:00:00Z"}


async def test_every_request_has_an_id_that_comes_back(shared: Factory) -> None:
    given = await shared.client.get("/v1/jobs", headers={"x-request-id": "mine-7"})
    assert given.headers["x-request-id"] == "mine-7"
    refused = await shared.client.get("/v1/jobs/nothing", headers={"x-request-id": "mine-8"})
    assert (refused.headers["x-request-id"], refused.json()["request_id"]) == ("mine-8", "mine-8")
    for insane in ("", "a b", "x" * 129, "<script>"):
        made = (await shared.client.get("/v1/jobs", headers={"x-request-id": insane})).headers["x-request-id"]
        assert re.fullmatch(r"req_[0-9a-f]{32}", made)


async def test_methods_are_said(shared: Factory) -> None:
    client = shared.client
    wrong = await client.put("/v1/jobs", json={})
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert wrong.json()["code"] == "method_not_allowed"
    asked = await client.options("/v1/jobs/anything")
    assert (asked.status_code, asked.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS")
    assert (await client.options("/v1/nowhere")).status_code == 404
    job = (await client.post("/v1/jobs", json=LATER)).json()
    for path in ("/v1/jobs", job["urls"]["self"], job["urls"]["events"], "/v1/events", "/healthz"):
        head = await client.head(path)
        assert (head.status_code, head.content) == (200, b""), path
    assert (await client.head(f"/v1/jobs/{uuid4()}")).status_code == 404


async def test_bodies_of_the_wrong_kind_are_refused(shared: Factory) -> None:
    client, body = shared.client, b'{"model": "fast", "prompt": "x"}'
    for path in ("/v1/jobs", "/v1/generate", "/v1/job-batches", "/v1/events/links"):
        refused = await client.post(path, content=body, headers={"content-type": "text/plain"})
        assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type"), path
        assert "application/json" in refused.json()["detail"]
    assert (await client.post("/v1/jobs", content=body)).status_code == 202, "no type is no wrong type"
    typed = {"content-type": "application/json; charset=utf-8"}
    broken = await client.post("/v1/jobs", content=b'{"model": "fast",\n "prompt": x}', headers=typed)
    assert (broken.status_code, "line 2 column 1" in broken.json()["detail"]) == (400, True), broken.text


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/jobs?model=%00", "model"), ("/v1/jobs?key=%ff", "key"), ("/v1/jobs?%00=1", "the query"),
        ("/v1/jobs/%00", "the path"), ("/v1/jobs/%c3%28", "the path"), ("/v1/jobs?cursor=%1b[2J", "cursor"),
        ("/v1/jobs?cursor=nonsense", "cursor"), ("/v1/jobs?cursor=%F0%9F%98%80", "cursor"),
        ("/v1/jobs?limit=0", "limit"), ("/v1/jobs?limit=many", "limit"), ("/v1/jobs?status=done", "status"),
        ("/v1/jobs?since=yesterday", "since"), ("/v1/jobs?metadata=[]", "metadata"),
        ("/v1/jobs?metadata={%22a%22:%22%5Cu0000%22}", "metadata"), ("/v1/jobs?metadata={%22%5Cud800%22:1}", "metadata"),
    ],
)  # fmt: skip
async def test_what_no_address_can_mean_is_said(shared: Factory, path: str, field: str) -> None:
    refused = await shared.client.get(path)
    assert (refused.status_code, refused.json()["problems"][0]["field"]) == (400, field), refused.text
    assert refused.headers["content-type"] == "application/problem+json"


async def test_odd_texts_in_headers_and_bodies_are_taken_or_refused(shared: Factory) -> None:
    for value in (b"\xff\xfe", "Schlüssel".encode(), b"\x7f" * 3, b"a" * 256, "😀".encode()):
        headers = {b"idempotency-key": value, b"prefer": value, b"x-project-id": b"", b"last-event-id": value}
        answer = await shared.client.post("/v1/jobs", json=LATER, headers=headers)
        assert 200 <= answer.status_code < 500, answer.text
    for field in ("key", "model", "prompt"):
        for text in ("\x00", "\ud800", "\x1b[2J", "\u202e", "😀" * 300):
            body = json.dumps({**LATER, field: text})
            typed = {"content-type": "application/json"}
            answer = await shared.client.post("/v1/jobs", content=body, headers=typed)
            assert 200 <= answer.status_code < 500, (field, text, answer.text)
    for text in ("\x00", "\ud800"):
        body = json.dumps({**LATER, "metadata": {"a": [text]}})
        refused = await shared.client.post("/v1/jobs", content=body, headers={"content-type": "application/json"})
        assert refused.status_code == 400, refused.text


@pytest.fixture
async def strict(factory: Factory) -> AsyncIterator[tuple[str, int]]:
    """The API as it is really served, with little patience and one origin allowed."""
    changes = {"body_timeout_s": 0.3, "header_timeout_s": 0.3, "cors_origins": "https://app.example", "notice_s": 0}
    settings = factory.settings.model_copy(update=changes)
    listening = socket.create_server(("127.0.0.1", 0))
    async with open_services(settings) as services:
        server = ApiServer(config_of(settings, create_app(services)), services.closing, 0)
        server.config.timeout_graceful_shutdown = 1
        running = asyncio.create_task(server._serve([listening]))
        yield listening.getsockname()[:2]
        server.should_exit = True
        await running


async def exchange(address: tuple[str, int], *pieces: bytes) -> bytes:
    """Everything that comes back until the server closes."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_slow_and_swollen_requests_are_let_go(factory: Factory, strict: tuple[str, int]) -> None:
    key = f"x-api-key: {factory.key}\r\n".encode()
    begun = b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\n" + key
    slow_body = await exchange(strict, begun + b"content-length: 100\r\n\r\n{")
    assert slow_body.startswith(b"HTTP/1.1 408"), slow_body
    assert b"1 of it did" in slow_body or b"1 bytes" in slow_body
    assert (await exchange(strict, begun)).startswith(b"HTTP/1.1 408")
    assert await exchange(strict) == b""
    many = await exchange(strict, begun + b"".join(b"x-%d: y\r\n" % n for n in range(10_000)) + b"\r\n")
    large = await exchange(strict, begun + b"x-large: " + b"y" * 70_000 + b"\r\n\r\n")
    for refused in (many, large):
        assert refused == b"" or (refused.startswith(b"HTTP/1.1 431") and b"application/problem+json" in refused)
    few = await exchange(strict, begun + b"x-large: " + b"y" * 70_000)
    assert few == b"" or few.startswith(b"HTTP/1.1 431")
    assert (await exchange(strict, b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400")
    async with httpx.AsyncClient(
        base_url=f"http://{strict[0]}:{strict[1]}", headers={"x-api-key": factory.key}
    ) as client:
        allowed = await client.get("/v1/jobs", headers={"origin": "https://app.example"})
        assert allowed.headers["access-control-allow-origin"] == "https://app.example"
        other = await client.get("/v1/jobs", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers
    default = await factory.client.get("/v1/jobs", headers={"origin": "https://app.example"})
    assert "access-control-allow-origin" not in default.headers


async def test_pages_are_narrowed_and_go_on_where_they_ended(factory: Factory) -> None:
    made = []
    for number in range(5):
        body = {**LATER, "metadata": {"chapter": number % 2, "book": "x"}, "model": ("fast", "smart")[number % 2]}
        made.append((await factory.client.post("/v1/jobs", json=body)).json())
    ids = [job["id"] for job in reversed(made)]
    page = (await factory.client.get("/v1/jobs", params={"limit": 3})).json()
    assert [job["id"] for job in page["data"]] == ids[:3]
    rest = (await factory.client.get("/v1/jobs", params={"limit": 3, "cursor": page["next_cursor"]})).json()
    assert ([job["id"] for job in rest["data"]], rest["next_cursor"]) == (ids[3:], None)
    odd = [job["id"] for job in reversed(made) if job["model"] == "smart"]
    for query in (
        {"model": "smart"},
        {"metadata": '{"chapter": 1}'},
        {"metadata": '{"chapter": 1}', "status": "queued"},
    ):
        found = (await factory.client.get("/v1/jobs", params=query)).json()["data"]
        assert [job["id"] for job in found] == odd, query
    middle = made[2]["created_at"]
    later = (await factory.client.get("/v1/jobs", params={"since": middle})).json()["data"]
    earlier = (await factory.client.get("/v1/jobs", params={"until": middle})).json()["data"]
    assert ([job["id"] for job in later], [job["id"] for job in earlier]) == (ids[:3], ids[3:])


async def test_a_queued_job_knows_its_place_and_its_time(factory: Factory) -> None:
    await factory.execute("UPDATE factory.projects SET paused = true WHERE name = 'nicestory'")
    await factory.settled()
    first = (await factory.client.post("/v1/jobs", json={"model": "fast", "prompt": "one"})).json()
    second = (await factory.client.post("/v1/jobs", json={"model": "fast", "prompt": "two"})).json()
    assert (first["position"], first["eta_s"], second["position"]) == (1, None, 2)
    await factory.execute(
        "INSERT INTO factory.call_figures (provider, model, kind, calls, completion_tokens_mean, completion_tokens_p99, "
        "duration_ms_mean) SELECT provider, model_id, 'text', 30, 10, 20, 2500 FROM factory.models"
    )
    await factory.services.figures.step()
    etas = [(await factory.client.get(job["urls"]["self"])).json()["eta_s"] for job in (first, second)]
    assert etas == [2.5, 5.0]


def test_who_waits_is_told_by_what_runs_beside() -> None:
    assert expect_end_s(1, 0, 2.0) == 2.0
    assert expect_end_s(5, 2, 2.0) == 6.0
    assert expect_end_s(1, 1, 2.0, delay_s=60) == 62.0
    assert expect_end_s(2, 10, 2.0) == 2.0


def test_places_only_open_where_they_were_made() -> None:
    from datetime import UTC, datetime

    mine, other = uuid4(), uuid4()
    place = StreamPlace(datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), datetime(1999, 1, 1, tzinfo=UTC), uuid4(), 3)
    text = write_place(mine, place)
    assert read_place(mine, text) == place
    assert read_place(other, text) is None
    assert unseal("jobs", mine, text) is None
    for damaged in (text[1:], text + "A", text.swapcase(), "", "=", "é", "A" * 500):
        assert read_place(mine, damaged) is None
    assert unseal("jobs", mine, seal("jobs", mine, b"abc")) == b"abc"


async def test_deleted_content_is_gone_and_the_shell_stays(factory: Factory) -> None:
    secret = f"a secret {uuid4().hex}"
    text = await factory.job(model="fast", prompt=secret, metadata={"who": secret})
    spoken = await factory.job(model="narrator-fast", kind="speech", input=f"{secret}.")
    again = await factory.job(model="fast", prompt=secret)
    assert again["result"]["cached"]
    waiting = (await factory.client.post("/v1/jobs", json=LATER)).json()
    refused = await factory.client.delete(waiting["urls"]["self"])
    assert (refused.status_code, "cancel it first" in refused.json()["detail"]) == (409, True)
    stored = [row["storage_key"] for row in await factory.execute("SELECT storage_key FROM factory.job_parts")]
    assert stored
    for job in (text, spoken, again, text):
        assert (await factory.client.delete(job["urls"]["self"])).status_code == 204
    shell = (await factory.client.get(text["urls"]["self"])).json()
    assert (shell["status"], shell["cost"], len(shell["calls"])) == ("completed", text["cost"], 1)
    assert (shell["result"], shell["metadata"], shell["content_deleted_at"] is not None) == (None, {}, True)
    assert (await factory.client.get(spoken["urls"]["audio"])).status_code == 404
    assert not any([await factory.services.storage.has(key) for key in stored])
    for table in ("jobs", "job_parts", "calls", "cache_entries", "batches"):
        rows = await factory.execute(
            f"SELECT count(*) AS n FROM factory.{table} AS t WHERE t::text LIKE '%' || $1 || '%'", secret
        )
        assert rows[0]["n"] == 0, table
    assert (await factory.client.post(f"{text['urls']['self']}/retry")).json()["code"] == "content_deleted"
    assert not (await factory.job(model="fast", prompt=secret))["result"]["cached"]
    assert (await factory.client.get("/v1/usage")).json()["totals"]["calls"] == 3


async def test_a_repeat_of_what_was_deleted_is_gone_and_says_so(factory: Factory) -> None:
    body = {"model": "fast", "prompt": "Once"}
    line = {"jobs": [body]}
    for path, sent in (("/v1/generate", body), ("/v1/jobs", body), ("/v1/job-batches", line)):
        key = {"Idempotency-Key": path}
        made = await factory.client.post(path, json=sent, headers=key)
        place = made.headers["location"]
        assert (await factory.client.get(place, params={"wait": 30})).json()["finished_at"]
        assert (await factory.client.post(path, json=sent, headers=key)).status_code == made.status_code
        assert (await factory.client.delete(place)).status_code == 204
        again = await factory.client.post(path, json=sent, headers=key)
        assert (again.status_code, again.json()["code"]) == (410, "content_deleted"), again.text
        assert "another key has it done again" in again.json()["detail"]
    chat = {"model": "fast", "messages": [{"role": "user", "content": "Once"}]}
    asked = await factory.client.post("/v1/chat/completions", json=chat, headers={"Idempotency-Key": "chat"})
    await factory.client.delete(f"/v1/jobs/{asked.headers['x-factory-job-id']}")
    again = await factory.client.post("/v1/chat/completions", json=chat, headers={"Idempotency-Key": "chat"})
    assert (again.status_code, again.json()["error"]["code"]) == (404, "not_found")


async def test_the_content_of_a_whole_batch_is_deleted_and_the_ledger_stays(factory: Factory) -> None:
    secret = f"secret-{uuid4().hex}"
    jobs = [
        {"model": "fast", "prompt": secret, "metadata": {"who": secret}, "key": "a"},
        {"model": "narrator-fast", "kind": "speech", "input": f"{secret}.", "key": "spoken"},
        {**LATER, "prompt": "{{a.content}}", "after": ["a"], "key": "b"},
        {"model": "fast", "odd": secret, "key": secret},
    ]
    sent = {"jobs": jobs, "name": secret, "metadata": {"book": secret}, "on_error": "skip"}
    urls = (await factory.client.post("/v1/job-batches", json=sent)).json()["urls"]
    place = urls["self"]
    listed = (await factory.client.get("/v1/jobs", params={"batch_id": place.rpartition("/")[2]})).json()["data"]
    by_key = {job["key"]: job["urls"]["self"] for job in listed}
    for key in ("a", "spoken"):
        assert (await factory.client.get(by_key[key], params={"wait": 30})).json()["status"] == "completed"
    refused = await factory.client.delete(place)
    assert (refused.status_code, "cancel it first" in refused.json()["detail"]) == (409, True)
    await factory.client.post(f"{by_key['b']}/cancel")
    batch = (await factory.client.get(place, params={"wait": 30})).json()
    assert (batch["status"], batch["counts"]["completed"], batch["refused"]) == ("completed", 2, 1)

    retried = (await factory.client.post(f"{by_key['b']}/retry")).json()["urls"]["self"]
    for needed in (place, by_key["a"]):
        assert (await factory.client.delete(needed)).status_code == 409, "the retried one comes after it"
    await factory.execute("UPDATE factory.projects SET settings = settings || '{\"content_retention_days\": 0}'")
    kept = await select_outlived(factory.services.database, None, 10)
    assert sorted(map(str, kept)) == sorted(by_key[key].rpartition("/")[2] for key in ("b", "spoken"))
    await factory.client.post(f"{retried}/cancel")

    totals = (await factory.client.get("/v1/usage")).json()["totals"]
    stored = [row["storage_key"] for row in await factory.execute("SELECT storage_key FROM factory.job_parts")]
    assert stored
    for _ in range(2):
        assert (await factory.client.delete(place)).status_code == 204
    shell = (await factory.client.get(place)).json()
    assert (shell["name"], shell["metadata"], shell["content_deleted_at"] is not None) == (None, {}, True)
    assert (shell["counts"], shell["cost"], shell["refused"]) == (batch["counts"], batch["cost"], 1)
    assert (await factory.client.get(urls["errors"])).json()["data"] == []
    assert not any([await factory.services.storage.has(key) for key in stored])
    for table in ("jobs", "job_parts", "calls", "cache_entries", "batches", "batch_errors"):
        rows = await factory.execute(
            f"SELECT count(*) AS n FROM factory.{table} AS t WHERE t::text LIKE '%' || $1 || '%'", secret
        )
        assert rows[0]["n"] == 0, table
    assert (await factory.client.get("/v1/usage")).json()["totals"] == totals
    lines = (await factory.client.get(f"{urls['results']}?jobs=true")).text.splitlines()
    assert [json.loads(line)["content_deleted_at"] is not None for line in lines] == [True] * 3


async def test_content_is_needed_while_a_later_job_of_the_batch_runs_and_outlives_no_policy(factory: Factory) -> None:
    from workers.expiring import ContentExpiry

    jobs = [{"model": "fast", "prompt": "x", "key": "a"}, {**LATER, "key": "b", "after": ["a"]}]
    batch = (await factory.client.post("/v1/job-batches", json={"jobs": jobs})).json()
    listed = (await factory.client.get("/v1/jobs", params={"batch_id": batch["id"], "key": "a"})).json()["data"]
    first = f"/v1/jobs/{listed[0]['id']}"
    await factory.client.get(first, params={"wait": 30})
    assert (await factory.client.delete(first)).status_code == 409
    duty = ContentExpiry(factory.services.database, factory.services.storage)
    assert await duty.step() == 0, "kept unless a project says otherwise"
    await factory.execute("UPDATE factory.projects SET settings = settings || '{\"content_retention_days\": 0}'")
    assert await duty.step() == 0, "the second one needs it"
    await factory.client.post(f"{batch['urls']['self']}/cancel")
    assert await duty.step() == 2
    lines = (await factory.client.get(f"{batch['urls']['results']}?jobs=true")).text.splitlines()
    assert all(json.loads(line)["content_deleted_at"] for line in lines)
    assert json.loads(lines[0])["result"] is None
    assert (await factory.client.post(batch["urls"]["retry-failed"])).status_code == 410, "nothing is left to be asked"


async def test_the_document_says_everything(shared: Factory) -> None:
    document: dict[str, Any] = (await shared.client.get("/openapi.json")).json()
    names = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(names) == len(set(names))
    known = document["components"]["schemas"].keys()
    assert {one.rpartition("/")[2] for one in re.findall(r'"\$ref": ?"([^"]+)"', json.dumps(document))} <= known
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["tags"], (method, path)
            assert "500" in operation["responses"], (method, path)
            assert operation.get("security") or path in ("/healthz", "/readyz"), (method, path)
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and status != "416":
                    kind = (
                        "application/json" if is_openai_path(path) and status != "431" else "application/problem+json"
                    )
                    assert kind in answer["content"], (method, path, status)
    for path in ("/v1/responses/{response_id}", "/v1/webhook-endpoints", "/v1/job-batches/{batch_id}/retry-failed"):
        assert path in document["paths"]
