"""Which jobs of a batch come after which. Pure."""

from collections.abc import Mapping, Sequence


def find_cycle(after: Mapping[str, Sequence[str]]) -> list[str] | None:
    """Keys that wait for each other in a circle, in order, or None. Every named key must be in the mapping."""
    open_counts = {key: len(set(names)) for key, names in after.items()}
    followers: dict[str, list[str]] = {key: [] for key in after}
    for key, names in after.items():
        for name in set(names):
            followers[name].append(key)
    ready = [key for key, count in open_counts.items() if count == 0]
    while ready:
        key = ready.pop()
        del open_counts[key]
        for follower in followers[key]:
            open_counts[follower] -= 1
            if open_counts[follower] == 0:
                ready.append(follower)
    if not open_counts:
        return None
    path: list[str] = []
    key = next(iter(open_counts))
    while key not in path:
        path.append(key)
        key = next(name for name in after[key] if name in open_counts)
    return path[path.index(key) :]
