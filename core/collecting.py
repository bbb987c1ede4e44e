"""How often Python looks for garbage in a process that serves: seldom, and never in what was there at the start."""

import gc


def collect_seldom() -> None:
    """Once everything is loaded. A full collection stops two thousand subscribers for 0.3 s."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
