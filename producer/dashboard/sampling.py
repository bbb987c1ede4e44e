"""Notes how long the lines are, so that the dashboard can draw them over time; one API process of all does it."""

from core.clock import utc_now
from producer.composition import Services
from producer.dashboard.sights import read_lines, read_oldest
from sql.dashboard import record_queue_sample

EVERY_S = 5.0
KEEP_HOURS = 48
_DUTY_S = 12.0


class QueueSampling:
    def __init__(self, services: Services, owner: str) -> None:
        self._services = services
        self._owner = owner

    async def step(self) -> None:
        """While Redis is away there is nothing to note."""
        services = self._services
        if not await services.queue.take_duty("queue samples", self._owner, _DUTY_S):
            return
        looked = await read_lines(services)
        if looked is None:
            return
        lines, now = looked[0], utc_now()
        oldest = await read_oldest(services, lines)
        waited = [None if at is None else max(0.0, (now - at).total_seconds()) for at in oldest.values()]
        await record_queue_sample(
            services.database,
            list(lines),
            [line.ready for line in lines.values()],
            [line.running for line in lines.values()],
            waited,
            KEEP_HOURS,
        )
