"""The pictures of a replayed day."""

from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from typing import Any

from tests.replay.day import HOURS, SORTS
from tests.replay.figures import TEXT_AND_EMBEDDINGS
from tests.replay.remains import Remains
from tests.replay.schedule import OUTAGE, OUTAGE_HOURS, OUTAGE_OF, RESTART

BINS = 96
SPENT, DIRECT, FAILED = "#0b6e4f", "#8a8d91", "#c0392b"


def draw_plots(place: Path, remains: Remains) -> list[tuple[str, str]]:
    """File names in `place` with what they show."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    pictures = [
        ("replay-day.png", "What came, what the cache answered and what failed, over the day", _day),
        ("replay-latency.png", "How long callers waited, by kind", _latency),
        ("replay-cost.png", "What text and embeddings cost, beside direct calls", _cost),
    ]
    for name, _, draw in pictures:
        figure, axes = plt.subplots(figsize=(9, 4.2), dpi=110, layout="constrained")
        draw(axes, remains)
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(place / name)
        plt.close(figure)
    return [(name, about) for name, about, _ in pictures]


def _hour(remains: Remains, at_s: float) -> float:
    return at_s / remains.seconds * HOURS


def _mark(axes: Any) -> None:
    axes.axvspan(OUTAGE, OUTAGE + OUTAGE_HOURS, color=FAILED, alpha=0.12, lw=0, label=f"{OUTAGE_OF} away")
    axes.axvline(RESTART, color="black", lw=1, ls=":", label="rolling restart")
    axes.set_xlim(0, HOURS)
    axes.set_xticks(range(0, HOURS + 1, 3))
    axes.set_xlabel("hour of the day")


def _day(axes: Any, remains: Remains) -> None:
    by_sort = [[_hour(remains, one.at_s) for one in remains.day if one.sort == sort.name] for sort in SORTS]
    axes.hist(by_sort, bins=BINS, range=(0, HOURS), stacked=True, label=[sort.name for sort in SORTS], alpha=0.75)
    cached = [_hour(remains, one.at_s) for one in remains.day if (remains.jobs.get(one.number) or {}).get("cached")]
    axes.hist(
        cached, bins=BINS, range=(0, HOURS), histtype="step", color="black", lw=1.4, label="answered by the cache"
    )
    numbers = {job["id"]: number for number, job in remains.jobs.items()}
    at = {one.number: one.at_s for one in remains.day}
    failed = [_hour(remains, at[numbers[call["job_id"]]]) for call in remains.calls
              if call["outcome"] != "ok" and call["job_id"] in numbers]  # fmt: skip
    axes.hist(failed, bins=BINS, range=(0, HOURS), histtype="step", color=FAILED, lw=1.4, label="calls that failed")
    _mark(axes)
    axes.set_ylabel("requests in 15 minutes")
    axes.legend(fontsize=8, ncols=2, loc="upper left", frameon=False)


def _latency(axes: Any, remains: Remains) -> None:
    for sort in SORTS:
        took = sorted(remains.asked[one.number].took_s * 1000 for one in remains.day if one.sort == sort.name)
        if took:
            axes.plot(took, [(place + 1) / len(took) for place in range(len(took))], label=sort.name, lw=1.6)
    axes.set_xscale("log")
    axes.set_xlabel("ms from the request to its answer")
    axes.set_ylabel("share of the requests")
    axes.set_ylim(0, 1)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="lower right", frameon=False)


def _cost(axes: Any, remains: Remains) -> None:
    meant = [one for one in remains.day if one.sort in TEXT_AND_EMBEDDINGS and one.number in remains.jobs]
    direct: dict[Any, Decimal] = {}
    lines = [call for call in remains.calls if call["outcome"] == "ok"] + list(remains.hits)
    for line in lines:
        direct[line["job_id"]] = direct.get(line["job_id"], Decimal(0)) + (line["preferred_cost"] or Decimal(0))
    jobs = [remains.jobs[one.number] for one in meant]
    hours = [_hour(remains, one.at_s) for one in meant]
    axes.plot(
        hours, list(accumulate(float(direct.get(job["id"], 0)) for job in jobs)), color=DIRECT, label="called directly"
    )
    axes.plot(hours, list(accumulate(float(job["cost"] or 0) for job in jobs)), color=SPENT, lw=2, label="spent")
    _mark(axes)
    axes.set_ylabel("USD since midnight")
    axes.legend(fontsize=9, loc="upper left", frameon=False)
