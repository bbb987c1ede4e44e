"""Which line has which key, and who comes after whom: all that stays in memory of the lines of a batch. Pure."""

from collections.abc import Collection, Sequence

from core.errors import Problem, RequestRefused
from core.graph import find_cycle, find_stuck
from core.request import JobRequest


class Names:
    """Lines in any order; a line without a key is called by its number."""

    def __init__(self) -> None:
        self._lines: dict[str, int] = {}
        self._after: dict[str, list[str]] = {}
        self._refused: set[str] = set()

    def add(self, line: int, key: str | None) -> Problem | None:
        """Take a key; a line may say it twice."""
        if key is not None and self._lines.setdefault(key, line) != line:
            return Problem(f"the key {key!r} is that of line {self._lines[key]} too", "key", line)
        return None

    def refuse(self, line: int, key: str | None) -> None:
        """The line makes no job."""
        if key is not None and self._lines.setdefault(key, line) == line:
            self._refused.add(key)

    def knows_all(self, request: JobRequest) -> bool:
        return all(name in self._lines for name in request.after)

    def join(self, line: int, request: JobRequest) -> list[Problem]:
        """Who it comes after; which of those are not there, or make no job."""
        problems = []
        for place, name in enumerate(request.after):
            if name not in self._lines:
                problems.append(Problem(f"no job of this batch has the key {name!r}", f"after.{place}", line))
            elif name in self._refused:
                problems.append(Problem(f"the job {name!r} is refused itself", f"after.{place}", line))
        if request.after and not problems:
            self._after[request.key or f" line {line}"] = list(dict.fromkeys(request.after))
        return problems

    def lines_before(self, request: JobRequest) -> Sequence[int]:
        return [self._lines[name] for name in dict.fromkeys(request.after)]

    def find_stuck(self) -> list[Problem]:
        """Lines that would wait for ever, and for whom, in the order of the lines."""
        after = {
            key: [name for name in names if name in self._after or name in self._refused]
            for key, names in self._after.items()
        }
        stuck = sorted(find_stuck(after, self._refused), key=self._line_of)
        among = set(stuck)
        circle = find_cycle({key: [name for name in after[key] if name in among] for key in stuck}) or []
        said = " → ".join([*circle, *circle[:1]])
        never = {*stuck, *self._refused}
        return [
            Problem(
                f"these jobs wait for each other: {said}" if key in circle else _why(after[key], never),
                "after",
                self._line_of(key),
            )
            for key in stuck
        ]

    def _line_of(self, key: str) -> int:
        return self._lines.get(key) or int(key.removeprefix(" line "))


def _why(names: Sequence[str], never: Collection[str]) -> str:
    name = next(name for name in names if name in never)
    return f"the job {name!r}, which this one comes after, makes no job"


def problems_of_line(refusal: RequestRefused, line: int) -> list[Problem]:
    """What a submit would refuse, with the line; a name that leads nowhere is a fault of `model`."""
    if refusal.problems:
        return [Problem(one.message, one.field, line) for one in refusal.problems]
    field = None if ":" in refusal.message[:20] else "model"
    return [Problem(refusal.message, field, line, refusal.code if refusal.code != RequestRefused.code else None)]
