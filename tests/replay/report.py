"""A replayed day in words and pictures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from tests.replay.day import CURVE, HOURS, REMEMBERED, SORTS, STEEPNESS
from tests.replay.figures import ALL, Figures, Invoice, saving_of
from tests.replay.floors import Judged
from tests.replay.plots import draw_plots
from tests.replay.remains import Remains
from tests.replay.schedule import OUTAGE, OUTAGE_HOURS, OUTAGE_OF, RESTART
from tests.replay.world import FAULT_SHARE, FAULTS, LATENCY_MS, SETTINGS


def settings_lines(requests: int, seconds: float, seed: int) -> list[str]:
    """What the day is made of, and what its compression means."""
    factor = HOURS * 3600 / seconds
    return [
        f"{requests:,} requests, a day of {HOURS} hours in {seconds:g} s: time runs {factor:.0f} times as fast; seed {seed}",
        (
            f"{OUTAGE_HOURS} hour without {OUTAGE_OF} from {OUTAGE}:00 ({OUTAGE_HOURS * 3600 / factor:.0f} s), a rolling "
            f"restart of both API processes and both workers at {RESTART}:00"
        ),
        f"{FAULT_SHARE:.0%} of all calls meet a fault, evenly one of {', '.join(FAULTS)}",
        (
            f"providers answer after {LATENCY_MS} ms (text), {LATENCY_MS * 1.33:.0f} ms (each part of speech) and "
            f"{LATENCY_MS * 0.2:.0f} ms (embeddings), give or take a fifth, as for short answers: not compressed, and the "
            "same however long the answer"
        ),
        "scaled: arrivals, the outage, the restart and, with it, " + ", ".join(f"{k}={v}" for k, v in SETTINGS.items()),
        (
            "not scaled, so longer within this day than they are: breakers rest 5 to 60 s, retries wait 1 to 60 s, leases "
            f"of 9 s; a breaker that rests 60 s rests {60 * factor / 3600:.1f} hours of it"
        ),
        (
            f"a repeat asks for one of the last {REMEMBERED} new requests of its kind, the r-th latest with a probability "
            f"that falls as r^-{STEEPNESS} (Zipf)"
        ),
        f"of each 100 requests so many come in the hours from 0 to 23: {' '.join(f'{share:g}' for share in CURVE)}",
    ]


def figures_table(figures: Mapping[str, Figures]) -> list[str]:
    names = [*(sort.name for sort in SORTS), ALL]
    rows: list[tuple[str, list[str]]] = [
        ("requests", [f"{figures[name].requests:,}" for name in names]),
        ("ended well", [f"{figures[name].availability:.3%}" for name in names]),
        ("met a failed call", [f"{figures[name].failed_over:,}" for name in names]),
        ("of those completed", [_share(figures[name].failover_success) for name in names]),
        ("with a schema / violations", [_schema(figures[name]) for name in names]),
        ("schema yield", [_share(figures[name].schema_yield) for name in names]),
        ("cache hits", [f"{figures[name].hit_rate:.1%}" for name in names]),
        ("cost, USD", [f"{figures[name].cost:.4f}" for name in names]),
        ("called directly, USD", [f"{figures[name].direct_cost:.4f}" for name in names]),
        ("saved", [_share(figures[name].reduction, 1) for name in names]),
        ("latency mean, ms", [f"{figures[name].latency_mean_ms:.0f}" for name in names]),
        ("latency p50 / p95 / p99, ms", [_three(figures[name].latency_ms) for name in names]),
        ("added by us p50 / p95 / p99, ms", [_three(figures[name].added_ms) for name in names]),
    ]
    return _table(["", *names], [[label, *cells] for label, cells in rows])


def judged_table(judged: Sequence[Judged]) -> list[str]:
    rows = [
        [one.name, one.found, one.floor, one.aim, "aim" if one.reached else "floor" if one.kept else "BELOW"]
        for one in judged
    ]
    return _table(["figure", "found", "floor", "aim", "reached"], rows)


def saving_lines(remains: Remains) -> list[str]:
    saving = saving_of(remains)
    direct = saving["direct"] or Decimal(1)
    by_routes = direct - saving["by_cache"] - saving["spent"] + saving["failed"]
    return [
        (
            f"Text and embeddings: {saving['spent']:.4f} USD instead of {saving['direct']:.4f}. Of the difference, answers "
            f"that were not bought again are {saving['by_cache'] / direct:.1%} of the direct cost and cheaper routes "
            f"{by_routes / direct:.1%}; calls that failed took back {saving['failed'] / direct:.2%}."
        )
    ]


def invoice_lines(invoice: Invoice) -> list[str]:
    return [
        (
            f"Providers saw {invoice.seen_calls:,} calls; the ledger has {invoice.ledger_calls:,} lines. Lines whose end is "
            f"known: {invoice.ledger_usd:f} USD, billed {invoice.provider_usd:f}; {len(invoice.different)} lines differ. "
            f"{invoice.uncertain_calls} calls broke off or ran out of time: the ledger says at most "
            f"{invoice.uncertain_most_usd:f} USD, {invoice.uncertain_billed_usd:f} were billed."
        )
    ]


def call_lines(remains: Remains) -> list[str]:
    outcomes = Counter(call["outcome"] for call in remains.calls)
    models = Counter(f"{call['provider']}/{call['model']}" for call in remains.calls if call["outcome"] == "ok")
    reconnected = sum(one.reconnected > 0 for one in remains.asked.values())
    return [
        "Calls by outcome: " + ", ".join(f"{name} {count:,}" for name, count in outcomes.most_common()) + ".",
        "Answers by model: " + ", ".join(f"{name} {count:,}" for name, count in models.most_common()) + ".",
        f"{reconnected} callers had to ask again while an API process was being replaced.",
    ]


def write_report(
    place: Path,
    remains: Remains,
    figures: Mapping[str, Figures],
    judged: Sequence[Judged],
    invoice: Invoice,
    settings: Sequence[str],
) -> None:
    """`replay.md` and its pictures beside it."""
    pictures = draw_plots(place, remains)
    mix = [[sort.name, f"{sort.share:.1%}", f"{sort.repeats:.0%}", sort.about] for sort in SORTS]
    lines = [
        "# A day, replayed",
        "",
        (
            "Written by `scripts/replay --report docs`: a story platform's day against the emulator, on one machine with "
            "two cores that also runs the providers and the callers. It exits non-zero below the floors."
        ),
        "",
        *judged_table(judged),
        "",
        "## By kind",
        "",
        *figures_table(figures),
        "",
        (
            "Latency is what callers saw, from the request to its answer. Added by us is what of it no provider's call for "
            "the answer was under way: for a hit all of it, for a failover the waits between the calls, for whoever joined an "
            "identical request what the other's call did not take."
        ),
        "",
        *saving_lines(remains),
        "",
        *invoice_lines(invoice),
        "",
        *call_lines(remains),
        "",
        *(f"![{about}]({name})" for name, about in pictures),
        "",
        "## The day",
        "",
        *_table(["kind", "share", "repeats", "what"], mix),
        "",
        *(f"- {line}" for line in settings),
        "",
        (
            "`chapters` means gpt-6.2-sol and takes the cheapest of it, gemini-3.8-flash and claude-sonnet-5-5 that answers "
            "within 3 s; `recall` is text-embedding-3-small, then mistral-embed-2312; `json`, `narrator` and `narrator-fast` "
            "are as shipped (`tests/replay/fixtures.sql`). Called directly means: each request once, on the model that the "
            "name means first, without a cache and without a failure ([usage.md](usage.md))."
        ),
        "",
    ]
    (place / "replay.md").write_text("\n".join(lines), encoding="utf-8")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    padded = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in (head, *rows)
    ]
    return [padded[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *padded[1:]]


def _share(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}%}"


def _schema(one: Figures) -> str:
    return f"{one.with_schema:,} / {one.schema_violations}" if one.with_schema else ""


def _three(values: tuple[float, float, float]) -> str:
    return " / ".join(f"{value:.0f}" for value in values)
