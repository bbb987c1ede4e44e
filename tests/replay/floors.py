"""What a replayed day must reach, and what it is meant to. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from tests.replay.figures import ALL, Figures, Invoice
from tests.replay.remains import Remains

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Judged:
    """A figure beside its floor and its aim, as they are shown."""

    name: str
    found: str
    floor: str
    aim: str
    kept: bool
    reached: bool


def judge(figures: Mapping[str, Figures], reduction: float, invoice: Invoice) -> list[Judged]:
    """The original system's figures are the floors."""
    whole = figures[ALL]
    failover = 1.0 if whole.failover_success is None else whole.failover_success
    schema_yield = 1.0 if whole.schema_yield is None else whole.schema_yield
    broken = whole.schema_violations / whole.with_schema if whole.with_schema else 0.0
    off = abs(invoice.ledger_usd - invoice.provider_usd)
    mean = whole.latency_mean_ms
    return [
        _at_least("accepted requests that end well, or with the caller's own error", whole.availability, 0.9997, 1.0),
        _at_least("failover success", failover, 0.999, 0.9999),
        Judged("schema violations delivered", f"{broken:.3%}", "< 0.1 %", "0", broken < 0.001, broken == 0),
        _at_least("schema yield", schema_yield, 0.999, 0.9995),
        _at_least("cost reduction of text and embeddings against direct calls", reduction, 0.68, 0.75),
        Judged("mean latency of all requests", f"{mean:.0f} ms", "187 ms", "150 ms", mean <= 187, mean <= 150),
        Judged("ledger against the providers' count", f"{off:f} USD apart", "to the cent", "to the last digit",
               off < CENT, off == 0 and not invoice.different),
    ]  # fmt: skip


def _at_least(name: str, found: float, floor: float, aim: float) -> Judged:
    return Judged(name, f"{found:.3%}", f"{floor:.2%}", f"{aim:.2%}", found >= floor, found >= aim)


def broken_promises(remains: Remains, figures: Mapping[str, Figures], invoice: Invoice) -> Iterator[str]:
    """What no figure shows and must not be."""
    whole = figures[ALL]
    if whole.accepted != whole.requests:
        yield f"{whole.requests - whole.accepted} requests were not accepted"
    if unfinished := [job["id"] for job in remains.jobs.values() if job["finished_at"] is None]:
        yield f"{len(unfinished)} jobs did not end, such as {unfinished[0]}"
    if unanswered := [one.number for one in remains.asked.values() if one.status == 0]:
        yield f"{len(unanswered)} callers got no answer"
    yield from invoice.different[:5]
    yield from invoice.beyond[:5]
    told, spent = remains.usage["totals"]["cost"], sum(call["cost"] or Decimal(0) for call in remains.calls)
    if told != spent:
        yield f"/v1/usage says {told} USD, the ledger {spent}"
