"""Frozen dataclasses for what is made for every job."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

Made = TypeVar("Made")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(made: type[Made]) -> type[Made]:
    """A dataclass that the type checker holds to be frozen. Python does not: it would look at each field when it is set
    for the first time, which makes eighteen of them seven times as dear (0.25 and 1.8 us)."""
    return dataclass(slots=True, unsafe_hash=True)(made)
