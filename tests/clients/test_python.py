"""The Python clients against the running factory over HTTP, with trouble on the way."""

import asyncio
import json
import logging
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from factory_client import ApiError, FactoryClient, JobFailed, Timeout, Unreachable

from tests.clients.conftest import Caller, Door, Trouble
from tests.house import Factory

LATER = "2099-01-01T00:00:00Z"


def lines(count: int) -> list[dict[str, Any]]:
    return [{"model": "fast", "prompt": f"Line {number}", "key": f"line-{number}"} for number in range(count)]


async def test_every_method_does_what_it_says(caller: Caller, tmp_path: Path) -> None:
    result = await caller.generate(model="fast", prompt="Name an island", temperature=None)
    assert (len(result.content) > 20, type(result.cost), result.usage.total_tokens > 0) == (True, Decimal, True)
    vectors = await caller.generate({"kind": "embedding", "model": "embed"}, input=["a cat", "the sea"])
    assert len(vectors.embeddings) == 2

    job = await caller.submit(model="fast", prompt="A line", metadata={"cost": 0.5})
    assert [event.type for event in await caller.events(job)][-1] == "job.completed"
    done = await caller.wait(job)
    assert (done.status, done.metadata, done.answer().cost, done.calls[0].cost) == (
        "completed", {"cost": 0.5}, done.cost, done.cost,
    )  # fmt: skip
    assert (await caller.job(job.id)).id == job.id
    page = await caller.jobs(status="completed", limit=1)
    assert (len(page.data), page.data[0].id) == (1, job.id)
    assert page.next_cursor
    assert (await caller.each_job(most=1))[0].id == job.id
    waiting = await caller.submit(model="fast", prompt="Later", run_at=LATER)
    with pytest.raises(Timeout) as late:
        await caller.wait(waiting, 0.2)
    assert late.value.found.status == "queued"
    assert (await caller.cancel(waiting)).status == "cancelled"
    assert (await caller.wait(await caller.retry(job))).status == "completed"

    (tmp_path / "jobs.jsonl").write_text("\n".join(map(json.dumps, lines(3))))
    batch = await caller.batch(tmp_path / "jobs.jsonl", max_cost_usd=Decimal("1.5"))
    assert [event.type for event in await caller.events(batch)][-1] == "batch.completed"
    batch = await caller.batch_wait(batch.id)
    assert (batch.counts["completed"], batch.is_over, (await caller.get_batch(batch)).cost) == (3, True, batch.cost)
    found = await caller.results(batch)
    assert [(one.key, one.status, one.result.cost == one.cost) for one in found] == [
        (f"line-{number}", "completed", True) for number in range(3)
    ]
    assert [one.calls[0].outcome for one in await caller.batch_jobs(batch)] == ["ok"] * 3
    named = await caller.batch((json.dumps(one) for one in lines(2)), metadata={"book": "The Lamp"})
    assert (named.metadata, named.total) == ({"book": "The Lamp"}, 2)
    stopped = await caller.cancel_batch(await caller.batch([{"model": "fast", "prompt": "x", "run_at": LATER}]))
    assert stopped.counts["cancelled"] == 1
    odd = [*lines(1), {"model": "fast", "promt": "x"}]
    partly = await caller.batch_wait(await caller.batch(odd, on_error="skip", name="Partly"))
    assert (partly.name, partly.counts["completed"], partly.refused) == ("Partly", 1, 1)
    (wrong,) = await caller.batch_errors(partly)
    assert (wrong.line, "promt" in {one["field"] for one in wrong.problems}) == (2, True)
    over = await caller.batch_wait(await caller.batch([{"model": "fast", "prompt": "late", "deadline_s": 0.000001}]))
    assert (await caller.retry_failed(over)).model_extra["retry_of"] == over.id
    with pytest.raises(ApiError) as running:
        await caller.delete(await caller.submit(model="fast", prompt="Later", run_at=LATER))
    assert running.value.status == 409
    await caller.delete(job)
    await caller.delete_batch(named)
    assert (await caller.get_batch(named)).content_deleted_at
    assert (await caller.job(job.id)).result is None
    quoted = await caller.quote(lines(2), lines=True)
    assert (quoted.totals["jobs"], quoted.fits, len(quoted.lines)) == (2, True, 2)
    assert isinstance(quoted.totals["most_usd"], Decimal)

    sound = await caller.speak("The lamp is lit.", model="narrator", voice="grandmother", format="mp3")
    out = await caller.speak(
        "The lamp is lit.", model="narrator", voice="grandmother", format="mp3", out=tmp_path / "a.mp3"
    )
    assert (out.read_bytes() == sound, len(sound) > 1000) == (True, True)
    voices = await caller.voices()
    assert "grandmother" in {one.voice for one in voices}
    report = await caller.usage(by="model")
    assert (report.by, isinstance(report.total_cost, Decimal), len(report.data) > 1) == (["model"], True, True)


