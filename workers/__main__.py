"""`python -m workers`: the arq worker on uvloop, with the factory's logging."""

import asyncio
import sys

import uvloop

from core.collecting import collect_seldom
from core.errors import ConfigurationError
from core.logging import set_up_logging
from core.parent import follow_parent
from core.settings import read_settings


def main() -> int:
    """Run until a signal; exit code 1 when the configuration is wrong."""
    settings = read_settings()
    set_up_logging(settings.log_level, settings.log_format, program="worker")
    follow_parent()
    try:
        from workers.engine import LeasedWorker
        from workers.worker import worker_options

        collect_seldom()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            asyncio.set_event_loop(runner.get_loop())
            LeasedWorker(**worker_options(settings)).run()
    except ConfigurationError as error:
        print(f"error: {error.message}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
