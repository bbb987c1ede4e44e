"""A program that was started by another ends with it, also when the other was killed."""

import os
import signal
import threading
import time

VARIABLE = "FACTORY_PARENT_PID"
EVERY_S = 0.5


def follow_parent() -> None:
    """If FACTORY_PARENT_PID names our parent, stop (as by SIGTERM) once that process is gone."""
    named = os.environ.get(VARIABLE)  # noqa: TID251
    if named is None:
        return
    threading.Thread(target=_watch, args=(int(named),), daemon=True, name="parent watch").start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)
