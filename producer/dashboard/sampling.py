"""Notes how long the lines are, so that the dashboard can draw them over time; one API process of all does it."""

from producer.composition import Services
from producer.dashboard.sights import read_lines
from sql.dashboard import record_queue_sample

EVERY_S = 5.0
KEEP_HOURS = 48
_DUTY_S = 12.0


class QueueSampling:
    def __init__(self, services: Services, owner: str) -> None:
        self._services = services
        self._owner = owner

    async def step(self) -> None:
        services = self._services
        if not await services.queue.take_duty("queue samples", self._owner, _DUTY_S):
            return
        lines = await read_lines(services)
        await record_queue_sample(
            services.database,
            list(lines),
            [line.ready for line in lines.values()],
            [line.running for line in lines.values()],
            [line.oldest_s for line in lines.values()],
            KEEP_HOURS,
        )
