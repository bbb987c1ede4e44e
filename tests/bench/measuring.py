"""What every bench needs: settings measured in turn, each in a process of its own, and a table of them."""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.jsonio import load_json
from core.settings import python_program

LISTENS_WITHIN_S = 20.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """`rounds` times every setting, `seconds` of measuring each; `say` is told of the progress. What a bench counts in
    jobs and slots has sizes of its own where none are given here; `profile` is where a worker's profile goes."""

    rounds: int
    seconds: float
    say: Say
    jobs: int | None = None
    slots: tuple[int, ...] = ()
    profile: Path | None = None
    rows: int | None = None
    full: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """`rows` have the same keys, in the order of the columns; `samples` is every single measurement."""

    rows: list[dict[str, Any]]
    samples: list[dict[str, Any]]


def in_turn(
    settings: Sequence[Mapping[str, Any]], effort: Effort, measure: Callable[..., dict[str, Any]]
) -> list[dict[str, Any]]:
    """`measure(**setting)` for every setting, again and again, so that what the machine does besides falls on all."""
    samples = []
    for number in range(effort.rounds):
        for setting in settings:
            sample = {**setting, **measure(**setting)}
            effort.say(f"round {number + 1} of {effort.rounds}: {', '.join(f'{n} {v}' for n, v in sample.items())}")
            samples.append(sample)
    return samples


def of_setting(samples: Sequence[Mapping[str, Any]], setting: Mapping[str, Any], name: str) -> list[float]:
    """The figures of that name that one setting gave."""
    return [one[name] for one in samples if all(one[key] == value for key, value in setting.items())]


def middle(values: Sequence[float]) -> str:
    """Median, and how far the rounds lie apart."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def middle_ratio(above: Sequence[float], below: Sequence[float]) -> str:
    """Of the figures of the same round: what slowed the machine for a while slowed both."""
    return middle([one / other for one, other in zip(above, below, strict=True)])


def cpu_s(pid: int | str = "self", *, children: bool = False) -> float:
    """CPU seconds of a process; with `children` also of those that it has now and of those that ended."""
    if not children:
        return _ticks(pid, 2) / os.sysconf("SC_CLK_TCK")
    while True:
        found = _ticks(pid, 4)
        try:
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                found += _ticks(child, 2)
        except (FileNotFoundError, ProcessLookupError):  # one ended meanwhile: its time is the parent's by now
            continue
        return found / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int | str, fields: int) -> int:
    """Own user and system time; with four fields, that of ended children too."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, stat[11 : 11 + fields]))


def setting_parser(clients: Iterable[str]) -> argparse.ArgumentParser:
    """Of a program that keeps so many calls in flight for a while."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--client", choices=list(clients), required=True)
    parser.add_argument("--held", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    return parser


def in_own_process(module: str, *arguments: str) -> dict[str, Any]:
    """What a module run as a program prints: one JSON object. Its errors go to our own."""
    done = subprocess.run(python_program(module, *arguments), stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = load_json(done.stdout)
    return found


@contextmanager
def emulator(latency_ms: int) -> Iterator[str]:
    """The URL of an emulator in a process of its own. Speech takes a third longer than `latency_ms`."""
    with tempfile.TemporaryDirectory(prefix="factory-bench-") as place:
        ready = Path(place) / "ready"
        command = python_program("adapters.emulator", "--latency-ms", str(latency_ms), "--ready-file", str(ready))
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                yield wait_for(ready, process)
            finally:
                process.terminate()


def wait_for(ready: Path, process: "subprocess.Popen[bytes]") -> str:
    """The URL in a file that a program writes once it listens. Raises RuntimeError."""
    until = time.monotonic() + LISTENS_WITHIN_S
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"{process.args!r} does not listen")
        time.sleep(0.02)
    url: str = load_json(ready.read_bytes())["url"]
    return url


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """As Markdown, so that it can be put into docs/performance.md as it is."""
    cells = [list(map(str, rows[0])), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * width for width in widths])
    for line in cells:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write(f"| {' | '.join(padded)} |\n")
