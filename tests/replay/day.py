"""A story platform's day as data: which requests come when. The same for the same seed. Pure."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.prose import chapter

HOURS = 24
# How many of a day's requests come in each hour: little at night, a bump at lunch, most in the evening.
CURVE = (
    1.2, 0.8, 0.5, 0.4, 0.5, 0.9, 1.8, 3.0, 4.2, 5.0, 5.3, 5.4,
    5.8, 5.5, 5.0, 5.0, 5.5, 6.2, 7.4, 8.4, 8.6, 7.4, 4.2, 2.0,
)  # fmt: skip
REMEMBERED = 400  # a repeat asks for one of the last so many new requests of its kind,
STEEPNESS = 1.1  # the r-th latest with a probability that falls as r to this power (Zipf)

FACTS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 1},
        "mood": {"enum": ["bright", "dark", "wistful"]},
        "characters": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "age": {"type": ["integer", "null"], "minimum": 0}},
                "required": ["name", "age"],
                "additionalProperties": False,
            },
        },
        "chapters": {"type": "integer", "minimum": 1, "maximum": 40},
    },
    "required": ["title", "mood", "characters", "chapters"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Sort:
    """A kind of request: its share of the day, how many of them repeat an earlier one, and its body by number."""

    name: str
    share: float
    repeats: float
    make: Callable[[int], Mapping[str, Any]]
    about: str


@dataclass(frozen=True, slots=True)
class Planned:
    """A request at its second of the compressed day."""

    number: int
    at_s: float
    sort: str
    body: Mapping[str, Any]
    repeats: bool


def _chapter(number: int) -> Mapping[str, Any]:
    brief = chapter(1400, number)
    prompt = f"Write chapter {1 + number % 12} of a tale in about 650 words. What happened so far:\n\n{brief}"
    return {"model": "chapters", "prompt": prompt, "max_output_tokens": 3000}


def _extraction(number: int) -> Mapping[str, Any]:
    shape = {"type": "json_schema", "json_schema": {"name": "facts", "schema": FACTS_SCHEMA}}
    return {
        "model": "json",
        "prompt": f"Name the facts of this text:\n\n{chapter(2000, 1_000_000 + number)}",
        "response_format": shape,
    }


def _vectors(number: int) -> Mapping[str, Any]:
    texts = [chapter(350, 2_000_000 + 4 * number + place) for place in range(4)]
    return {"kind": "embedding", "model": "recall", "input": texts}


def _line(number: int) -> Mapping[str, Any]:
    return {"kind": "speech", "model": "narrator-fast", "input": chapter(60, 3_000_000 + number), "format": "mp3"}


def _narration(number: int) -> Mapping[str, Any]:
    return {"kind": "speech", "model": "narrator", "input": chapter(4500, 4_000_000 + number), "format": "mp3"}


SORTS = (
    Sort("chapters", 0.25, 0.40, _chapter, "about 650 words after a brief of 1,400 characters"),
    Sort("extraction", 0.33, 0.55, _extraction, "facts by a JSON schema out of 2,000 characters"),
    Sort("embeddings", 0.30, 0.60, _vectors, "four texts of 350 characters"),
    Sort("short speech", 0.115, 0.60, _line, "one line of 60 characters"),
    Sort("long speech", 0.005, 0.30, _narration, "4,500 characters in two parts"),
)


def plan_day(requests: int, seconds: float, seed: int) -> list[Planned]:
    """So many requests over so many seconds, in the order they come."""
    draw = random.Random(seed)
    times = sorted(_time(draw) * seconds for _ in range(requests))
    drawn = draw.choices(SORTS, weights=[sort.share for sort in SORTS], k=requests)
    latest: dict[str, list[int]] = {sort.name: [] for sort in SORTS}
    planned = []
    for number, (at_s, sort) in enumerate(zip(times, drawn, strict=True)):
        earlier = latest[sort.name]
        repeats = bool(earlier) and draw.random() < sort.repeats
        if not repeats:
            earlier.insert(0, number)
            del earlier[REMEMBERED:]
        meant = _by_zipf(draw, earlier) if repeats else number
        planned.append(Planned(number, at_s, sort.name, sort.make(meant), repeats))
    return planned


def _time(draw: random.Random) -> float:
    """Of the day, in 0..1."""
    hour = draw.choices(range(HOURS), weights=CURVE)[0]
    return (hour + draw.random()) / HOURS


def _by_zipf(draw: random.Random, earlier: Sequence[int]) -> int:
    weights = [(rank + 1) ** -STEEPNESS for rank in range(len(earlier))]
    return draw.choices(earlier, weights=weights)[0]
