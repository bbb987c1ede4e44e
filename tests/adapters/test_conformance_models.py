"""Conformance: every text model that the factory ships takes what each provider has its own rules for. What the catalog
says of it, what the adapter makes of that, and what its provider refuses agree."""

from dataclasses import replace
from typing import Any

import pytest

from adapters.images import to_data_url
from core.jsonio import load_json
from core.provider import ProviderAnswer
from tests.adapters.calls import make_call
from tests.adapters.conftest import Providers
from tests.adapters.suite import TEXT, WEATHER
from tests.adapters.test_images import PNG
from tests.adapters.test_shipped_models import CATALOG, handler_of

pytestmark = pytest.mark.filterwarnings("ignore:The model '.*' is deprecated")
MODELS = [
    pytest.param(row, id=f"{row['provider']}/{row['model_id']}")
    for row in CATALOG.models
    if row["kind"] == "text" and handler_of(row) in TEXT
]
USER = {"role": "user", "content": "look_at_weather"}


async def ask(providers: Providers, row: dict[str, Any], **fields: Any) -> ProviderAnswer:
    handler = handler_of(row)
    assert handler is not None
    call = make_call(
        handler,
        base_url=providers.base_url(handler),
        model_id=row["model_id"],
        parameters=row["parameters"],
        capabilities=frozenset(row["capabilities"]),
        **fields,
    )
    model = replace(call.model, max_output_tokens=row["max_output_tokens"])
    return await providers.call(replace(call, model=model))


@pytest.mark.parametrize("row", MODELS)
@pytest.mark.parametrize("effort", [{}, {"reasoning_effort": "high"}, {"reasoning_effort": "none"}])
async def test_a_tool_that_must_be_called_is_or_is_left_to_the_model(
    providers: Providers, row: dict[str, Any], effort: dict[str, Any]
) -> None:
    if "tools" not in row["capabilities"]:
        pytest.skip("takes no tools")
    for choice in ("required", {"type": "function", "function": {"name": "look_at_weather"}}):
        answer = await ask(providers, row, messages=[USER], tools=[WEATHER], tool_choice=choice, **effort)
        left_out = any(warning.startswith("tools:") for warning in answer.warnings)
        assert bool(answer.tool_calls) != left_out


@pytest.mark.parametrize("row", MODELS)
async def test_a_tools_result_goes_back_with_an_effort(providers: Providers, row: dict[str, Any]) -> None:
    begun = await ask(providers, row, messages=[USER], tools=[WEATHER])
    if not begun.tool_calls:
        assert begun.warnings, "what was left out has been named"
        return
    turns = [USER, {"role": "assistant", "tool_calls": begun.tool_calls}]
    turns.append({"role": "tool", "tool_call_id": begun.tool_calls[0]["id"], "content": "storm over the pier"})
    ended = await ask(providers, row, messages=turns, tools=[WEATHER], reasoning_effort="high")
    assert "storm over the pier" in (ended.content or "")


@pytest.mark.parametrize("row", MODELS)
async def test_a_conversation_may_end_with_the_models_words(providers: Providers, row: dict[str, Any]) -> None:
    turns = [{"role": "user", "content": "Tell."}, {"role": "assistant", "content": "Once "}]
    assert (await ask(providers, row, messages=turns)).content
    if {"json_mode", "json_schema"} & set(row["capabilities"]):
        answer = await ask(providers, row, messages=turns, response_format={"type": "json_object"})
        assert isinstance(load_json(answer.content or ""), dict)


@pytest.mark.parametrize("row", MODELS)
async def test_a_picture_is_seen(providers: Providers, row: dict[str, Any]) -> None:
    if "vision" not in row["capabilities"]:
        pytest.skip("sees nothing")
    parts = [{"type": "image_url", "image_url": {"url": to_data_url("image/png", PNG)}}]
    answer = await ask(providers, row, messages=[{"role": "user", "content": parts}])
    assert "1 picture" in (answer.content or "")


@pytest.mark.parametrize("row", MODELS)
async def test_sampling_is_taken_or_named_at_every_effort(providers: Providers, row: dict[str, Any]) -> None:
    for effort in ({}, {"reasoning_effort": "none"}, {"reasoning_effort": "low"}):
        for sampling in ({"temperature": 1.7}, {"top_p": 0.5}, {"temperature": 0.2, "top_p": 0.5, "stop": ["END"]}):
            answer = await ask(providers, row, **sampling, **effort)
            assert answer.content
            named = {warning.partition(":")[0] for warning in answer.warnings}
            assert named <= {"reasoning_effort", *sampling}


@pytest.mark.parametrize("row", MODELS)
async def test_as_much_as_the_model_gives_may_be_asked_for_and_no_more(
    providers: Providers, row: dict[str, Any]
) -> None:
    for limit in (16, row["max_output_tokens"]):
        assert (await ask(providers, row, max_output_tokens=limit + 200)).content
