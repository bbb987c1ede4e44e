"""Which jobs of a batch come after which. Pure, and in time that grows with the jobs and arrows alone."""

from collections.abc import Collection, Mapping, Sequence


def find_stuck(after: Mapping[str, Sequence[str]], refused: Collection[str] = ()) -> set[str]:
    """Keys that will never have their turn: those of a circle, and whatever comes after one of `refused` or after
    another of these. Every named key must be in the mapping or refused."""
    open_counts = {key: len(set(names)) for key, names in after.items() if key not in refused}
    followers: dict[str, list[str]] = {}
    for key in open_counts:
        for name in set(after[key]):
            followers.setdefault(name, []).append(key)
    ready = [key for key, count in open_counts.items() if count == 0]
    while ready:
        key = ready.pop()
        del open_counts[key]
        for follower in followers.get(key, ()):
            open_counts[follower] -= 1
            if open_counts[follower] == 0:
                ready.append(follower)
    return set(open_counts)


def find_cycle(after: Mapping[str, Sequence[str]]) -> list[str] | None:
    """Keys that wait for each other in a circle, in order, or None. Every named key must be in the mapping."""
    stuck = find_stuck(after)
    if not stuck:
        return None
    places: dict[str, int] = {}
    key = next(key for key in after if key in stuck)
    while key not in places:
        places[key] = len(places)
        key = next(name for name in after[key] if name in stuck)
    return list(places)[places[key] :]
