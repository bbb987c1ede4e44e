"""A request put to a route, until its answer is what was asked for."""

from dataclasses import dataclass
from datetime import datetime

from core.request import JobRequest
from core.routing import Route
from sql.jobs import StartedJob
from workers.calling import call_provider
from workers.outcomes import Done
from workers.services import WorkerServices


@dataclass(frozen=True, slots=True)
class OneCall:
    """The whole answer by one call."""

    services: WorkerServices
    job: StartedJob
    request: JobRequest
    images: dict[str, tuple[str, bytes]]
    until: datetime

    @property
    def max_attempts(self) -> int:
        return self.services.settings.max_attempts

    def may_use(self, route: Route) -> bool:  # noqa: ARG002  any will do
        return True

    async def ask(self, route: Route) -> Done:
        timeout_s = self.services.time_for_call(self.until)
        answered = await call_provider(self.services, self.job, self.request, route, self.images, timeout_s)
        return Done(self.request, route, answered)
