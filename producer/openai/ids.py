"""Ids that look like OpenAI's and carry the job's: `chatcmpl-…`, `resp_…`."""

from uuid import UUID

from core.errors import NotFound


def completion_id(job_id: UUID) -> str:
    return f"chatcmpl-{job_id.hex}"


def response_id(job_id: UUID) -> str:
    return f"resp_{job_id.hex}"


def item_id(kind: str, job_id: UUID, place: int) -> str:
    """Of an output item: `kind` is `msg` or `fc`."""
    return f"{kind}_{job_id.hex}{place:02x}"


def job_of_response(text: str) -> UUID:
    """The job behind `resp_…`. Raises NotFound for anything else."""
    prefix, _, digits = text.partition("_")
    if prefix != "resp" or len(digits) != 32:
        raise NotFound(f"No response found with id '{text[:100]}'.")
    try:
        return UUID(digits)
    except ValueError:
        raise NotFound(f"No response found with id '{text[:100]}'.") from None
