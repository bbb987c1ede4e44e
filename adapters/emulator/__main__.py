"""`python -m adapters.emulator --port 0 --latency-ms 0 --ready-file FILE`."""

import argparse
from pathlib import Path

from adapters.emulator.app import EmulatorServer
from adapters.emulator.settings import EmulatorSettings


def main() -> None:
    """Serve until a signal."""
    parser = argparse.ArgumentParser(
        prog="python -m adapters.emulator", description="A local emulator of the AI providers."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--latency-ms", type=int, default=300, help="median of a text call; 0 answers at once")
    parser.add_argument("--ready-file", type=Path, help='gets {"url", "pid"} once it listens')
    parser.add_argument("--dialect", action="append", default=[], help="a further provider, as module:Class")
    given = parser.parse_args()
    settings = EmulatorSettings(given.host, given.port, given.latency_ms, given.ready_file, tuple(given.dialect))
    EmulatorServer(settings).run()


if __name__ == "__main__":
    main()
