"""What can go wrong, as a tree.

FactoryError
├── NotConfigured      no address of a factory, or none that can be one
├── Unreachable        no whole answer within the time that there was for it
├── ApiError           the API said no: `status`, `code`, `problems`, `request_id`, `retry_after_s`
├── JobFailed          the job ended without an answer: `kind`, `provider`, `retryable`, `job`
├── Timeout            what was waited for is not over; it goes on: `found` is how it stood
├── Corrupted          what came is not what was promised
└── SignatureInvalid   a webhook that is not to be believed
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory_client.shapes import Batch, Job


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with what was sent. `field` is a path such as `messages.0.content`, `line` one of a batch."""

    message: str
    field: str | None = None
    line: int | None = None


class FactoryError(Exception):
    """Everything that this client raises on purpose."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class NotConfigured(FactoryError):
    """No address of a factory, or none that can be one."""


class Unreachable(FactoryError):
    """No whole answer within the time that there was for it. A submit may have arrived: repeat it with the same
    `idempotency_key`."""


class ApiError(FactoryError):
    """The API said no."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        problems: Sequence[Problem] = (),
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.problems = tuple(problems)
        self.request_id = request_id
        self.retry_after_s = retry_after_s


class JobFailed(FactoryError):
    """The job ended without an answer. `kind` is that of the failure, such as `content_policy`, or the job's status;
    `retryable` says whether the same request may succeed later."""

    def __init__(self, job: "Job") -> None:
        error = job.error
        self.job = job
        self.kind = error.kind if error else job.status
        self.provider = error.provider if error else None
        self.retryable = bool(error and error.retryable)
        hint = "; retry(job) may succeed" if self.retryable else ""
        super().__init__(f"job {job.id} is {job.status}: {self.kind}: {error.message if error else 'no reason'}{hint}")


class Timeout(FactoryError):
    """What was waited for is not over; it goes on. `found` is the Job or the Batch as it stood at last."""

    def __init__(self, message: str, found: "Job | Batch") -> None:
        super().__init__(message)
        self.found = found


class Corrupted(FactoryError):
    """What came is not what was promised."""


class SignatureInvalid(FactoryError):
    """A webhook that is not to be believed: answer 400 and do nothing."""
