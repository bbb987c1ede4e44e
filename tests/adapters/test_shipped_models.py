"""Every model that the factory ships for these dialects takes a request with everything in it: what `parameters`
says of it, what the adapter leaves out, and what its provider refuses agree."""

from typing import Any

import pytest

from adapters.registry import HANDLERS
from sql.catalog import load_catalog
from tests.adapters.calls import make_call
from tests.adapters.conftest import Providers
from tests.adapters.test_conformance import STORY, WEATHER

CATALOG = load_catalog()
SERVED = {
    (HANDLERS[row["handler_function"]].kind, row["provider"]): row["handler_function"]
    for row in CATALOG.provider_endpoints
    if row["handler_function"] in HANDLERS and row["active"]
}
MODELS = [
    pytest.param(SERVED[row["kind"], row["provider"]], row, id=f"{row['provider']}/{row['model_id']}")
    for row in CATALOG.models
    if row["active"] and (row["kind"], row["provider"]) in SERVED
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


@pytest.mark.parametrize("effort", ["none", "minimal", "high", "max", None])
@pytest.mark.parametrize("tools", [None, [WEATHER]])
@pytest.mark.parametrize(("handler", "row"), MODELS)
async def test_a_request_with_everything_in_it_is_answered(
    providers: Providers, handler: str, row: dict[str, Any], effort: str | None, tools: list[Any] | None
) -> None:
    fields = dict(EVERYTHING[row["kind"]])
    if row["kind"] == "text":
        fields |= {"tools": tools, "tool_choice": "auto" if tools else None, "reasoning_effort": effort}
    elif effort or tools:
        pytest.skip("only text has efforts and tools")
    call = make_call(
        handler,
        base_url=providers.base_url(handler),
        model_id=row["model_id"],
        parameters=row["parameters"],
        capabilities=frozenset(row["capabilities"]),
        **{name: value for name, value in fields.items() if value is not None},
    )
    answer = await providers.call(call)
    assert answer.content or answer.audio or answer.embeddings
