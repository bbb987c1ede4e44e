"""`python -m producer`: the HTTP API."""

import asyncio
import signal
import sys

import uvicorn
import uvloop

from core.errors import ConfigurationError
from core.logging import get_logger, set_up_logging
from core.parent import follow_parent
from core.settings import read_settings


async def serve() -> None:
    """Run until a signal; waiting callers get a few seconds to finish."""
    from producer.api.app import create_app
    from producer.composition import open_services

    settings = read_settings()
    async with open_services(settings) as services:
        config = uvicorn.Config(
            create_app(services),
            host=settings.host,
            port=settings.port,
            http="httptools",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
            server_header=False,
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _noted)  # uvicorn raises a signal again once it has stopped for it
        get_logger(__name__).info("api starting", url=f"http://{settings.host}:{settings.port}")
        await uvicorn.Server(config).serve()


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
