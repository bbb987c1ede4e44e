"""Conformance: one request for a story's outline, and whoever answers it, the Result has one shape and counts by the
same rules."""

from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import jsonschema_rs
import pytest

from core.catalog import Price
from core.jsonio import load_json
from core.pricing import price_usage
from core.provider import ErrorKind, ProviderAnswer
from core.result import BUCKETS, Result, Usage
from tests.adapters.conftest import Providers
from tests.adapters.suite import MODELS, STORY, TEXT, ask, fail, faulty

OUTLINE: dict[str, Any] = {
    "prompt": "Write the outline of a story: who is in it, and where it happens.",
    "response_format": {"type": "json_schema", "json_schema": {"name": "outline", "schema": STORY}},
}
PRICE = Price(
    "anybody",
    "any-model",
    datetime(2026, 1, 1, tzinfo=UTC),
    input_usd_per_mtok=Decimal(2),
    output_usd_per_mtok=Decimal(10),
    cached_input_usd_per_mtok=Decimal("0.2"),
)
ALWAYS = {"content", "model", "provider", "usage", "cost", "cached", "finish_reason", "parsed"}


def result_of(handler: str, answer: ProviderAnswer) -> Result:
    """The answer as the job's Result."""
    return Result(
        content=answer.content,
        model=answer.model,
        provider=handler.partition(".")[0],
        usage=answer.usage,
        cost_usd=price_usage(answer.usage, PRICE),
        finish_reason=answer.finish_reason,
        parsed=load_json(answer.content or ""),
        tool_calls=answer.tool_calls,
        warnings=answer.warnings,
    )


def check_usage(usage: Usage) -> None:
    """Every bucket is a count; those of the prompt are parts of the prompt, those of the answer of the answer."""
    amounts = {name: getattr(usage, name) for name in BUCKETS}
    assert all(type(amount) is int and amount >= 0 for amount in amounts.values()), amounts
    assert usage.prompt_tokens > 0
    assert usage.completion_tokens > 0
    assert usage.cached_tokens + usage.cache_write_tokens <= usage.prompt_tokens
    assert usage.cache_write_1h_tokens <= usage.cache_write_tokens
    assert usage.reasoning_tokens <= usage.completion_tokens
    assert usage.characters == usage.audio_tokens == 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


@pytest.mark.parametrize("handler", TEXT)
async def test_an_outline_is_valid_json_in_a_result_of_one_shape(providers: Providers, handler: str) -> None:
    answer = await ask(providers, handler, **OUTLINE)
    result = result_of(handler, answer)
    assert result.content is not None
    assert result.content.startswith("{")
    assert result.content.endswith("}")
    jsonschema_rs.validate(STORY, result.parsed)
    assert result.parsed.keys() <= {"characters", "locations"}
    shown = result.as_dict()
    assert shown.keys() == ALWAYS
    assert (shown["model"], shown["finish_reason"], shown["cached"]) == (MODELS[handler], "stop", False)
    check_usage(result.usage)
    assert result.cost_usd is not None
    assert result.cost_usd > 0
    assert answer.request_id


@pytest.mark.parametrize("handler", TEXT)
async def test_everybodys_answer_has_the_fields_of_everybody_elses(providers: Providers, handler: str) -> None:
    answers = [await ask(providers, one, **OUTLINE) for one in (TEXT[0], handler)]
    shapes = [{one.name: type(getattr(answer, one.name)) for one in fields(answer)} for answer in answers]
    assert shapes[0] == shapes[1]
    parsed = [load_json(answer.content or "") for answer in answers]
    assert parsed[0].keys() == parsed[1].keys() == {"characters", "locations"}
    assert all(isinstance(value, list) for one in parsed for value in one.values())


@pytest.mark.parametrize("handler", TEXT)
async def test_what_a_long_outline_reads_from_the_cache_is_part_of_its_prompt(
    providers: Providers, handler: str
) -> None:
    """Anthropic alone tells its input without what came from the cache."""
    asked = {**OUTLINE, "system": f"{handler}: " + "the keeper writes down every ship that passes " * 200}
    asked["provider_options"] = {"anthropic": {"cache_control": {"type": "ephemeral"}}}
    first, second = [await ask(providers, handler, **asked) for _ in range(2)]
    for answer in (first, second):
        check_usage(answer.usage)
    assert second.usage.prompt_tokens == first.usage.prompt_tokens
    assert second.usage.cached_tokens > first.usage.cached_tokens == 0
    cheaper, dearer = (price_usage(answer.usage, PRICE) for answer in (second, first))
    assert cheaper is not None
    assert dearer is not None
    assert cheaper < dearer


@pytest.mark.parametrize("handler", TEXT)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [("429", "rate_limited"), ("refusal", "content_policy"), ("empty", "invalid_response"), ("cut", "connection")],
)
async def test_an_outline_that_fails_fails_in_one_shape(
    providers: Providers, handler: str, fault: str, kind: str
) -> None:
    error = await fail(providers, handler, model_id=faulty(handler, fault), **OUTLINE)
    assert error.kind is ErrorKind(kind)
    assert error.message
    assert "\n" not in error.message
    if error.usage is not None:
        assert error.usage.prompt_tokens > 0
