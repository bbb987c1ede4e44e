"""What the Python client decides without a network: pauses, shapes, frames, signatures, what it imports."""

import base64
import hashlib
import inspect
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from itertools import pairwise
from typing import Any

import pytest
from factory_client import (
    ApiError,
    FactoryClient,
    FactoryError,
    Job,
    JobFailed,
    NotConfigured,
    SignatureInvalid,
    SyncFactoryClient,
    Unreachable,
    verify_webhook,
)
from factory_client.calls import Answer, Give, Lost, Open, Pause, Read, Send, dump, get, post
from factory_client.shapes import Batch, Event, Result, read_json, read_shape
from factory_client.streams import EventReader, FileReader, LineReader, stream
from factory_client.trying import Patience, ask, retry_after_s
from hypothesis import given
from hypothesis import strategies as some

from core.signing import sign_webhook

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def carry_out(flow: Any, clock: Clock, answer: Callable[[Any], Any]) -> tuple[Any, list[float]]:
    """What a flow returns and how long it paused each time, when effects come out so."""
    pauses = []
    effect = next(flow)
    try:
        while True:
            if isinstance(effect, Give):
                effect = flow.send(None)
                continue
            if isinstance(effect, Pause):
                pauses.append(effect.seconds)
                clock.now += effect.seconds
                effect = flow.send(None)
                continue
            outcome = answer(effect)
            effect = flow.throw(outcome) if isinstance(outcome, Lost) else flow.send(outcome)
    except StopIteration as end:
        return end.value, pauses


def test_pauses_are_drawn_under_a_ceiling_that_doubles_and_end_in_time() -> None:
    clock = Clock()
    patience = Patience(30, clock, lambda: 1.0)
    tries: list[float] = []

    def lost(_effect: Any) -> Lost:
        tries.append(clock.now)
        return Lost("nobody there")

    with pytest.raises(Unreachable, match="nobody there"):
        carry_out(ask(get("/v1/voices"), patience), clock, lost)
    assert [round(after - before, 2) for before, after in pairwise(tries)] == [
        0.25, 0.5, 1, 2, 4, 8, 8,
    ]  # fmt: skip
    answers = iter([Answer(503, {"retry-after": "3"}), Answer(429, {}), Answer(200, {}, b"{}")])
    found, pauses = carry_out(ask(post("/v1/jobs", key="k"), patience), clock, lambda _: next(answers))
    assert (found.status, pauses) == (200, [3.0, 0.5])
    with pytest.raises(Unreachable):
        carry_out(ask(post("/v1/jobs"), patience), clock, lambda _: Lost("once is enough"))


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 413, 422, 500, 501])
def test_other_refusals_are_not_sent_again(status: int) -> None:
    with pytest.raises(ApiError) as refused:
        carry_out(ask(post("/v1/jobs", key="k"), Patience()), Clock(), lambda _: Answer(status, {"x-request-id": "r"}))
    assert (refused.value.status, refused.value.request_id) == (status, "r")


def test_a_redirect_says_what_to_set() -> None:
    with pytest.raises(ApiError, match="set FACTORY_URL"):
        carry_out(ask(get("/v1/jobs"), Patience()), Clock(), lambda _: Answer(308, {"location": "https://x"}))


def test_a_time_to_come_again_is_seconds_or_a_date_by_the_servers_clock() -> None:
    date = {"date": "Sat, 28 Nov 2026 20:00:00 GMT"}
    assert retry_after_s({"retry-after": "7"}) == 7
    assert retry_after_s(date | {"retry-after": "Sat, 28 Nov 2026 20:01:30 GMT"}) == 90
    assert retry_after_s(date | {"retry-after": "Sat, 28 Nov 2026 19:00:00 GMT"}) == 0
    assert [retry_after_s(date | {"retry-after": text}) for text in ("", "soon", "-1", "٣")] == [None] * 4


