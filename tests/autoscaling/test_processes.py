"""Workers come and go with the work, as real processes, and no job notices."""

import os
import signal

from core.settings import Settings
from producer.composition import Services
from tests.api.conftest import serving
from tests.autoscaling.fleet import add_models, autoscaled, run_burst

QUICK, LONG = "gpt-6-luna@slow=0.6", "gpt-6-luna@slow=6"
COOL_DOWN_S = 2.0


async def test_a_burst_is_met_a_dead_worker_replaced_and_long_jobs_end_in_peace(
    settings: Settings, services: Services
) -> None:
    await add_models(services, (QUICK, 1000, 650), (LONG, 1, 6600))
    arguments = ("--min", "1", "--max", "3", "--slots", "10", "--cool-down", str(COOL_DOWN_S))
    async with serving(services) as url, autoscaled(settings, services, url, *arguments) as scaled:
        await scaled.until_workers(1)
        burst = await run_burst(scaled, QUICK, 250, 3, COOL_DOWN_S)
        assert burst.disturbed == []
        assert burst.most == 3
        assert burst.started_s < 5
        assert burst.working_s < 15
        assert max(burst.waits_s) < settings.target_wait_s
        up, down = scaled.said("scaling")[0], scaled.said("scaling")[-1]
        assert up["workers"] == 1
        assert "ready" in up["reason"]
        assert down["to"] == 1
        assert "enough" in down["reason"]

        (last,) = await scaled.workers()
        os.kill(last.pid, signal.SIGKILL)
        await scaled.until(lambda: bool(scaled.said("worker ended")))
        await scaled.until(lambda: len(scaled.said("worker ready")) == 4)

        ids = await scaled.submit(LONG, 24)
        await scaled.until_workers(3)
        extra = await scaled.submit(LONG, 1)
        await scaled.until_over([*ids, *extra], 40)
        await scaled.until_workers(1)
        assert await scaled.disturbed([*ids, *extra]) == []
    assert scaled.process.returncode == 0
