"""The picture of compared days: what came, and how many workers each way had."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.autoscaling.simulation import Outcome
from tests.autoscaling.traces import Trace

COLOURS = {"fixed": "#8a8d91", "reactive": "#c0392b", "predictive": "#0b6e4f"}
HOUR_S = 3600


def draw(place: Path, compared: Sequence[tuple[Trace, Mapping[str, Outcome]]]) -> None:
    """A column for each day: arrivals above, workers below, with waits in the legend."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, rows = plt.subplots(
        2, len(compared), figsize=(6.5 * len(compared), 6), dpi=110, layout="constrained", sharex=True, squeeze=False,
        height_ratios=(1, 2),
    )  # fmt: skip
    for column, (trace, outcomes) in enumerate(compared):
        above, below = rows[0][column], rows[1][column]
        hours = [one.at_s / HOUR_S for one in trace.arrivals]
        above.hist(hours, bins=288, range=(0, 24), color="black", alpha=0.7)
        above.set_title(trace.name)
        for name, outcome in outcomes.items():
            waits = sorted(outcome.waits_s)
            p95, worker_hours = waits[int(0.95 * len(waits))], outcome.worker_s / HOUR_S
            label = f"{name}: p95 {p95:.1f} s, {worker_hours:.0f} worker hours"
            times = [at_s / HOUR_S for at_s, _ in outcome.counts]
            below.step(
                times, [count for _, count in outcome.counts], where="post", lw=1, color=COLOURS[name], label=label
            )
        below.legend(frameon=False, loc="upper left")
        below.set_xlabel("hour of the day")
        below.set_xlim(0, 24)
        below.set_xticks(range(0, 25, 3))
        below.set_ylim(0, 1.35 * max(count for outcome in outcomes.values() for _, count in outcome.counts))
        for axes in (above, below):
            axes.spines[["top", "right"]].set_visible(False)
    rows[0][0].set_ylabel("jobs in 5 minutes")
    rows[1][0].set_ylabel("workers")
    figure.savefig(place)
    plt.close(figure)
