"""The OpenAPI document: FastAPI's, with operation ids, security, the shape of answers and every error status."""

import copy
import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from producer.api.openai.paths import is_openai_path
from producer.api.shapes import ANSWERS, COMPONENTS

METHODS = frozenset({"get", "head", "post", "put", "patch", "delete"})
TITLES = {
    400: "What was sent cannot be used; `problems` names fields and lines",
    401: "No API key, or one that is not in force",
    402: "What may be spent is used up",
    403: "This key may not do that",
    404: "There is nothing with this id in the project",
    408: "The body did not come in time",
    409: "Not in the present state",
    410: "What this Idempotency-Key made, or what is to be tried again, is deleted",
    413: "The body, or the text for every model, is too large",
    415: "This path does not take such a body",
    416: "The range lies outside the bytes there are",
    422: "The Idempotency-Key was used with another body, or the job failed for its content",
    424: "A job that this one comes after did not complete",
    429: "A limit of the project is reached; see Retry-After",
    431: "The headers are too large",
    500: "A fault of the factory",
    502: "Every provider failed",
    503: "A part of the factory is away, or this server is stopping; see Retry-After",
    504: "The deadline passed",
}
EVERYWHERE = (400, 431, 500, 503)
KEYED = (401, 403, 404)
WITH_BODY = (408, 413, 415)
SUBMITTING = frozenset(
    {
        "/v1/generate", "/v1/jobs", "/v1/jobs/{job_id}/retry", "/v1/job-batches",
        "/v1/job-batches/{batch_id}/retry-failed",
    }
)  # fmt: skip
WAITING = frozenset({"/v1/generate"})
UNSHAPED = frozenset({431})  # before a path is known
OPEN = frozenset({"/healthz", "/readyz"})
LINKED = {"/v1/jobs/{job_id}/audio", "/v1/jobs/{job_id}/events", "/v1/job-batches/{batch_id}/events", "/v1/events"}
TAGS = {
    "jobs": "One job: submit, wait, look, stop, listen",
    "batches": "Many jobs at once",
    "events": "What happens to the jobs of a project, as server-sent events",
    "openai": "OpenAI's own clients work with only base URL and key changed",
    "webhooks": "Who hears of the ends of jobs and batches",
    "usage": "What was spent, and what may be",
    "voices": "Who speaks",
    "admin": "For operators: projects, keys, models, aliases, endpoints, voices, prices",
    "operations": "What the number of workers follows",
    "health": "For balancers",
}
SCHEMES: dict[str, Any] = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "Bearer": {"type": "http", "scheme": "bearer"},
    "Link": {"type": "apiKey", "in": "query", "name": "signature", "description": "of a signed link"},
}


def install_document(app: FastAPI) -> None:
    """`/openapi.json` is made once, when it is first asked for."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = complete(
                get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            )
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """What FastAPI cannot know of answers that are made by hand."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas.update(COMPONENTS)
    document["components"]["securitySchemes"] = SCHEMES
    document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                _complete(operation, method, path)
                if "requestBody" in operation:
                    operation["requestBody"] = body = copy.deepcopy(operation["requestBody"])
                    schemas.update(_hoist(body))
    return document


def _hoist(value: Any) -> dict[str, Any]:
    """pydantic keeps the parts of a schema beside it; here they live among the components. Changes `value`."""
    found: dict[str, Any] = {}
    if isinstance(value, dict):
        found |= value.pop("$defs", {})
        if isinstance(reference := value.get("$ref"), str):
            value["$ref"] = reference.replace("#/$defs/", "#/components/schemas/")
    for inner in [*value.values(), *found.values()] if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            found |= _hoist(inner)
    return found


def _complete(operation: dict[str, Any], method: str, path: str) -> None:
    operation["operationId"] = operation_id(method, path)
    answers = operation["responses"]
    if "422" in answers and "application/json" in answers["422"].get("content", {}):
        del answers["422"]  # FastAPI's own, which never leaves
    for status, name in ANSWERS.get((method, path), {}).items():
        answer = answers.setdefault(status, {"description": "The Job, which goes on" if status == "202" else "Done"})
        answer["content"] = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    for number in error_statuses(method, path):
        shaped = is_openai_path(path) and number not in UNSHAPED
        kind, name = ("application/json", "OpenAiError") if shaped else ("application/problem+json", "Problem")
        content = {kind: {"schema": {"$ref": f"#/components/schemas/{name}"}}}
        answers.setdefault(str(number), {"description": TITLES[number], "content": content})
    if path not in OPEN:
        operation["security"] = [{"ApiKey": []}, {"Bearer": []}, *([{"Link": []}] if path in LINKED else [])]
    operation.setdefault("parameters", []).append(
        {
            "name": "x-request-id",
            "in": "header",
            "schema": {"type": "string"},
            "description": "comes back in the answer",
        }
    )


def operation_id(method: str, path: str) -> str:
    """`get_jobs_by_job_id` for `GET /v1/jobs/{job_id}`."""
    words = re.sub(r"\{(\w+)\}", r"by_\1", path.removeprefix("/v1"))
    return method + re.sub(r"\W+", "_", words)


def error_statuses(method: str, path: str) -> list[int]:
    """What may go wrong at an operation."""
    found = {*EVERYWHERE}
    if path not in OPEN:
        found |= {*KEYED}
    if method in ("post", "put", "patch"):
        found |= {*WITH_BODY}
    if method != "get" or path.endswith("/audio"):
        found |= {409}
    if method == "post" and path in SUBMITTING:
        found |= {402, 410, 422, 429}
    if method == "post" and is_openai_path(path):  # 402 is 429 there
        found |= {422, 424, 429, 502, 504}
    if path in WAITING:
        found |= {424, 502, 504}
    return sorted(found)
