"""The command experiments."""

from collections.abc import Callable
from typing import Any

import click

from core.clock import utc_now
from core.errors import Forbidden
from core.jsonio import decimal_text
from producer.cli.jobs import read_moment
from producer.cli.output import json_option, print_json, print_table, run_async


def _percent(value: Any) -> str:
    return f"{100 * float(value):.3g} %"


def _usd(value: Any) -> str:
    return f"{float(value):.4g} USD"


def _seconds(value: Any) -> str:
    return f"{float(value):.4g} s"


def _score(value: Any) -> str:
    return f"{float(value):.3g}"


COUNTS = ("variant", "jobs", "running", "completed", "failed", "cancelled", "calls", "failed_calls", "spent", "labels")
FIGURES: dict[str, tuple[tuple[str, ...], str | None, Callable[[Any], str]]] = {
    "failures": (("failures",), "failures", _percent),
    "answered by a failover": (("failovers",), None, _percent),
    "cost per job": (("cost_per_job",), "cost_per_job", _usd),
    "latency, mean": (("latency_s", "mean"), "latency_s", _seconds),
    "latency, p50": (("latency_s", "p50"), None, _seconds),
    "latency, p95": (("latency_s", "p95"), None, _seconds),
    "schema met": (("schema", "yield"), "schema_yield", _percent),
    "schema met at first": (("schema", "valid_at_first"), None, _percent),
    "feedback": (("feedback", "score"), "score", _score),
}


@click.command()
@click.argument("alias")
@click.option("--since", help="Jobs submitted since then: 2026-11-01, 2026-11-01T08:00:00Z, or 24h, 7d, 4w before now.")
@click.option("--until", help="The same; without it, until now.")
@click.option("--project", "project_name", help="Whose jobs; the key's project, or `default` on this machine.")
@json_option
@run_async
async def experiments(
    alias: str, since: str | None, until: str | None, project_name: str | None, as_json: bool
) -> None:
    """Compare the variants of a weighted ALIAS by failures, cost, latency, schema yield and feedback, each with its
    95 % interval."""
    from core.settings import read_settings
    from producer.client import open_client

    now = utc_now()
    begin, end = read_moment(since, "since", now), read_moment(until, "until", now)
    async with open_client(read_settings(), project_name or "default") as client:
        found = await client.experiment(alias, since=begin, until=end)
    if project_name not in (None, found["project"]):
        raise Forbidden(f"FACTORY_API_KEY belongs to project {found['project']!r}, not to {project_name!r}")
    if as_json:
        print_json(found)
    elif not found["variants"]:
        click.echo(f"no job of {alias} has drawn a variant in this time; `weighted` is the strategy that draws")
    else:
        _print_readout(found)


def _print_readout(found: dict[str, Any]) -> None:
    print_table([_counts_of(one) for one in found["variants"]], COUNTS)
    click.echo()
    compared = {one["variant"]: one for one in found["comparisons"]}
    first = found["variants"][0]["variant"]
    rows = [
        row | {"against_the_first": _say_verdict(compared.get(row["variant"], {}).get(measure), say)}
        for name, (path, measure, say) in FIGURES.items()
        for row in _rows_of(found["variants"], name, path, say)
    ]
    print_table(rows, ("figure", "variant", "value", "95_%_interval", "of", "against_the_first"))
    if found["comparisons"]:
        click.echo(f"\nthe first is {first}; in brackets, the difference that {_confident(found)} allows")
    if any(one["emulated"] for one in found["variants"]):
        click.echo("emulated answers are among them: their cost, latency and quality say nothing of a provider")


def _confident(found: dict[str, Any]) -> str:
    return f"{100 * float(found['confidence']):.0f} % confidence in all comparisons together"


def _counts_of(one: dict[str, Any]) -> dict[str, Any]:
    unpriced = one["cost"]["unpriced_calls"]
    spent = f"{decimal_text(one['cost']['spent'])} USD" if one["cost"]["spent"] else "0"
    labels = [f"{label}: {jobs}" for label, jobs in one["feedback"]["labels"].items()]
    return one | {
        "spent": f"{spent} and {unpriced} unpriced calls" if unpriced else spent,
        "labels": ", ".join(labels[:5]) or None,
    }


def _rows_of(
    variants: list[dict[str, Any]], name: str, path: tuple[str, ...], say: Callable[[Any], str]
) -> list[dict[str, Any]]:
    """One for each variant that has the figure."""
    rows = []
    for one in variants:
        figure: Any = one
        for step in path:
            figure = figure[step]
        if figure is not None:
            rows.append(
                {
                    "figure": name,
                    "variant": one["variant"],
                    "value": say(figure["value"]),
                    "95_%_interval": _say_ends(figure, say),
                    "of": figure["n"],
                }
            )
    return rows


def _say_ends(figure: dict[str, Any], say: Callable[[Any], str]) -> str | None:
    """`?`: too few to know that end."""
    ends = ["?" if figure[name] is None else say(figure[name]) for name in ("low", "high")]
    return None if ends == ["?", "?"] else " to ".join(ends)


def _say_verdict(difference: dict[str, Any] | None, say: Callable[[Any], str]) -> str | None:
    if difference is None:
        return None
    if difference["low"] is None:
        return str(difference["verdict"])
    low, high = (("+" if float(difference[end]) > 0 else "") + say(difference[end]) for end in ("low", "high"))
    return f"{difference['verdict']} ({low} to {high})"
