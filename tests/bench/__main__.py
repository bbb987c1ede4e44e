"""`scripts/bench [NAME …] [--rounds N] [--seconds S] [--jobs N] [--json FILE]`: no name is all
but `table`, which takes the promised figures of several."""

import argparse
import importlib
import os
import platform
import sys
from pathlib import Path
from typing import Any

from core.jsonio import dump_json
from tests.bench.measuring import Effort, print_table

BENCHES = {
    "speech-calls": "tests.bench.speech_calls",
    "sdk-calls": "tests.bench.sdk_calls",
    "queue": "tests.bench.queue_engine",
    "routing": "tests.bench.routing",
    "cache": "tests.bench.cache",
    "batch": "tests.bench.batch",
    "sse": "tests.bench.sse",
    "submits": "tests.bench.submits",
    "generate": "tests.bench.generate",
    "autoscale": "tests.bench.autoscale",
    "metrics": "tests.bench.metrics",
    "tracing": "tests.bench.tracing",
    "drain": "tests.bench.drain",
    "calls": "tests.bench.calls",
    "hold": "tests.bench.hold",
    "growth": "tests.bench.growth",
    "fair": "tests.bench.fair",
    "table": "tests.bench.table",
}


def main() -> None:
    """Tables on stdout, progress on stderr, every single figure in the file."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure what the factory costs.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHES)}; without a name all but `table`"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often every setting is measured")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there too")
    parser.add_argument("--jobs", type=int, metavar="N", help="how many, where a bench counts jobs; each has its own")
    parser.add_argument("--slots", default="", metavar="N,…", help="of a worker, where a bench tries several")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="what cProfile saw of a worker; the bench slows")
    parser.add_argument("--full", action="store_true", help="`table` with the sizes that the figures are promised for")
    parser.add_argument("--rows", type=int, metavar="N", help="finished jobs in the grown tables of `growth`")
    given = parser.parse_args()
    if unknown := set(given.names) - BENCHES.keys():
        parser.error(f"no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    slots = tuple(map(int, filter(None, given.slots.split(","))))
    effort = Effort(
        given.rounds,
        given.seconds,
        lambda text: print(text, file=sys.stderr),
        jobs=given.jobs,
        slots=slots,
        profile=given.profile,
        rows=given.rows,
        full=given.full,
    )
    report: dict[str, Any] = {"machine": describe_machine(), "rounds": given.rounds, "seconds": given.seconds}
    print(f"{report['machine']}; {given.rounds} rounds of {given.seconds:g} s")
    for name in given.names or [one for one in BENCHES if one != "table"]:
        bench = importlib.import_module(BENCHES[name])
        measured = bench.run(effort)
        print(f"\n{name}: {bench.TITLE}\n")
        print_table(measured.rows)
        report[name] = {"rows": measured.rows, "samples": measured.samples}
    if given.json:
        given.json.write_bytes(dump_json(report))


def describe_machine() -> str:
    """Cores, system, Python."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
