"""Faults on request: by model name (`gpt-6-luna@429`), by header, or switched on for a while.

`NAME`, `NAME=VALUE`, and `NAME:N` for the first N calls with the same model and prompt.
"""

import hashlib
import random
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase

ERRORS = ("429", "500", "503", "529", "quota", "badkey", "policy", "context", "notfound", "region")
BEHAVIOURS = ("slow", "refusal", "empty", "truncated", "badjson", "badschema", "cut", "hang")
DEFAULT_VALUES = {"slow": 5.0, "429": 2.0}


@dataclass(frozen=True, slots=True)
class Fault:
    """`value`: seconds, for `slow` and for the retry time of `429`."""

    name: str
    value: float
    times: int | None = None


@dataclass(slots=True)
class Switched:
    """A fault that a test switched on; `left` counts down when it was given a number, `share` of the calls meet it.
    `owner`: who may switch it off."""

    provider: str | None
    model: str | None
    fault: Fault
    left: int | None
    owner: str | None
    share: float = 1.0


def parse_fault(text: str) -> Fault:
    """Raises ValueError for a name that does not exist."""
    text, _, times = text.partition(":")
    name, _, value = text.partition("=")
    if name not in ERRORS + BEHAVIOURS:
        raise ValueError(f"no fault is called {name!r}; there are {', '.join(ERRORS + BEHAVIOURS)}")
    return Fault(name, float(value) if value else DEFAULT_VALUES.get(name, 0.0), int(times) if times else None)


def split_model(model: str) -> tuple[str, Fault | None]:
    """`gpt-6-luna@429` is the model gpt-6-luna with a fault."""
    base, at, text = model.partition("@")
    return base, parse_fault(text) if at else None


class Faults:
    """Decides which fault a call meets."""

    def __init__(self) -> None:
        self._switched: list[Switched] = []
        self._met: Counter[str] = Counter()
        self._dice = random.Random(0)  # noqa: S311  the same storm again

    def switch_on(self, switched: Switched) -> None:
        self._switched.append(switched)

    def clear(self, owner: str | None) -> None:
        """Switch off what this owner switched on; without an owner, everything."""
        self._switched = [one for one in self._switched if owner is not None and one.owner != owner]

    def choose(self, provider: str, model: str, asked: Fault | None, header: str | None, prompt: str) -> Fault | None:
        """The header's, else the model name's, else a switched one."""
        fault = parse_fault(header) if header else asked
        if fault is not None:
            return fault if self._still_due(fault, model, prompt) else None
        for one in self._switched:
            meant = one.provider in (None, provider) and fnmatchcase(model, one.model or "*") and one.left != 0
            if meant and (one.share >= 1 or self._dice.random() < one.share):
                if one.left is not None:
                    one.left -= 1
                return one.fault
        return None

    def _still_due(self, fault: Fault, model: str, prompt: str) -> bool:
        if fault.times is None:
            return True
        key = hashlib.sha256(f"{model}\n{fault.name}\n{prompt}".encode()).hexdigest()
        self._met[key] += 1
        return self._met[key] <= fault.times
