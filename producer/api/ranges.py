"""`Range` of RFC 9110, one range at a time. Pure."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """The range begins behind the end."""


def read_range(header: str | None, size: int) -> tuple[int, int] | Unsatisfiable | None:
    """Start and end (exclusive); None when the whole is asked for, or something that is not served: several ranges,
    other units, nonsense."""
    match = re.fullmatch(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", header or "")
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        return (size - length, size) if length else Unsatisfiable()
    start = int(match[1])
    if match[2] and int(match[2]) < start:
        return None
    return (start, min(int(match[2]) + 1, size) if match[2] else size) if start < size else Unsatisfiable()
