"""Calls to make in tests, without a catalog."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from adapters.registry import HANDLERS
from core.catalog import Endpoint, Model, Voice
from core.jsonio import dump_json
from core.provider import ProviderCall
from core.request import JobRequest


def make_call(
    handler: str = "openai.chat_completions",
    *,
    base_url: str = "http://127.0.0.1:9",
    model_id: str = "some-model",
    provider: str | None = None,
    api_key: str | None = "sk-test-0123456789abcdef",
    timeout_s: float = 10.0,
    endpoint_pattern: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    capabilities: frozenset[str] = frozenset(),
    defaults: Mapping[str, Any] | None = None,
    mapped_voice: Voice | None = None,
    images: Mapping[str, tuple[str, bytes]] | None = None,
    **fields: Any,
) -> ProviderCall:
    """`parameters` are the model's, `defaults` the alias target's, `fields` the request's, as JSON has them."""
    spec = HANDLERS[handler]
    named = provider or handler.partition(".")[0]
    said = {"kind": spec.kind, "model": model_id, **fields}
    if spec.kind == "text" and "messages" not in said:
        said.setdefault("prompt", "Say hello.")
    elif spec.kind != "text":
        said.setdefault("input", "Once upon a time there was a lighthouse.")
    return ProviderCall(
        call_id=uuid4(),
        request=JobRequest.model_validate_json(dump_json(said)),
        model=Model(named, model_id, spec.kind, capabilities=capabilities, parameters=parameters or {}),
        endpoint=Endpoint(uuid4(), named, base_url, endpoint_pattern, handler, "*", None, "global", 1, True, True),
        base_url=base_url,
        api_key=api_key,
        timeout_s=timeout_s,
        parameters=defaults or {},
        voice=mapped_voice,
        images=images or {},
    )
