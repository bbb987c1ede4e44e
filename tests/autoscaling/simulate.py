"""`scripts/simulate-autoscaling [--csv FILE] [--report docs]`: fixed, reactive and predictive over the same days."""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.demand import Rule
from core.scaling import Bounds
from tests.autoscaling.simulation import Fleet, Following, Outcome, Strategy, World, fixed
from tests.autoscaling.traces import SHAPES, Trace, generate, read_csv


@dataclass(frozen=True, slots=True)
class Figures:
    """Of a strategy over a day. Waits in seconds."""

    strategy: str
    p50: float
    p95: float
    p99: float
    late: int
    worker_hours: float
    most: int


def compare(trace: Trace, world: World) -> dict[str, Outcome]:
    """`fixed` has, all day, as many workers as reactive scaling took on average, rounded up."""
    outcomes: dict[str, Outcome] = {}
    for name, past in (("reactive", None), ("predictive", trace.past)):
        outcomes[name] = _run(trace, world, Following(world, trace.day, trace.service_s, past), world.bounds.least)
    seconds = outcomes["reactive"].counts[-1][0]
    average = math.ceil(outcomes["reactive"].worker_s / seconds)
    return {"fixed": _run(trace, world, fixed, average), **outcomes}


def _run(trace: Trace, world: World, strategy: Strategy, start: int) -> Outcome:
    return Fleet(trace.arrivals, world, strategy, start).run()


def figures_of(name: str, outcome: Outcome, target_s: float) -> Figures:
    waits = sorted(outcome.waits_s)

    def place(share: float) -> float:
        return waits[min(len(waits) - 1, int(share * len(waits)))]

    late = sum(wait > target_s for wait in waits)
    hours, most = outcome.worker_s / 3600, max(count for _, count in outcome.counts)
    return Figures(name, place(0.5), place(0.95), place(0.99), late, hours, most)


def table_of(figures: Sequence[Figures], jobs: int) -> list[str]:
    """Markdown."""
    lines = ["| | wait p50 | p95 | p99 | jobs late | worker hours | workers at most |", "|---|---|---|---|---|---|---|"]
    for one in figures:
        late = f"{one.late} of {jobs} ({one.late / jobs:.1%})"
        waits = " | ".join(f"{value:.1f} s" for value in (one.p50, one.p95, one.p99))
        lines.append(f"| {one.strategy} | {waits} | {late} | {one.worker_hours:.1f} | {one.most} |")
    return lines


def main() -> None:
    """Tables on stdout."""
    parser = argparse.ArgumentParser(prog="scripts/simulate-autoscaling", description=__doc__)
    parser.add_argument("--csv", type=Path, action="append", default=[], help="what came: columns at, service_s")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--slots", type=int, default=10)
    parser.add_argument("--min", type=int, default=1)
    parser.add_argument("--max", type=int, default=20)
    parser.add_argument("--starts-s", type=float, default=30.0, help="from the decision to a worker that works")
    parser.add_argument("--ahead-s", type=float, default=120.0)
    parser.add_argument("--target-s", type=float, default=10.0)
    parser.add_argument("--cool-down-s", type=float, default=120.0)
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="write autoscaling.png there")
    given = parser.parse_args()
    rule = Rule(given.target_s, given.cool_down_s)
    world = World(rule, Bounds(given.min, given.max, given.cool_down_s), given.slots, given.starts_s, given.ahead_s)
    traces = [read_csv(path) for path in given.csv] or [generate(name, given.seed) for name in SHAPES]
    compared = []
    for trace in traces:
        outcomes = compare(trace, world)
        compared.append((trace, outcomes))
        figures = [figures_of(name, outcome, given.target_s) for name, outcome in outcomes.items()]
        sys.stdout.write(
            "\n".join([f"\n## {trace.name}: {trace.about}\n", *table_of(figures, len(trace.arrivals))]) + "\n"
        )
    if given.report:
        from tests.autoscaling.plot import draw

        given.report.mkdir(parents=True, exist_ok=True)
        draw(given.report / "autoscaling.png", compared)


if __name__ == "__main__":
    main()
