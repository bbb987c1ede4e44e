"""Every figure that is promised, in one table: the benches of each, one after the other, small unless `--full`."""

from collections.abc import Iterable
from dataclasses import replace
from statistics import median, quantiles
from typing import Any

from tests.bench import calls, drain, fair, growth, hold, queue_engine
from tests.bench.measuring import Effort, Measured, middle

TITLE = "what is promised, and what was measured: median (lowest–highest round)"
Sample = dict[str, Any]


def run(effort: Effort) -> Measured:
    """`jobs` and `rows` of the command line have no part in it."""
    effort = replace(effort, jobs=None, rows=None)

    def small(jobs: int, **changes: Any) -> Effort:
        return effort if effort.full else replace(effort, jobs=jobs, **changes)

    named = {
        "drain": drain.run(small(20_000)).samples,
        "calls": calls.run(small(2000)).samples,
        "queue": [{"side": side, "ms": ms} for side, ms in queue_engine.pick_up(effort.say).items()],
        "hold": hold.run(replace(effort, rounds=1)).samples,
        "growth": growth.run(replace(small(10_000, rows=200_000), rounds=max(5, effort.rounds))).samples,
        "fair": fair.run(replace(small(20_000), rounds=1)).samples,
    }
    return Measured(rows_of(named), [{"bench": name, **one} for name, samples in named.items() for one in samples])


def rows_of(named: dict[str, list[Sample]]) -> list[dict[str, str]]:
    """Out of the samples of each bench. Where several settings were measured, the fastest counts, on both sides."""
    rows = [*_of_drain(named["drain"]), *_of_calls(named["calls"]), _of_pick_up(named["queue"])]
    return [*rows, *_of_hold(named["hold"]), _of_growth(named["growth"]), *_of_fair(named["fair"])]


def _row(figure: str, must: str, aim: str, measured: str, baseline: str = "", ratio: str = "") -> dict[str, str]:
    found = {"figure": figure, "must reach": must, "aim": aim}
    return found | {"measured": measured, "baseline": baseline, "ratio": ratio}


def _of_drain(samples: list[Sample]) -> Iterable[dict[str, str]]:
    ours, arq = _by_setting(samples, drain.OURS), _by_setting(samples, drain.ARQ)
    (slots, best), (arq_slots, beside) = _fastest(ours), _fastest(arq)
    what = f"no-op jobs drained by one process, {slots['slots']} slots, a second"
    yield _row(what, "5,000", "10,000", *_beside(best, beside, "per_s", f"arq, {arq_slots['slots']} slots"))
    every = [one for _, found in ours for one in found]
    accepted, enqueued = ([one["accepted_per_s"] for one in some] for some in (every, beside))
    ratio = f"{median(accepted) / median(enqueued):.2f}"
    beside_it = f"{middle(enqueued)} enqueue_job of arq"
    yield _row("submits through the batch path, a second", "8,000", "15,000", middle(accepted), beside_it, ratio)


def _of_calls(samples: list[Sample]) -> Iterable[dict[str, str]]:
    _, ours = _fastest(_by_setting(samples, calls.OURS))
    how, by_hand = _fastest(_by_setting(samples, calls.BY_HAND))
    alone = [(one, found) for who in (calls.OWN, calls.LANES) for one, found in _by_setting(samples, who)]
    which, bare = _fastest(alone)
    named = f"by hand, {how['slots']} slots, polls every {how['poll_s']:g} s"
    yield _row("calls of 50 ms, two processes, a second", "3.5 ×", "5 ×", *_beside(ours, by_hand, "per_s", named))
    yield _row("the same beside the SDK alone", "0.75", "0.9", *_beside(ours, bare, "per_s", which["who"]))
    least = min(median(one["worker"] for one in found) for _, found in alone)
    beyond = middle([one["worker"] - least for one in ours])
    yield _row("CPU of ours beyond the SDK call, ms a job", "0.4", "0.2", beyond, f"{least:.2f} the SDK alone")


def _of_pick_up(samples: list[Sample]) -> dict[str, str]:
    sides = {one["side"]: one["ms"] for one in samples}
    ours, arq = (f"{median(ms):.1f}, {quantiles(ms, n=100)[98]:.1f}" for ms in (sides["ours"], sides["arq"]))
    return _row("idle pick-up, p50 and p99, ms", "2 and 10", "1 and 6", ours, f"{arq} stock arq")


def _of_hold(samples: list[Sample]) -> Iterable[dict[str, str]]:
    for one in samples:
        held = f"{one['calls at once, most seen']:.0f} at once, all complete, {one['peak RSS, MB']:.0f} MB"
        figure = f"one process holds {one['calls']:.0f} calls of 30 s"
        yield _row(figure, "all, 500 MB", "10,000 in 500 MB", held, f"{one['peak RSS before, MB']:.0f} MB idle")


def _of_growth(samples: list[Sample]) -> dict[str, str]:
    empty, grown = ([one for one in samples if one["tables"] == name] for name in ("empty", "grown"))
    return _row("drain on grown tables beside empty ones", "0.9", "0.95", *_beside(grown, empty, "per_s", "empty"))


def _of_fair(samples: list[Sample]) -> Iterable[dict[str, str]]:
    for one in fair.rows_of(samples, samples[0]["backlog"]):
        yield _row(one["figure"], one["must"], "", one["measured"], one["beside it"], one["ratio"])


def _by_setting(samples: list[Sample], who: str) -> list[tuple[Sample, list[Sample]]]:
    """The settings of one contestant, each with its rounds."""
    found: dict[tuple[Any, ...], list[Sample]] = {}
    for one in samples:
        if one["who"] == who:
            found.setdefault((one["slots"], one.get("poll_s")), []).append(one)
    return [(rounds[0], rounds) for rounds in found.values()]


def _fastest(settings: list[tuple[Sample, list[Sample]]]) -> tuple[Sample, list[Sample]]:
    return max(settings, key=lambda one: median(sample["per_s"] for sample in one[1]))


def _beside(ours: list[Sample], theirs: list[Sample], name: str, named: str) -> tuple[str, str, str]:
    mine, other = ([one[name] for one in some] for some in (ours, theirs))
    ratios = [one / two for one, two in zip(mine, other, strict=True)]
    return middle(mine), f"{middle(other)} {named}", middle(ratios)
