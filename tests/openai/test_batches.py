"""Files and batches through OpenAI's own client, with only base URL and key changed."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import openai
import pytest
from openai import AsyncOpenAI

from producer.intake import intake
from producer.keys import create_key
from tests.house import Factory
from tests.workers.test_promises import own_model
from workers.expiring import FileExpiry

CHAT = "/v1/chat/completions"
OVER = ("completed", "failed", "expired", "cancelled")


def line(custom_id: Any, url: str = CHAT, model: str = "fast", **body: Any) -> dict[str, Any]:
    if url == CHAT and "messages" not in body:
        body["messages"] = [{"role": "user", "content": "Say {{this}}"}]
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": {"model": model, **body}}


async def upload(client: AsyncOpenAI, lines: list[Any], **more: Any) -> str:
    text = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines)
    file = await client.files.create(file=("lines.jsonl", text.encode()), purpose="batch", **more)
    assert (file.object, file.purpose, file.filename, file.bytes) == ("file", "batch", "lines.jsonl", len(text))
    return file.id


async def create(client: AsyncOpenAI, file_id: str, endpoint: Any = CHAT, **more: Any) -> Any:
    return await client.batches.create(input_file_id=file_id, endpoint=endpoint, completion_window="24h", **more)


async def over(client: AsyncOpenAI, batch_id: str) -> Any:
    async with asyncio.timeout(60):
        while (batch := await client.batches.retrieve(batch_id)).status not in OVER:
            await asyncio.sleep(0.1)
    return batch


async def lines_of(client: AsyncOpenAI, file_id: str | None) -> dict[str, Any]:
    assert file_id is not None
    content = (await client.files.content(file_id)).text
    assert (await client.files.retrieve(file_id)).bytes == len(content.encode())
    return {one["custom_id"]: one for one in map(json.loads, content.splitlines())}


async def test_a_thousand_lines_come_back_as_two_files(client: AsyncOpenAI, factory: Factory) -> None:
    refusing = await own_model(factory, "gpt-6-luna@policy")
    await factory.settled()
    asked = [line(f"task {number}/ä") for number in range(998)] + [line(f"no {one}", model=refusing) for one in (1, 2)]
    file_id = await upload(client, asked)
    metadata = {"chapter": "3"}
    batch = await create(
        client, file_id, metadata=metadata, output_expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert (batch.object, batch.endpoint, batch.input_file_id) == ("batch", CHAT, file_id)
    assert batch.id.startswith("batch_")
    assert batch.status in ("validating", "in_progress")
    assert batch.expires_at - batch.created_at == 86_400
    again = await create(client, file_id, metadata=metadata, extra_headers={"x-stainless-retry-count": "1"})
    assert again.id == batch.id
    done = await over(client, batch.id)
    counts = done.request_counts
    assert (done.status, counts.total, counts.completed, counts.failed) == ("completed", 1000, 998, 2)
    assert done.created_at <= done.in_progress_at <= done.completed_at == done.finalizing_at
    assert (done.metadata, done.errors) == (metadata, None)
    answers = await lines_of(client, done.output_file_id)
    assert list(answers) == [one["custom_id"] for one in asked[:998]]
    first = answers["task 0/ä"]
    assert first["id"].startswith("batch_req_")
    assert (first["error"], first["response"]["status_code"]) == (None, 200)
    completion = first["response"]["body"]
    assert completion["object"] == "chat.completion"
    assert completion["choices"][0]["message"]["content"]
    job = (await factory.client.get(f"/v1/jobs/{completion['factory']['job_id']}")).json()
    assert (job["priority"], job["key"], job["result"]["content"]) == (
        "batch", "task 0/ä", completion["choices"][0]["message"]["content"],
    )  # fmt: skip
    assert abs(datetime.fromisoformat(job["expires_at"]).timestamp() - done.expires_at) < 5
    errors = await lines_of(client, done.error_file_id)
    assert list(errors) == ["no 1", "no 2"]
    refused = errors["no 1"]["response"]
    assert (refused["status_code"], refused["body"]["error"]["code"]) == (400, "content_policy_violation")
    made = await client.files.retrieve(done.output_file_id)
    assert made.purpose == "batch_output"
    assert made.expires_at == made.created_at + 3600
    with pytest.raises(openai.ConflictError):
        await client.batches.cancel(batch.id)
    native = (await factory.client.get(f"/v1/job-batches/{job['batch_id']}")).json()
    assert (native["status"], native["counts"]["completed"]) == ("completed", 998)
    tried = await factory.client.post(f"/v1/job-batches/{job['batch_id']}/retry-failed")
    keys = await factory.execute("SELECT key FROM factory.jobs WHERE batch_id = $1 ORDER BY line", tried.json()["id"])
    assert [row["key"] for row in keys] == ["no 1", "no 2"]
    assert await client.files.delete(done.output_file_id) is not None
    assert (await client.batches.retrieve(batch.id)).output_file_id is None


async def test_responses_and_embeddings_answer_as_they_do_live(client: AsyncOpenAI) -> None:
    texts = await upload(client, [line("r", "/v1/responses", input="Hi", instructions="Short.")])
    vectors = await upload(client, [line("e", "/v1/embeddings", "embed", input=["a", "b"], dimensions=256)])
    answered = await create(client, texts, "/v1/responses")
    embedded = await create(client, vectors, "/v1/embeddings")
    response = (await lines_of(client, (await over(client, answered.id)).output_file_id))["r"]["response"]["body"]
    assert (response["object"], response["status"], response["instructions"]) == ("response", "completed", "Short.")
    kept = await client.responses.retrieve(response["id"])
    assert kept.output_text == response["output"][-1]["content"][0]["text"]
    listed = (await lines_of(client, (await over(client, embedded.id)).output_file_id))["e"]["response"]["body"]
    assert [len(one["embedding"]) for one in listed["data"]] == [256, 256]


async def test_a_line_that_is_none_of_the_batch_is_named_and_none_runs(client: AsyncOpenAI, factory: Factory) -> None:
    faults: list[tuple[Any, str, str | None]] = [
        (line("good"), "duplicate_custom_id", "custom_id"),
        (line("good", stream=True), "duplicate_custom_id", "custom_id"),
        (line("u", "/v1/embeddings", input="x"), "mismatched_url", "url"),
        (line("m") | {"method": "GET"}, "invalid_method", "method"),
        ({"custom_id": "b", "url": CHAT, "body": {}}, "missing_required_parameter", "method"),
        ({"custom_id": "b", "method": "POST", "body": {}}, "missing_required_parameter", "url"),
        ({"method": "POST", "url": CHAT, "body": {}}, "missing_required_parameter", "custom_id"),
        (line(7), "invalid_value", "custom_id"),
        (line("a" * 513), "invalid_value", "custom_id"),
        (line("\0"), "invalid_value", "custom_id"),
        ('{"custom_id": ', "invalid_value", None),
        ("[]", "invalid_request", None),
    ]
    file_id = await upload(client, [line("good"), *(fault for fault, _, _ in faults), line("k", logit_bias={"1": 2})])
    batch = await over(client, (await create(client, file_id)).id)
    assert (batch.status, batch.output_file_id, batch.error_file_id) == ("failed", None, None)
    assert batch.failed_at is not None
    found = [(one.line, one.code, one.param) for one in batch.errors.data]
    assert found == [(number, code, param) for number, (_, code, param) in enumerate(faults, start=2)]
    assert all(one.message for one in batch.errors.data)
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (0, 0, 0)
    nothing = await over(client, (await create(client, await upload(client, ["", ""]))).id)
    assert nothing.status == "failed"
    assert (await factory.execute("SELECT count(*) FROM factory.jobs"))[0]["count"] == 0


async def test_a_wrong_body_is_in_the_error_file_and_the_others_run(client: AsyncOpenAI, factory: Factory) -> None:
    faults: list[tuple[dict[str, Any], int, str, str | None]] = [
        (line("s", stream=True), 400, "unsupported_parameter", "stream"),
        (line("n") | {"extra": 1}, 400, "unknown_parameter", "extra"),
        ({"custom_id": "b", "method": "POST", "url": CHAT}, 400, "missing_required_parameter", "body"),
        (line("o") | {"body": [1]}, 400, "invalid_type", "body"),
        (line("k/ö", logit_bias={"1": 2}), 400, "unsupported_parameter", "logit_bias"),
        (line("p", messages=[{"role": "user", "content": 3}]), 400, "invalid_value", "messages[0].content"),
        (line("q", model="nobody"), 404, "model_not_found", "model"),
    ]
    asked = [fault[0] for fault in faults]
    batch = await over(client, (await create(client, await upload(client, [*asked[:3], line("good"), *asked[3:]]))).id)
    counts = batch.request_counts
    assert (batch.status, counts.total, counts.completed, counts.failed) == ("completed", 8, 1, 7)
    assert batch.errors is None
    assert list(await lines_of(client, batch.output_file_id)) == ["good"]
    wrong = await lines_of(client, batch.error_file_id)
    assert list(wrong) == [one["custom_id"] for one in asked]
    for one, status, code, param in faults:
        said = wrong[one["custom_id"]]["response"]
        error = said["body"]["error"]
        assert (said["status_code"], error["code"], error["param"]) == (status, code, param)
        assert error["message"]
        assert error["type"] == "invalid_request_error"
    with pytest.raises(openai.NotFoundError) as live:
        await client.chat.completions.create(**asked[-1]["body"])
    assert wrong["q"]["response"]["body"]["error"]["message"] == live.value.body["message"]  # type: ignore[index]

    urls = {"responses": "/v1/responses", "embeddings": "/v1/embeddings"}
    bodies = ({"stream": True}, {"background": True}, {"previous_response_id": "resp_1"})
    texts = [line(next(iter(one)), urls["responses"], input="Hi", **one) for one in bodies]
    encoded = [line("encoding_format", urls["embeddings"], "embed", input="Hi", encoding_format="base64")]
    for endpoint, lines in ((urls["responses"], texts), (urls["embeddings"], encoded)):
        batch = await over(client, (await create(client, await upload(client, lines), endpoint)).id)
        counts = batch.request_counts
        assert (batch.status, counts.total, counts.failed) == ("completed", len(lines), len(lines))
        assert batch.output_file_id is None
        assert batch.created_at <= batch.in_progress_at <= batch.completed_at
        for name, one in (await lines_of(client, batch.error_file_id)).items():
            assert one["response"]["body"]["error"]["param"] == name
    native = UUID(batch.id.removeprefix("batch_"))
    listed = (await factory.client.get(f"/v1/job-batches/{native}/errors")).json()["data"]
    assert [(one["line"], one["key"]) for one in listed] == [(1, "encoding_format")]


async def test_what_the_budget_refuses_is_in_the_error_file_and_the_others_run(
    client: AsyncOpenAI, factory: Factory
) -> None:
    await factory.execute("DELETE FROM factory.model_prices WHERE model_id = 'gpt-6-sol'")
    await factory.execute(
        """UPDATE factory.projects SET settings = settings || '{"budgets": {"daily": {"hard_usd": 0.001}}}'"""
    )
    await factory.settled()
    asked = [
        line("first", max_tokens=100),
        line("dear", max_tokens=100_000),
        line("unpriced", model="gpt-6-sol"),
        line("last", max_tokens=100),
    ]
    batch = await over(client, (await create(client, await upload(client, asked))).id)
    counts = batch.request_counts
    assert (batch.status, counts.total, counts.completed, counts.failed) == ("completed", 4, 2, 2)
    assert list(await lines_of(client, batch.output_file_id)) == ["first", "last"]
    refused = await lines_of(client, batch.error_file_id)
    assert list(refused) == ["dear", "unpriced"]
    for one, said in (("dear", "the daily budget of 0.001 USD"), ("unpriced", "is not known")):
        answer = refused[one]["response"]
        assert (answer["status_code"], answer["body"]["error"]["code"]) == (429, "insufficient_quota")
        assert said in answer["body"]["error"]["message"]
    assert (await factory.client.get("/v1/budget")).json()["reserved_usd"] == 0
    assert len(await factory.execute("SELECT FROM factory.jobs")) == 2


async def test_cancelled_and_expired_batches_keep_what_is_done(
    client: AsyncOpenAI, factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = await own_model(factory, "gpt-6-luna@slow=30")
    await factory.settled()
    file_id = await upload(client, [line("quick"), line("slow", model=slow)])
    batch = await create(client, file_id)
    async with asyncio.timeout(30):
        while (await client.batches.retrieve(batch.id)).request_counts.completed < 1:
            await asyncio.sleep(0.05)
    assert (await client.batches.cancel(batch.id)).status in ("cancelling", "cancelled")
    stopped = await over(client, batch.id)
    assert (stopped.status, stopped.cancelled_at >= stopped.cancelling_at) == ("cancelled", True)
    assert (await client.batches.cancel(batch.id)).status == "cancelled"
    monkeypatch.setattr(intake, "WINDOW_S", 1.0)
    late = await over(client, (await create(client, file_id)).id)
    assert (late.status, late.expired_at is not None, late.completed_at) == ("expired", True, None)
    for one, code in ((stopped, "batch_cancelled"), (late, "batch_expired")):
        assert list(await lines_of(client, one.output_file_id)) == ["quick"]
        left = await lines_of(client, one.error_file_id)
        assert (left["slow"]["response"], left["slow"]["error"]["code"]) == (None, code)


async def test_lines_that_a_dead_process_left_unread_are_read_by_another(
    client: AsyncOpenAI, factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake.Intake, "_begin", lambda *_: None)
    file_id, deleted = await upload(client, [line("x")]), await upload(client, [line("y")])
    left, lost = await create(client, file_id), await create(client, deleted)
    assert (left.status, left.in_progress_at, left.request_counts.total) == ("validating", None, 0)
    await client.files.delete(deleted)
    stopped = await create(client, file_id)
    assert (await client.batches.cancel(stopped.id)).status == "cancelled"
    await factory.services.intake.step()
    assert (await over(client, left.id)).status == "completed"
    failed = await over(client, lost.id)
    assert (failed.status, failed.errors.data[0].line) == ("failed", None)
    assert "was deleted" in failed.errors.data[0].message
    assert (await over(client, stopped.id)).request_counts.total == 0


async def test_files_and_batches_are_listed_deleted_and_the_own_projects_alone(
    client: AsyncOpenAI, factory: Factory
) -> None:
    ids = [await upload(client, [line(str(number))]) for number in range(3)]
    expiring = await upload(client, [line("x")], expires_after={"anchor": "created_at", "seconds": 3600})
    ids.append(expiring)
    batch = await over(client, (await create(client, ids[0])).id)
    other = await over(client, (await create(client, ids[1])).id)
    assert [one.id async for one in client.batches.list(limit=1)] == [other.id, batch.id]
    uploads = [one.id async for one in client.files.list(limit=2, purpose="batch")]
    assert uploads == ids[::-1]
    assert [one.id async for one in client.files.list(limit=3, purpose="batch", order="asc")] == ids
    everything = [one.id async for one in client.files.list()]
    assert set(everything) == {*ids, batch.output_file_id, other.output_file_id}
    kept = json.loads((await client.files.content(ids[2])).text)
    assert kept == line("2")

    key = await create_key(factory.services.database, project="stranger", make_project=True)
    stranger = client.with_options(api_key=key)
    assert [one async for one in stranger.files.list()] == []
    assert [one async for one in stranger.batches.list()] == []
    for attempt in (
        stranger.files.retrieve(ids[0]), stranger.files.content(batch.output_file_id), stranger.files.delete(ids[0]),
        stranger.batches.retrieve(batch.id), stranger.batches.cancel(batch.id), client.files.retrieve("file-x"),
        client.batches.retrieve(f"batch_{uuid4().hex}"), client.files.list(after="x").__aiter__().__anext__(),
    ):  # fmt: skip
        with pytest.raises(openai.NotFoundError):
            await attempt
    with pytest.raises(openai.BadRequestError) as foreign:
        await create(stranger, ids[0])
    assert (foreign.value.param, foreign.value.code) == ("input_file_id", "file_not_found")

    stored = factory.settings.storage_place
    held = await factory.execute("SELECT id, storage_key FROM factory.files WHERE storage_key IS NOT NULL ORDER BY id")
    assert (await client.files.delete(ids[2])).deleted is True
    with pytest.raises(openai.NotFoundError):
        await client.files.content(ids[2])
    assert not await factory.services.storage.has(held[2]["storage_key"]), stored
    keeper = FileExpiry(factory.services.database, factory.services.storage)
    assert await keeper.step(datetime.now(UTC) + timedelta(seconds=3500)) == 0
    assert await keeper.step(datetime.now(UTC) + timedelta(seconds=3700)) == 1
    assert not await factory.services.storage.has(held[3]["storage_key"])
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(expiring)


async def test_what_is_no_upload_and_no_batch_is_refused_in_openais_shape(
    client: AsyncOpenAI, factory: Factory
) -> None:
    http, file = factory.client, {"file": ("x", b"x")}
    for data, files, param in (
        ({"purpose": "fine-tune"}, file, "purpose"),
        ({}, file, "purpose"),
        ({"purpose": "batch", "more": "1"}, file, "more"),
        ({"purpose": "batch", "expires_after[seconds]": "3600"}, file, "expires_after"),
        (
            {"purpose": "batch", "expires_after[anchor]": "created_at", "expires_after[seconds]": "1"},
            file,
            "expires_after[seconds]",
        ),
        ({"purpose": "batch"}, {"other": ("x", b"x")}, "other"),
        ({"purpose": "batch"}, {"file": ("\x01" * 300, b"x")}, "file"),
    ):
        answer = await http.post("/v1/files", data=data, files=files)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text
    assert (await http.post("/v1/files", json={})).status_code == 415
    assert (await http.get("/v1/files", params={"order": "random"})).status_code == 400
    good = {"input_file_id": await upload(client, [line("x")]), "endpoint": CHAT, "completion_window": "24h"}
    for change, param in (
        ({"endpoint": "/v1/audio/speech"}, "endpoint"),
        ({"endpoint": ["x"]}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"input_file_id": 3}, "input_file_id"),
        ({"input_file_id": None}, "input_file_id"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"metadata": {"a": "\0"}}, "metadata.a"),
        ({"output_expires_after": {"seconds": 3600}}, "output_expires_after"),
        ({"stream": True}, "stream"),
    ):
        answer = await http.post("/v1/batches", json=good | change)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text
    assert await factory.execute("SELECT FROM factory.batches") == []
