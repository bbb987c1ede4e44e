"""Errors as `application/problem+json` (RFC 9457) with a stable `code`."""

import math
from collections.abc import Sequence
from typing import Any

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from core import metrics
from core.errors import FactoryError, Problem, RateLimited, RequestRefused, ServiceUnavailable
from core.jsonio import dump_json
from core.logging import get_logger
from core.presenting import failure_status
from producer.api.openai.paths import is_openai_path
from producer.api.openai.problems import install_ends, openai_problem
from producer.api.request_ids import REQUEST_ID
from producer.openai.errors import OpenAiError, error_of, error_of_status

AWAY = (
    OSError,
    RedisError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.TooManyConnectionsError,
)


def problem(
    status: int, code: str, title: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any
) -> Response:
    """One problem document."""
    body = {"type": f"urn:factory:error:{code}", "title": title, "status": status, "code": code, "detail": detail}
    if (request_id := REQUEST_ID.get()) is not None:
        body["request_id"] = request_id
    return Response(dump_json({**body, **more}), status, headers, media_type="application/problem+json")


def problem_of(error: FactoryError) -> Response:
    """`problems` names the field and line of everything that was wrong."""
    headers = None
    if error.status == 401:
        headers = {"WWW-Authenticate": "Bearer"}
    if error.status == 408:
        headers = {"Connection": "close"}
    if isinstance(error, RateLimited | ServiceUnavailable):
        headers = {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
    more = {"problems": [one.as_dict() for one in error.problems]} if error.problems else {}
    return problem(error.status, error.code, error.title, error.message, headers=headers, **more)


def refusal(path: str, error: FactoryError) -> Response:
    """In the shape that the callers of this path know."""
    metrics.count(metrics.REFUSED, error.code)
    return openai_problem(error_of(error)) if is_openai_path(path) else problem_of(error)


def problem_of_failure(job: dict[str, Any]) -> Response:
    """A job that failed while its caller waited."""
    failure = job["error"] or {"kind": job["status"], "message": f"the job is {job['status']}"}
    return problem(
        failure_status(failure["kind"]),
        failure["kind"],
        f"The job {job['status']}",
        failure["message"],
        headers={"Location": job["urls"]["self"]},
        job=job,
    )


def install_problem_handlers(app: FastAPI) -> None:
    """Every error of every path leaves as a problem document, or in OpenAI's shape where the path is theirs; none with
    a traceback."""
    install_ends(app)

    @app.exception_handler(FactoryError)
    async def of_ours(request: Request, error: FactoryError) -> Response:
        return refusal(request.url.path, error)

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> Response:
        codes = {404: "not_found", 405: "method_not_allowed"}
        title, path, headers = str(error.detail), request.url.path, dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(methods_of(app, request.scope))
        if is_openai_path(path):
            return openai_problem(error_of_status(error.status_code, title, request.method, path), **headers)
        return problem(error.status_code, codes.get(error.status_code, "http_error"), title, title, headers=headers)

    @app.exception_handler(RequestValidationError)
    async def of_parameters(request: Request, error: RequestValidationError) -> Response:
        problems = [Problem(_lower(one["msg"]), ".".join(map(str, one["loc"][1:])) or None) for one in error.errors()]
        return refusal(request.url.path, RequestRefused.of(problems))

    async def of_servers(request: Request, error: Exception) -> Response:
        get_logger(__name__).warning("a server is away", error=type(error).__name__)
        return refusal(request.url.path, ServiceUnavailable())

    for kind in AWAY:
        app.add_exception_handler(kind, of_servers)

    @app.exception_handler(Exception)
    async def of_surprise(request: Request, error: Exception) -> Response:
        request_id = request.scope.get("state", {}).get("request_id")
        get_logger(__name__).error("a fault of ours", path=request.url.path, request_id=request_id, exc_info=error)
        detail = "The factory failed at this request; its log says why."
        headers = {"X-Request-Id": request_id} if request_id else {}
        if is_openai_path(request.url.path):
            return openai_problem(OpenAiError(500, detail, "server_error", "internal", retry=None), **headers)
        return problem(500, "internal", "A fault of ours", detail, headers=headers, request_id=request_id)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def methods_of(api: FastAPI, scope: Scope) -> Sequence[str]:
    """Those that the path of a request takes; none where there is no such path."""
    found = [
        method
        for method in ("DELETE", "GET", "PATCH", "POST", "PUT")
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in api.routes)
    ]
    return sorted([*found, "OPTIONS", *(["HEAD"] if "GET" in found else [])]) if found else []
