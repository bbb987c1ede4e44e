"""Every model that the factory ships for these dialects takes a request with everything in it: what `parameters`
says of it, what the adapter leaves out, and what its provider refuses agree."""

from typing import Any

import pytest

from adapters.registry import HANDLERS
from sql.catalog import load_catalog
from tests.adapters.calls import make_call
from tests.adapters.conftest import Providers
from tests.adapters.suite import STORY, WEATHER

CATALOG = load_catalog()
SERVED = {
    (HANDLERS[row["handler_function"]].kind, row["provider"]): row["handler_function"]
    for row in CATALOG.provider_endpoints
    if row["handler_function"] in HANDLERS and row["active"]
}
MODELS = [row for row in CATALOG.models if row["active"] and (row["kind"], row["provider"]) in SERVED]
CASES = [
    pytest.param(row, effort, tools, id=f"{row['provider']}/{row['model_id']} effort {effort} tools {bool(tools)}")
    for row in MODELS
    for effort in (["none", "minimal", "high", "max", None] if row["kind"] == "text" else [None])
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


@pytest.mark.parametrize(("row", "effort", "tools"), CASES)
async def test_a_request_with_everything_in_it_is_answered(
    providers: Providers, row: dict[str, Any], effort: str | None, tools: list[Any] | None
) -> None:
    handler = SERVED[row["kind"], row["provider"]]
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
