"""The usage report: groups and totals as callers see them, as JSON or CSV. What is not known is null, never 0."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from itertools import islice
from typing import Any
from uuid import UUID

from core.errors import Problem, RequestRefused
from core.jsonio import decimal_text, dump_json
from core.result import BUCKETS
from sql.pool import Database
from sql.usage import UsageSums, plan_report, select_usage

DIMENSIONS = ("project", "alias", "provider", "model", "kind", "variant", "day")
AS_USUAL = ("day", "provider", "model", "variant", "kind")
FIGURES = (
    "calls", "ok", "failed", "unknown", *BUCKETS, "cost", "unpriced_calls", "uncertain_cost", "cache_hits", "saved_usd",
    "unpriced_hits", "direct_cost", "without_direct_cost", "saving", "emulated",
)  # fmt: skip
MOST_ROWS = 50_000
PIECE_ROWS = 500
SAVING_DIGITS = 6
MONEY_DIGITS = 100  # a sum keeps every digit of its parts; Python's own limit is 28
_ADDED = ("calls", "ok", "failed", "unknown", *BUCKETS, "cache_hits")


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """What is asked for. `by` are dimensions in the order of the columns and of the sorting; without a project,
    everybody's."""

    by: tuple[str, ...]
    project_id: UUID | None
    project: str | None
    since: datetime | None = None
    until: datetime | None = None
    batch_id: UUID | None = None
    alias: str | None = None
    provider: str | None = None
    model: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class UsageReport:
    """`project`: whose it is, None for everybody's."""

    project: str | None
    by: tuple[str, ...]
    rows: Sequence[UsageSums]

    def as_json(self) -> Iterator[bytes]:
        """One JSON object in pieces: `project`, `by`, `totals`, `total_cost`, `data`."""
        totals = add_up(self.rows)
        head = dump_json({"project": self.project, "by": self.by, "totals": totals, "total_cost": totals["cost"]})
        yield head[:-1] + b',"data":['
        for number, piece in enumerate(self._pieces()):
            yield (b"," if number else b"") + dump_json(piece)[1:-1]
        yield b"]}"

    def as_csv(self) -> Iterator[bytes]:
        """In pieces: a head, a line for each group, no totals."""
        yield csv_lines(self.by, ())
        for piece in self._pieces():
            yield csv_lines(self.by, piece, head=False)

    def _pieces(self) -> Iterator[list[dict[str, Any]]]:
        shown = ({name: getattr(one, name) for name in self.by} | present_sums(one) for one in self.rows)
        while piece := list(islice(shown, PIECE_ROWS)):
            yield piece


async def read_usage(database: Database, asked: UsageQuery) -> UsageReport:
    """Raises RequestRefused where there are more groups than anybody can read."""
    async with database.acquire() as connection, connection.transaction(readonly=True):
        await plan_report(connection)
        rows = await select_usage(
            connection, asked.by, asked.project_id, asked.since, asked.until, asked.batch_id,
            asked.alias, asked.provider, asked.model, asked.kind, MOST_ROWS + 1,
        )  # fmt: skip
    if len(rows) > MOST_ROWS:
        raise RequestRefused.of([Problem(f"more than {MOST_ROWS:,} groups: group by less, or ask for less time", "by")])
    return UsageReport(asked.project, asked.by, rows)


def read_dimensions(text: str | None, usual: tuple[str, ...] = AS_USUAL) -> tuple[str, ...]:
    """`model,day` as dimensions; an empty text is none of them, the whole in one group. Raises RequestRefused."""
    if text is None:
        return usual
    named = tuple(one.strip() for one in text.split(",")) if text.strip() else ()
    for place, one in enumerate(named):
        if one not in DIMENSIONS:
            raise RequestRefused.of([Problem(f"{one[:100]!r} is none of {', '.join(DIMENSIONS)}", "by")])
        if one in named[:place]:
            raise RequestRefused.of([Problem(f"{one} is there twice", "by")])
    return named


def present_sums(sums: UsageSums) -> dict[str, Any]:
    """The figures of a group. `saving` is the share of `direct_cost` that was not spent; below 0, more was."""
    cost = None if sums.unpriced else sums.cost
    direct = None if sums.undirected else sums.direct_cost
    shown = {name: getattr(sums, name) for name in _ADDED} | {
        "cost": cost,
        "unpriced_calls": sums.unpriced,
        "uncertain_cost": None if sums.unbounded else sums.uncertain_cost,
        "saved_usd": None if sums.unsaved else sums.saved_usd,
        "unpriced_hits": sums.unsaved,
        "direct_cost": direct,
        "without_direct_cost": sums.undirected,
        "saving": None if cost is None or not direct else round(1 - cost / direct, SAVING_DIGITS) + 0,
        "emulated": sums.emulated,
    }
    return {name: shown[name] for name in FIGURES}


def add_up(rows: Sequence[UsageSums]) -> dict[str, Any]:
    """The figures of all groups together."""
    totals: dict[str, Any] = dict.fromkeys(DIMENSIONS)
    for name in (*_ADDED, "unpriced", "unbounded", "unsaved", "undirected"):
        totals[name] = sum(getattr(one, name) for one in rows)
    with localcontext(prec=MONEY_DIGITS):
        for name in ("cost", "uncertain_cost", "saved_usd", "direct_cost"):
            totals[name] = sum((getattr(one, name) for one in rows), Decimal(0))
    return present_sums(UsageSums(**totals, emulated=any(one.emulated for one in rows)))


def csv_lines(by: Sequence[str], rows: Iterable[Mapping[str, Any]], *, head: bool = True) -> bytes:
    """Groups as they are in the JSON, as lines of RFC 4180 with every digit; null is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text)
    if head:
        writer.writerow([*by, *FIGURES])
    writer.writerows([_plain(row[name]) for name in (*by, *FIGURES)] for row in rows)
    return text.getvalue().encode()


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return decimal_text(value)
        case bool():
            return "true" if value else "false"
        case _:
            return value
