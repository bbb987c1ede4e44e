"""What a line says: a Request, or a request of OpenAI's."""

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial

from core.errors import Problem
from core.jsonio import load_json
from core.request import KEY, JobRequest
from core.request_checks import read_request
from producer.openai.batches import read_batch_line
from sql.batches import ValidatingBatch

LEAST_DEADLINE_S = 1.0
# The key of the line, and its request or everything that is wrong with it.
Read = tuple[str | None, JobRequest | list[Problem]]
LineReader = Callable[[bytes, int], Read]


def reader_of(batch: ValidatingBatch, now: datetime) -> LineReader:
    """Of the lines of a stored batch, which reads them now."""
    if batch.endpoint is None or batch.cache is None or batch.expires_at is None:
        return read_own
    left_s = max(LEAST_DEADLINE_S, (batch.expires_at - now).total_seconds())
    return partial(read_batch_line, endpoint=batch.endpoint, cache=batch.cache, deadline_s=left_s)


def read_own(body: bytes, line: int) -> Read:
    """A Request."""
    request = read_request(body, line)
    return (request.key if isinstance(request, JobRequest) else _key_in(body)), request


def _key_in(body: bytes) -> str | None:
    """The key of a line that is wrong elsewhere, so that it is told of by that, and lines that come after it are told
    apart from lost ones."""
    try:
        key = load_json(body)["key"]
    except (ValueError, TypeError, KeyError, IndexError):
        return None
    return key if isinstance(key, str) and re.fullmatch(KEY, key) else None
