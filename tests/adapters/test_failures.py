"""Conformance: what goes wrong means the same, whoever says it."""

import asyncio
import time

import pytest

from adapters.registry import HANDLERS
from core.provider import ErrorKind, ProviderError
from tests.adapters.calls import make_call
from tests.adapters.conftest import Providers
from tests.adapters.suite import ALL, MODELS, STORY, TEXT, ask, fail, faulty

FAULTS = [
    ("429", "rate_limited"),
    ("500", "server_error"),
    ("503", "overloaded"),
    ("529", "overloaded"),
    ("quota", "quota_exhausted"),
    ("badkey", "auth"),
    ("policy", "content_policy"),
    ("context", "context_length"),
    ("notfound", "not_available"),
    ("region", "not_available"),
]


@pytest.mark.parametrize("handler", ALL)
@pytest.mark.parametrize(("fault", "kind"), FAULTS)
async def test_a_refusal_means_the_same_from_everybody(
    providers: Providers, handler: str, fault: str, kind: str
) -> None:
    error = await fail(providers, handler, model_id=faulty(handler, fault))
    assert error.kind == kind
    assert error.status is not None
    assert error.status >= 400
    assert error.usage is None
    assert error.message
    assert error.__cause__ is None
    assert error.retry_after_s == (2.0 if fault == "429" else None)
    if not handler.startswith("google"):
        assert error.request_id


@pytest.mark.parametrize("handler", ALL)
async def test_a_wrong_key_and_a_missing_one_are_told(providers: Providers, handler: str) -> None:
    error = await fail(providers, handler, api_key="bad-key-0123456789")
    assert error.kind is ErrorKind.auth
    assert "bad-key" not in error.message
    missing = await fail(providers, handler, api_key=None)
    assert missing.kind is ErrorKind.auth


@pytest.mark.parametrize("handler", ALL)
async def test_an_answer_with_nothing_in_it_is_an_error(providers: Providers, handler: str) -> None:
    error = await fail(providers, handler, model_id=faulty(handler, "empty"))
    assert error.kind is ErrorKind.invalid_response
    assert error.status == 200


@pytest.mark.parametrize("handler", [*TEXT, "google.speech"])
async def test_a_refusal_inside_a_200_is_one_and_was_paid_for(providers: Providers, handler: str) -> None:
    error = await fail(providers, handler, model_id=faulty(handler, "refusal"))
    assert error.kind is ErrorKind.content_policy
    if handler == "mistral.chat":
        pytest.skip("Mistral's guardrails answer 403; its models say no in plain words")
    assert error.status == 200
    assert error.usage is not None
    assert error.usage.prompt_tokens > 0


@pytest.mark.parametrize("handler", TEXT)
@pytest.mark.parametrize("fault", ["badjson", "badschema"])
async def test_json_that_is_wrong_is_for_the_worker_to_judge(providers: Providers, handler: str, fault: str) -> None:
    shape = {"type": "json_schema", "json_schema": {"schema": STORY}}
    answer = await ask(providers, handler, model_id=faulty(handler, fault), response_format=shape)
    assert answer.content


@pytest.mark.parametrize("handler", TEXT)
async def test_an_answer_that_was_cut_off_says_so(providers: Providers, handler: str) -> None:
    assert (await ask(providers, handler, model_id=faulty(handler, "truncated"))).finish_reason == "length"


@pytest.mark.parametrize("handler", ALL)
async def test_a_connection_that_breaks_in_the_answer_is_named(providers: Providers, handler: str) -> None:
    error = await fail(providers, handler, model_id=faulty(handler, "cut"))
    assert error.kind is ErrorKind.connection


@pytest.mark.parametrize("handler", ALL)
async def test_a_provider_that_is_not_there_is_no_connection(providers: Providers, handler: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await providers.call(make_call(handler, base_url="http://127.0.0.1:9/v1", model_id=MODELS[handler]))
    assert caught.value.kind is ErrorKind.connection
    assert caught.value.usage is not None, "nothing was sent, so nothing is billed"
    assert caught.value.usage.total_tokens == caught.value.usage.characters == 0


@pytest.mark.parametrize("handler", ALL)
async def test_a_provider_that_does_not_answer_is_left_in_time(providers: Providers, handler: str) -> None:
    started = time.monotonic()
    call = make_call(handler, base_url=providers.base_url(handler), model_id=faulty(handler, "hang"), timeout_s=0.3)
    with pytest.raises(ProviderError) as caught:
        await providers.call(call)
    assert caught.value.kind is ErrorKind.timeout
    assert time.monotonic() - started < 2
    assert (await providers.seen(call.call_id))["aborted"]


@pytest.mark.parametrize("handler", ALL)
async def test_cancelling_closes_the_connection(providers: Providers, handler: str) -> None:
    call = make_call(handler, base_url=providers.base_url(handler), model_id=faulty(handler, "hang"))
    task = asyncio.create_task(providers.call(call))
    await providers.seen(call.call_id, finished=False)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await providers.seen(call.call_id))["aborted"]


@pytest.mark.parametrize("handler", ALL)
@pytest.mark.parametrize("fault", ["", "500", "429"])
async def test_a_call_is_made_once_and_under_its_own_id(providers: Providers, handler: str, fault: str) -> None:
    model_id = faulty(handler, fault) if fault else MODELS[handler]
    call = make_call(handler, base_url=providers.base_url(handler), model_id=model_id)
    if fault:
        with pytest.raises(ProviderError):
            await providers.call(call)
    else:
        await providers.call(call)
    seen = await providers.seen(call.call_id)
    assert seen["status"] == (int(fault) if fault else 200)
    assert not seen["aborted"]


def test_the_suite_knows_every_handler() -> None:
    assert set(MODELS) == set(HANDLERS)
