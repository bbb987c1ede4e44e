"""Every model that the factory ships for these dialects takes a request with everything in it: what `parameters`
says of it, what the adapter leaves out, and what its provider refuses agree."""

from typing import Any

import pytest

from adapters.registry import HANDLERS
from core.filters import serves
from sql.catalog import load_catalog
from tests.adapters.calls import make_call
from tests.adapters.conftest import Providers
from tests.adapters.suite import STORY, WEATHER

CATALOG = load_catalog()
ENDPOINTS = [row for row in CATALOG.provider_endpoints if row["handler_function"] in HANDLERS and row["active"]]


def handler_of(model: dict[str, Any]) -> str | None:
    """The handler that the catalog sends a model to, if it is one that exists."""
    handlers = {
        row["handler_function"]
        for row in ENDPOINTS
        if row["provider"] == model["provider"]
        and HANDLERS[row["handler_function"]].kind == model["kind"]
        and serves(row["model_pattern"], model["model_id"])
    }
    assert len(handlers) <= 1, f"{model['model_id']} goes to {handlers}"
    return next(iter(handlers), None)


def efforts_for(model: dict[str, Any]) -> list[str | None]:
    """Of a model whose efforts the catalog does not tell, only one that every reasoning model takes is tried."""
    if model["kind"] != "text":
        return [None]
    return ["none", "minimal", "high", "max", None] if "effort" in model["parameters"] else ["high", None]


RESPONSES = [row for row in CATALOG.models if handler_of(row) == "openai.responses"]
MODELS = [row for row in CATALOG.models if row["active"] and handler_of(row)] + [
    row for row in RESPONSES if not row["active"]
]
CASES = [
    pytest.param(row, effort, tools, id=f"{row['provider']}/{row['model_id']} effort {effort} tools {bool(tools)}")
    for row in MODELS
    for effort in efforts_for(row)
    for tools in ([None, [WEATHER]] if row["kind"] == "text" else [None])
]
EVERYTHING: dict[str, dict[str, Any]] = {
    "text": {
        "prompt": "Tell me of the sea.",
        "system": "You are a sailor.",
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
        "seed": 7,
        "max_output_tokens": 2000,
        "response_format": {"type": "json_schema", "json_schema": {"schema": STORY}},
    },
    "speech": {
        "input": "The sea is wide.",
        "format": "wav",
        "speed": 0.9,
        "language": "en-GB",
        "seed": 7,
        "voice_settings": {"stability": 0.4},
        "instructions": "Speak softly",
    },
    "embedding": {"input": ["the sea", "the land"], "dimensions": 256},
}


def test_there_are_models_to_try() -> None:
    assert len(MODELS) > 30
    assert {row["model_id"] for row in RESPONSES} >= {"gpt-5.5-pro", "gpt-5.3-codex"}


@pytest.mark.parametrize(("row", "effort", "tools"), CASES)
async def test_a_request_with_everything_in_it_is_answered(
    providers: Providers, row: dict[str, Any], effort: str | None, tools: list[Any] | None
) -> None:
    handler = handler_of(row)
    assert handler is not None
    more: dict[str, Any] = {"tools": tools, "tool_choice": "auto"} if tools else {}
    more |= {"reasoning_effort": effort} if effort else {}
    call = make_call(
        handler,
        base_url=providers.base_url(handler),
        model_id=row["model_id"],
        parameters=row["parameters"],
        capabilities=frozenset(row["capabilities"]),
        **EVERYTHING[row["kind"]],
        **more,
    )
    answer = await providers.call(call)
    assert answer.content or answer.audio or answer.embeddings
