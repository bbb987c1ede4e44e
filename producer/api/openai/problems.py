"""Errors of the OpenAI-compatible paths, in OpenAI's shape."""

from fastapi import FastAPI, Request
from fastapi.responses import Response

from core.jsonio import dump_json
from producer.api.openai.serving import Ended
from producer.openai.errors import OpenAiError


def openai_problem(error: OpenAiError, **headers: str) -> Response:
    return Response(dump_json(error.body()), error.status, error.headers() | headers, media_type="application/json")


def install_ends(app: FastAPI) -> None:
    """What `Ended` is over HTTP."""

    @app.exception_handler(Ended)
    async def of_end(_request: Request, ended: Ended) -> Response:
        return openai_problem(ended.error, **{"x-factory-job-id": str(ended.job_id)})
