"""`/v1/batches`: lines of a file in, a Batch and the lines of its files out. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from core.errors import Problem, RequestRefused
from core.ids import id_of_line
from core.request import JobRequest
from core.request_checks import find_unstorable
from producer.openai.asking import Asked, flag, read_object, to_request
from producer.openai.chat import present_completion, read_chat
from producer.openai.embeddings import encoding_of, present_embeddings, read_embeddings
from producer.openai.errors import OpenAiError, Refusal, error_of, error_of_failure, error_of_problem
from producer.openai.ids import batch_id_text, file_id_text
from producer.openai.parameters import CHAT, EMBEDDINGS, RESPONSES, Parameter, Table, check_parameters
from producer.openai.responses import present_response, read_response

WINDOW = "24h"
WINDOW_S = 86_400.0
LONGEST_ID = 512
LIVES_S = (3600, 30 * 86_400)
LINE = ("custom_id", "method", "url", "body")
BATCHES: Table = {
    one.name: one
    for one in (
        Parameter("input_file_id", "mapped", "a file with purpose `batch`", required=True),
        Parameter("endpoint", "mapped", "that of every line", required=True),
        Parameter("completion_window", "mapped", "`24h`: the deadline of its jobs", required=True),
        Parameter("metadata", "mapped", "`metadata`"),
        Parameter("output_expires_after", "mapped", "how long its files are kept"),
    )
}
_TABLES: Mapping[str, Table] = {"/v1/chat/completions": CHAT, "/v1/responses": RESPONSES, "/v1/embeddings": EMBEDDINGS}


class BatchAsked(NamedTuple):
    """`output_life_s`: how long the files are kept after the end of the batch; None is for ever."""

    input_file_id: str
    endpoint: str
    metadata: dict[str, Any]
    output_life_s: int | None


def read_batch_order(body: Mapping[str, Any]) -> BatchAsked:
    """The body of `POST /v1/batches`. Raises Refusal."""
    check_parameters(body, BATCHES)
    file_id, endpoint, metadata = body["input_file_id"], body["endpoint"], body.get("metadata")
    if not isinstance(file_id, str):
        raise Refusal("'input_file_id' is a text.", "input_file_id", "invalid_type")
    if endpoint not in tuple(_TABLES):
        raise Refusal(f"'endpoint' is one of {', '.join(_TABLES)} here.", "endpoint", "unsupported_value")
    if body["completion_window"] != WINDOW:
        raise Refusal(f"'completion_window' is {WINDOW}.", "completion_window", "unsupported_value")
    if metadata is not None and not (
        isinstance(metadata, dict) and all(isinstance(one, str) for one in metadata.values())
    ):
        raise Refusal("'metadata' is an object of texts.", "metadata", "invalid_type")
    return BatchAsked(
        file_id, endpoint, metadata or {}, read_life(body.get("output_expires_after"), "output_expires_after")
    )


def read_life(value: Any, name: str) -> int | None:
    """`{"anchor": "created_at", "seconds": 3600 to 2592000}` in seconds. Raises Refusal."""
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() != {"anchor", "seconds"} or value["anchor"] != "created_at":
        raise Refusal(f'\'{name}\' is {{"anchor": "created_at", "seconds": N}}.', name)
    seconds = value["seconds"]
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not LIVES_S[0] <= seconds <= LIVES_S[1]:
        raise Refusal(f"'{name}[seconds]' is a number from {LIVES_S[0]} to {LIVES_S[1]}.", f"{name}[seconds]")
    return seconds


def read_batch_line(
    raw: bytes, line: int, *, endpoint: str, cache: str, deadline_s: float
) -> tuple[str | None, JobRequest | list[Problem]]:
    """The custom_id of a line, and its request or what is wrong with its body, in the words of the live path. Without
    a custom_id the line is none of this batch's: it is no JSON, or another endpoint's, or cannot be named."""
    custom_id = None
    try:
        said = read_object(raw)
        custom_id = _name_of(said, endpoint)
        return custom_id, to_request(_asked(said, endpoint, deadline_s), cache)
    except RequestRefused as error:
        known = error_of(error).code
        found = error.problems or (Problem(error.message),)
        code = known if len(found) == 1 else None
        return custom_id, [Problem(one.message, one.field, line, code) for one in found]


def _name_of(said: Mapping[str, Any], endpoint: str) -> str:
    for name in ("custom_id", "method", "url"):
        _refuse_missing(said, name)
    custom_id = said["custom_id"]
    if not isinstance(custom_id, str) or not 1 <= len(custom_id) <= LONGEST_ID or any(find_unstorable(custom_id)):
        raise Refusal(f"'custom_id' is a text of 1 to {LONGEST_ID} characters.", "custom_id")
    if said["method"] != "POST":
        raise Refusal("'method' is POST.", "method", "invalid_method")
    if said["url"] != endpoint:
        raise Refusal(f"'url' is {endpoint}, the endpoint of the batch.", "url", "mismatched_url")
    return custom_id


def _refuse_missing(said: Mapping[str, Any], name: str) -> None:
    if said.get(name) is None:
        raise Refusal(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")


def _asked(said: Mapping[str, Any], endpoint: str, deadline_s: float) -> Asked:
    for name in said:
        if name not in LINE:
            raise Refusal(f"Unknown parameter: '{name[:100]}'.", name[:100], "unknown_parameter")
    _refuse_missing(said, "body")
    body = said["body"]
    if not isinstance(body, dict):
        raise Refusal("Invalid type for 'body': expected an object.", "body", "invalid_type")
    check_parameters(body, _TABLES[endpoint])
    for name in ("stream", "background"):
        if flag(body, name):
            raise _unsupported(name, "the answer of a line is in the batch's file")
    if body.get("previous_response_id") is not None:
        raise _unsupported("previous_response_id", "a line stands alone")
    asked = _translate(body, endpoint)
    return Asked({**asked.fields, "priority": "batch", "deadline_s": deadline_s}, asked.names)


def _unsupported(name: str, why: str) -> Refusal:
    message = f"Unsupported parameter: '{name}' is not supported in a batch: {why}."
    return Refusal(message, name, "unsupported_parameter")


def _translate(body: Mapping[str, Any], endpoint: str) -> Asked:
    if endpoint == "/v1/chat/completions":
        return read_chat(body)
    if endpoint == "/v1/responses":
        return read_response(body)
    if encoding_of(body) != "float":
        raise _unsupported("encoding_format", "embeddings are written as floats")
    return read_embeddings(body)


def present_openai_batch(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `read_openai_batch` as a Batch."""
    status, finished = _status(row), _stamp(row["finished_at"])
    refused = 0 if status == "failed" else row["refused"]  # then none of them was a request
    return {
        "id": batch_id_text(row["id"]),
        "object": "batch",
        "endpoint": row["endpoint"],
        "errors": _errors(row["error"]),
        "input_file_id": file_id_text(row["input_file_id"]),
        "completion_window": WINDOW,
        "status": status,
        "output_file_id": _file(row["output_file_id"]),
        "error_file_id": _file(row["error_file_id"]),
        "created_at": _stamp(row["created_at"]),
        "in_progress_at": _stamp(row["accepted_at"]),
        "expires_at": _stamp(row["expires_at"]),
        "finalizing_at": finished if status in ("completed", "expired") else None,
        "completed_at": finished if status == "completed" else None,
        "failed_at": finished if status == "failed" else None,
        "expired_at": finished if status == "expired" else None,
        "cancelling_at": _stamp(row["cancelled_at"]),
        "cancelled_at": finished if status == "cancelled" else None,
        "request_counts": {
            "total": row["total"] + refused,
            "completed": row["completed"],
            "failed": row["failed"] + row["cancelled"] + row["expired"] + refused,
        },
        "metadata": row["metadata"],
    }


