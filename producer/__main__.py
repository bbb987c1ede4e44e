"""`python -m producer`: the HTTP API."""

import asyncio
import secrets
import signal
import sys

import uvloop

from core.collecting import collect_seldom
from core.errors import ConfigurationError
from core.logging import get_logger, set_up_logging
from core.looper import Looper
from core.open_files import allow_many_files
from core.parent import follow_parent
from core.settings import read_settings


async def serve() -> None:
    """Run until a signal; then callers who wait are answered as things stand, and go on at another process."""
    from producer.api.app import create_app
    from producer.api.server import ApiServer, config_of
    from producer.composition import open_services
    from producer.dashboard.sampling import EVERY_S, QueueSampling

    settings = read_settings()
    async with open_services(settings) as services:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _noted)  # uvicorn raises a signal again once it has stopped for it
        allow_many_files()
        collect_seldom()
        samples = Looper("queue samples", QueueSampling(services, secrets.token_hex(6)).step, EVERY_S)
        samples.start()
        get_logger(__name__).info("api starting", url=f"http://{settings.host}:{settings.port}")
        await ApiServer(config_of(settings, create_app(services)), services.closing, settings.notice_s).serve()
        await samples.stop()


def _noted(_number: int, _frame: object) -> None:
    return None


def main() -> int:
    """Exit code 1 when the configuration is wrong."""
    settings = read_settings()
    set_up_logging(settings.log_level, settings.log_format, program="api")
    follow_parent()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())
    except ConfigurationError as error:
        print(f"error: {error.message}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