async def test_what_is_refused_is_not_sent_again_and_says_where(caller: Caller, door: Door) -> None:
    with pytest.raises(ApiError) as refused:
        await caller.batch([{"model": "fast", "prompt": "x"}, {"model": "fast", "promt": "x"}])
    assert (refused.value.status, refused.value.code) == (400, "invalid_request")
    assert ("promt", 2) in [(one.field, one.line) for one in refused.value.problems]
    with pytest.raises(JobFailed) as failed:
        await caller.generate(model="fast", prompt="too late", deadline_s=0.000001)
    assert (failed.value.job.status, failed.value.retryable) == ("expired", False)
    with pytest.raises(ApiError) as missing:
        await caller.events("nothing/../like-this")
    assert missing.value.status == 404
    assert [path for _, path, _ in door.seen] == [
        "/v1/job-batches",
        "/v1/generate",
        "/v1/jobs/nothing/../like-this/events",
    ]


async def test_a_submit_is_sent_again_with_its_key_when_it_was_put_off_or_its_answer_was_lost(
    caller: Caller, door: Door, factory: Factory
) -> None:
    door.troubles = [
        Trouble("/v1/jobs", 429, {"Retry-After": "1"}),
        Trouble("/v1/jobs", 503),
        Trouble("/v1/jobs", cut_after=10),
    ]
    begun = time.monotonic()
    job = await caller.submit(model="fast", prompt="Once")
    assert time.monotonic() - begun >= 1
    keys = {headers["idempotency-key"] for headers in door.headers_of("/v1/jobs")}
    assert (len(keys), len(door.seen)) == (1, 4)
    assert [str(row["id"]) for row in await factory.execute("SELECT id FROM factory.jobs")] == [job.id]
    door.troubles = [Trouble("/v1/job-batches", 502), Trouble("/v1/job-batches", cut_after=5)]
    await caller.batch(line for line in lines(3))
    assert len(await factory.execute("SELECT FROM factory.batches")) == 1
    door.troubles = [Trouble("/v1/jobs", 429, {"Retry-After": "100"})]
    with pytest.raises(ApiError) as later:
        await caller.submit(model="fast", prompt="Later")
    assert (later.value.status, later.value.retry_after_s) == (429, 100)
    door.troubles = [Trouble("/cancel", 503)]
    with pytest.raises(ApiError, match="HTTP status 503"):
        await caller.cancel(job)


async def test_events_audio_and_results_go_on_where_they_broke(caller: Caller, door: Door) -> None:
    job = await caller.wait(
        await caller.submit(kind="speech", model="narrator", input="The lamp is lit.", format="mp3")
    )
    door.troubles = [Trouble("/events", cut_after=700), Trouble("/events", 503)]
    events = await caller.events(job)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert events[-1].type == "job.completed"
    assert [headers.get("last-event-id") for headers in door.headers_of("/events")] == [None, "2", "2"]

    door.troubles = [Trouble("/audio", cut_after=1000), Trouble("/audio", cut_after=500)]
    sound = await caller.speak("The lamp is lit.", model="narrator", format="mp3")
    assert len(sound) == job.answer().audio.bytes
    ranges = [headers.get("range") for headers in door.headers_of("/audio")]
    assert ranges == [None, "bytes=1000-", "bytes=1500-"]

    batch = await caller.batch_wait(await caller.batch(lines(5)))
    door.troubles = [Trouble("/results", cut_after=700)]
    assert [one.key for one in await caller.results(batch)] == [f"line-{number}" for number in range(5)]
    assert len(door.headers_of("/results")) == 2


async def test_generate_waits_on_after_a_202_and_stops_waiting_in_time(factory: Factory, door: Door) -> None:
    async with FactoryClient(door.url, factory.key) as client:
        await factory.execute("UPDATE factory.projects SET paused = true WHERE name = 'nicestory'")
        await factory.settled()
        with pytest.raises(Timeout) as late:
            await client.generate(model="fast", prompt="Paused", timeout_s=1.2, idempotency_key="the-one")
        waiting = asyncio.create_task(client.generate(model="fast", prompt="Paused", idempotency_key="the-one"))
        await factory.execute("UPDATE factory.projects SET paused = false WHERE name = 'nicestory'")
        result = await waiting
        assert result.content == (await client.job(late.value.found.id)).answer().content
        assert len(await factory.execute("SELECT FROM factory.jobs")) == 1


async def test_nobody_there_is_said_with_the_address_and_without_the_key(
    factory: Factory, door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = FactoryClient(door.url.replace("//", "//user:pass@"), "fk_secret_key", retry_for_s=0)
    with pytest.raises(ApiError) as refused:
        await client.voices()
    gone = FactoryClient("http://127.0.0.1:9/factory/", "fk_secret_key", retry_for_s=0.3)
    with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:9/factory cannot be reached") as nobody:
        await gone.submit(model="fast", prompt="x")
    shown = [repr(one) for one in (client, gone, vars(client), vars(gone), refused.value, nobody.value)]
    assert refused.value.status == 401
    assert not [text for text in (*shown, caplog.text) if "fk_secret_key" in text or "user:pass" in text]
    async with FactoryClient(door.url.replace("//", "//user:pass@"), factory.key) as through_a_balancer:
        assert await through_a_balancer.voices()
    await client.aclose()
    await gone.aclose()
