"""Ids that look like OpenAI's and carry the job's: `chatcmpl-…`, `resp_…`; those of batches and files too."""

from uuid import UUID

from core.errors import NotFound


def completion_id(job_id: UUID) -> str:
    return f"chatcmpl-{job_id.hex}"


def response_id(job_id: UUID) -> str:
    return f"resp_{job_id.hex}"


def item_id(kind: str, job_id: UUID, place: int) -> str:
    """Of an output item: `kind` is `msg` or `fc`."""
    return f"{kind}_{job_id.hex}{place:02x}"


def batch_id_text(batch_id: UUID) -> str:
    return f"batch_{batch_id.hex}"


def file_id_text(file_id: UUID) -> str:
    return f"file-{file_id.hex}"


def job_of_response(text: str) -> UUID:
    """The job behind `resp_…`. Raises NotFound for anything else."""
    return _behind(text, "resp_", "response")


def batch_of(text: str) -> UUID:
    """The batch behind `batch_…`. Raises NotFound for anything else."""
    return _behind(text, "batch_", "batch")


def file_of(text: str) -> UUID:
    """The file behind `file-…`. Raises NotFound for anything else."""
    return _behind(text, "file-", "file")


def _behind(text: str, prefix: str, what: str) -> UUID:
    digits = text.removeprefix(prefix)
    try:
        if text.startswith(prefix) and len(digits) == 32:
            return UUID(digits)
    except ValueError:
        pass
    raise NotFound(f"No {what} found with id '{text[:100]}'.")