def test_a_newer_server_breaks_nothing_and_its_fields_are_kept() -> None:
    job = read_shape(
        Job,
        b"""{"id": "1", "status": "paused", "shiny": {"cost": 1}, "cost": 0.12345678901234567890, "eta_s": 0.5,
        "calls": [{"id": "c", "cost": 3, "colour": "red", "outcome": "odd"}], "metadata": {"cost": 0.25, "n": 1}}""",
    )
    assert (job.is_over, job.cost, job.metadata) == (False, Decimal("0.12345678901234567890"), {"cost": 0.25, "n": 1})
    assert (job.model_extra, job.calls[0].model_extra) == ({"shiny": {"cost": Decimal(1)}}, {"colour": "red"})
    assert isinstance(job.metadata["cost"], float)
    assert Batch(id="1", status="odd").is_over is False
    with pytest.raises(ValueError, match="frozen"):
        job.status = "completed"
    with pytest.raises(JobFailed, match="job 1 is paused"):
        job.answer()
    result = read_shape(Result, b'{"model": "m", "provider": "p", "cost": null, "parsed": {"total_cost": 1.5}}')
    assert (result.cost, result.parsed) == (None, {"total_cost": 1.5})
    for odd in (b"<html>", b"[]", b"{}", b'{"id": 7, "status": []}'):
        with pytest.raises(FactoryError, match=r"factory"):
            read_shape(Job, odd)


def test_a_request_is_plain_json_with_exact_money() -> None:
    said = dump({"max_cost_usd": Decimal("0.1"), "exact": Decimal("0.12345678901234567890"), "text": "灯台"})
    assert said == '{"max_cost_usd":0.1,"exact":"0.12345678901234567890","text":"灯台"}'.encode()
    with pytest.raises(TypeError, match="object has no JSON form"):
        dump({"x": object()})