def _status(row: Mapping[str, Any]) -> str:
    if row["state"] == "completed" and row["expired"]:
        return "expired"
    if row["state"] == "in_progress" and row["cancelled_at"] is not None:
        return "cancelling"
    return str(row["state"])


def _errors(reason: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The first problems of lines; a batch that was refused as a whole has one, without a line."""
    if reason is None:
        return None
    data = [_problem(one) for one in reason.get("problems", ())]
    whole = {"code": reason["kind"], "message": reason["message"], "param": None, "line": None}
    return {"object": "list", "data": data or [whole]}


def _problem(one: Mapping[str, Any]) -> dict[str, Any]:
    error = error_of_problem(one)
    code, param = error.code, error.param
    if param == "key":
        code, param = "duplicate_custom_id", "custom_id"
    return {"code": code, "message": error.message, "param": param, "line": one.get("line")}


def present_file(row: Mapping[str, Any], size: int | None) -> dict[str, Any]:
    """A row of `read_file` as a FileObject. `size` is None where it has not been counted."""
    return {
        "id": file_id_text(row["id"]),
        "object": "file",
        "bytes": size,
        "created_at": _stamp(row["created_at"]),
        "expires_at": _stamp(row["expires_at"]),
        "filename": row["filename"],
        "purpose": row["purpose"],
        "status": "processed",
    }


def present_line(row: Mapping[str, Any], endpoint: str) -> dict[str, Any]:
    """A job that is over (a row of `read_job`) as a line of the output file or of the error file."""
    line: dict[str, Any] = {
        "id": f"batch_req_{row['id'].hex}",
        "custom_id": row["key"],
        "response": None,
        "error": None,
    }
    if row["content_deleted_at"] is not None:
        gone = OpenAiError(404, "what this job answered is deleted", "invalid_request_error", "not_found")
        return line | {"response": _response(row, 404, gone.body())}
    if row["state"] == "completed":
        return line | {"response": _response(row, 200, _answer(row, endpoint))}
    if row["state"] == "failed":
        failure = error_of_failure(row["error"], row["state"])
        return line | {"response": _response(row, failure.status, failure.body())}
    said = "expired before it was answered" if row["state"] == "expired" else "was cancelled"
    return line | {"error": {"code": f"batch_{row['state']}", "message": f"This request {said}."}}


def present_refused_line(batch_id: UUID, row: Mapping[str, Any]) -> dict[str, Any]:
    """A line that made no job (a row of `select_batch_errors`) as a line of the error file."""
    error = error_of_problem(row["problems"][0])
    named = {"id": id_of_line(batch_id, row["line"])}
    return {
        "id": f"batch_req_{named['id'].hex}",
        "custom_id": row["key"],
        "response": _response(named, error.status, error.body()),
        "error": None,
    }


def _response(row: Mapping[str, Any], status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    return {"status_code": status, "request_id": f"req_{row['id'].hex}", "body": body}


def _answer(row: Mapping[str, Any], endpoint: str) -> dict[str, Any]:
    match endpoint:
        case "/v1/chat/completions":
            return present_completion(row)
        case "/v1/responses":
            return present_response(row) | {"background": False, "store": True}
        case _:
            return present_embeddings(row, "float")


def _file(file_id: UUID | None) -> str | None:
    return None if file_id is None else file_id_text(file_id)


def _stamp(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
