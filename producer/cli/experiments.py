"""The command experiments."""

from typing import Any

import click

from producer.cli.following import factory_client
from producer.cli.output import json_option, print_json, print_table, run_async

FIGURES = ("failures", "cost_per_job", "latency_s", "schema_yield", "score")


@click.command()
@click.argument("alias")
@click.option("--since", help="A time such as 2026-12-24T18:00:00Z.")
@click.option("--until", help="A time such as 2026-12-24T18:00:00Z.")
@json_option
@run_async
async def experiments(alias: str, since: str | None, until: str | None, as_json: bool) -> None:
    """Compare the variants of a weighted ALIAS by cost, latency, failures, schema yield and feedback, with 95 %
    intervals."""
    async with factory_client() as client:
        found = await client.experiment(alias, since=since, until=until)
    if as_json:
        print_json(found)
        return
    if not found["variants"]:
        click.echo(f"no job of {alias} has drawn a variant; its strategy must be weighted")
        return
    print_table([_row(one) for one in found["variants"]], ("variant", "jobs", "completed", "by_others", *FIGURES))
    if found["comparisons"]:
        click.echo(f"\nagainst {found['variants'][0]['variant']}:")
        rows = [
            {"variant": one["variant"], **{name: _verdict(one[name]) for name in FIGURES}}
            for one in found["comparisons"]
        ]
        print_table(rows, ("variant", *FIGURES))


def _row(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "variant": one["variant"],
        "jobs": one["jobs"],
        "completed": one["completed"],
        "by_others": one["answered_by_others"],
        "failures": _shown(one["failures"], share=True),
        "cost_per_job": _shown(one["cost_per_job"]),
        "latency_s": _shown(one["latency_s"]["mean"]),
        "schema_yield": _shown(one["schema"]["yield"], share=True),
        "score": _shown(one["feedback"]["score"]),
    }


def _shown(estimate: dict[str, Any] | None, *, share: bool = False) -> str:
    if estimate is None:
        return "-"

    def text(value: Any) -> str:
        return "?" if value is None else f"{float(value):.1%}" if share else f"{float(value):.4g}"

    return f"{text(estimate['value'])} ({text(estimate['low'])} to {text(estimate['high'])})"


def _verdict(difference: dict[str, Any] | None) -> str:
    return (
        "-"
        if difference is None
        else f"{difference['verdict']} ({_sign(difference['low'])} to {_sign(difference['high'])})"
    )


def _sign(value: Any) -> str:
    return f"{float(value):+.3g}"