@given(some.data())
def test_events_are_the_same_however_the_bytes_are_cut(data: some.DataObject) -> None:
    end = data.draw(some.sampled_from(["\n", "\r\n", "\r"]))
    frames = ["retry: 5", "", ": still here", ""]
    for number in (1, 2, 3):
        frames += [
            f"event: job.x\nid: {number}".replace("\n", end),
            'data: {"type": "job.attempt",',
            f'data: "sequence": {number}, "data": {{"text": "ä灯"}}}}',
            "",
        ]
    text = (end.join(frames) + end).encode() + b"x" * data.draw(some.integers(0, 1))
    cuts = sorted(data.draw(some.lists(some.integers(0, len(text)), max_size=8)))
    reader = EventReader("/v1/jobs/1/events")
    reader.begin(Answer(200, {}))
    pieces = [text[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    events = [event for piece in pieces for event in reader.take(piece)]
    if end == "\r" and text.endswith(b"\r"):
        events += reader.take(b"x")  # half of \r\n, until more comes
    assert [(event.sequence, event.data) for event in events] == [(number, {"text": "ä灯"}) for number in (1, 2, 3)]
    assert (reader.rest_s, reader.done) == (0.005, False)


def test_a_batch_that_ended_in_a_way_we_do_not_know_ends_its_events() -> None:
    odd = {"type": "batch.evaporated", "sequence": 3, "batch_id": "b", "data": {"finished_at": "2026-11-28T20:00:00Z"}}
    assert Event.model_validate(odd).is_last is True
    assert Event.model_validate(odd | {"data": {"finished_at": None}}).is_last is False


def test_a_file_that_changed_on_the_way_begins_anew_and_a_wrong_one_is_refused() -> None:
    sink, old, new = BytesIO(), Answer(200, {"etag": '"1"'}), Answer(200, {"etag": '"2"'})
    script = iter([old, b"abc", Lost("broke"), new, b"xyz", b"!", None])
    asked = []

    def answer(effect: Any) -> Any:
        asked.extend([effect.call.headers.get("range")] if isinstance(effect, Open) else [])
        assert isinstance(effect, Open | Read)
        return next(script)

    reader = FileReader("/v1/jobs/1/audio", sink, hashlib.sha256(b"xyz!").hexdigest())
    carry_out(stream(reader, Patience(draw=lambda: 0.0)), Clock(), answer)
    assert (sink.getvalue(), asked) == (b"xyz!", [None, "bytes=3-"])
    script = iter([old, b"abc", None])
    with pytest.raises(FactoryError, match="other bytes"):
        carry_out(stream(FileReader("/x", BytesIO(), "0" * 64), Patience()), Clock(), answer)


def test_a_stream_that_always_breaks_at_the_same_place_is_given_up_in_time() -> None:
    clock, opened = Clock(), []

    def answer(effect: Any) -> Any:
        match effect:
            case Open():
                opened.append(clock.now)
                return Answer(200, {})
            case Read():
                return next(script[len(opened)])

    script = [iter([b"{}\n{}", Lost("again")]) for _ in range(20)]
    with pytest.raises(Unreachable, match="again"):
        carry_out(stream(LineReader(get("/x")), Patience(10, clock, lambda: 1.0)), clock, answer)
    assert 4 < len(opened) < 8


def test_a_webhook_is_believed_by_its_signature_and_its_time_alone() -> None:
    body = '{"type": "job.completed", "data": {"cost": 0.1, "metadata": {"title": "灯台"}}}'.encode()
    signed = sign_webhook([SECRET], "msg_1", datetime.fromtimestamp(1000, UTC), body)
    signature = signed["webhook-signature"].removeprefix("v1,")
    good = {"Webhook-Id": "msg_1", "webhook-timestamp": "1000", "webhook-signature": f"v2,x v1,AAAA v1,{signature}"}
    assert verify_webhook(good, body, SECRET, clock=lambda: 1299)["data"]["cost"] == Decimal("0.1")
    bad: list[tuple[dict[str, str], bytes, str, float]] = [
        (good, body, SECRET, 1301),
        (good, body, SECRET, 699),
        (good, body + b" ", SECRET, 1000),
        (good, body, "whsec_" + "A" * 44, 1000),
        (good, body, "no base64!", 1000),
        (good | {"Webhook-Id": "msg_2"}, body, SECRET, 1000),
        (good | {"webhook-timestamp": "1001"}, body, SECRET, 1000),
        (good | {"webhook-timestamp": "soon"}, body, SECRET, 1000),
        (good | {"webhook-signature": ""}, body, SECRET, 1000),
        (good | {"webhook-signature": "v1,ü"}, body, SECRET, 1000),
        ({}, body, SECRET, 1000),
    ]
    for headers, sent, secret, now in bad:
        with pytest.raises(SignatureInvalid) as refused:
            verify_webhook(headers, sent, secret, clock=lambda now=now: now)  # type: ignore[misc]
        assert secret not in str(refused.value)


def test_both_clients_have_the_same_methods() -> None:
    def methods(client: type) -> dict[str, list[str]]:
        found = {name: one for name, one in vars(client).items() if not name.startswith("_") and name != "aclose"}
        return {name: list(inspect.signature(one).parameters) for name, one in found.items() if name != "close"}

    assert methods(FactoryClient) == methods(SyncFactoryClient)
    assert len(methods(FactoryClient)) > 20


@pytest.mark.parametrize("url", [None, "", "factory.example", "ftp://x", "http://"])
def test_an_address_that_is_none_is_refused_at_once(url: str | None) -> None:
    with pytest.raises(NotConfigured, match="FACTORY_URL"):
        FactoryClient(url)
    with pytest.raises(NotConfigured, match="FACTORY_API_KEY") as odd:
        SyncFactoryClient("http://x", "fk_ключ")
    assert "ключ" not in str(odd.value)


def test_json_that_is_none_is_no_factorys() -> None:
    with pytest.raises(FactoryError, match="is FACTORY_URL the address"):
        read_json(b"\xff")


def test_importing_is_quick_and_brings_nothing_of_ours_nor_httpx() -> None:
    program = (
        "import time; begun = time.process_time(); import factory_client; spent = time.process_time() - begun; import sys;"
        "print(spent, *{name.partition('.')[0] for name in sys.modules})"
    )
    done = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True) for _ in range(3)
    ]
    words = [one.stdout.split() for one in done]
    assert min(float(one[0]) for one in words) < 0.2
    ours = {"core", "sql", "broker", "adapters", "storage", "producer", "workers"}
    assert not {*words[0]} & {*ours, "httpx", "openai", "google", "anthropic", "elevenlabs", "asyncio", "fastapi"}


def test_an_effect_is_sent_for_each_try() -> None:
    flow = ask(get("/v1/jobs", limit=2, status=None, by="a b"), Patience())
    effect = next(flow)
    assert isinstance(effect, Send)
    assert (effect.call.method, effect.call.query) == ("GET", {"limit": 2, "by": "a b"})
