"""From how many workers are asked for, over time, to how many there should be: up at once, down only to the most that
was asked for in a while, so that the number never flaps. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

RESTART_AFTER_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Asked:
    """So many workers were asked for at a time (seconds, of any clock that only goes forward), and why."""

    at_s: float
    workers: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Bounds:
    """`down_after_s`: the number falls to what was enough for this long."""

    least: int
    most: int
    down_after_s: float

    def hold(self, workers: int) -> int:
        """Within the bounds."""
        return max(self.least, min(self.most, workers))


def remember(asked: Sequence[Asked], newest: Asked, bounds: Bounds) -> tuple[Asked, ...]:
    """What has to be known of the past: what was asked since the window began, and what was in force when it did."""
    since_s = newest.at_s - bounds.down_after_s
    older = [one for one in asked if one.at_s <= since_s]
    return (*older[-1:], *(one for one in asked if one.at_s > since_s), newest)


def settle(asked: Sequence[Asked], workers: int, bounds: Bounds) -> tuple[int, str]:
    """How many of `workers` there should be now, and why. `asked` as `remember` gives it, in order."""
    if not asked:
        return bounds.hold(workers), "nothing was asked yet"
    newest = asked[-1]
    wanted = bounds.hold(newest.workers)
    if wanted >= workers:
        return wanted, _bounded(newest, wanted)
    if asked[0].at_s > newest.at_s - bounds.down_after_s:
        return bounds.hold(workers), f"it was not looked for {bounds.down_after_s:g} s yet"
    enough = max(bounds.hold(one.workers) for one in asked)
    return min(bounds.hold(workers), enough), f"{enough} were enough for {bounds.down_after_s:g} s"


def _bounded(newest: Asked, wanted: int) -> str:
    if wanted == newest.workers:
        return newest.reason
    return f"{newest.reason}; {'no more than' if wanted < newest.workers else 'no fewer than'} {wanted}"


def restart_after_s(crashes: int) -> float:
    """The pause before another is started in the place of one that died, the n-th in a row to die soon."""
    return RESTART_AFTER_S[min(max(crashes, 1), len(RESTART_AFTER_S)) - 1]
