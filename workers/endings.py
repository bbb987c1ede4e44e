"""What became of a started job, as far as the queue is concerned."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Over:
    """It is over, or somebody else's: forget it."""


@dataclass(frozen=True, slots=True)
class Back:
    """It is queued again in Postgres; put it in line after a delay."""

    delay_s: float = 0.0


Ending = Over | Back
