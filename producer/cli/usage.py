"""The command usage."""

from decimal import Decimal
from typing import Any

import click

from core.clock import utc_now
from core.jsonio import decimal_text
from producer.cli.following import say_cost
from producer.cli.jobs import read_moment
from producer.cli.output import json_option, print_json, print_table, run_async
from producer.cli.requesting import KINDS

ALWAYS = frozenset({"calls", "ok", "prompt_tokens", "completion_tokens", "cost"})
TELLING = frozenset({"uncertain_cost", "saved_usd", "direct_cost"})  # when they are not known


@click.command()
@click.option("--by", help="Any of project, alias, provider, model, kind, variant, day, such as model,day.")
@click.option("--since", help="2026-11-01, 2026-11-01T08:00:00+01:00, or a span before now such as 24h, 7d, 4w.")
@click.option("--until", help="The same; without it, until now.")
@click.option("--batch", "batch_id", help="Only what this batch spent.")
@click.option("--alias", help="Only what was asked for under this name.")
@click.option("--provider", help="Only what this provider answered.")
@click.option("--model", help="Only what this model answered, as MODEL or PROVIDER/MODEL.")
@click.option("--kind", type=KINDS, help="Only this kind.")
@click.option("--project", help="Whose; the key's project, or `default` on this machine.")
@click.option(
    "--all-projects", is_flag=True, help="Everybody's, or with --project that one's; an operator's key is needed."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
@run_async
async def usage(
    since: str | None,
    until: str | None,
    project: str | None,
    all_projects: bool,
    as_csv: bool,
    as_json: bool,
    **filters: str | None,
) -> None:
    """Show what was spent, what the cache saved, and what the same answers would have cost on the models that their
    aliases prefer, called directly."""
    from core.settings import read_settings
    from producer.client import open_client
    from producer.usage import csv_lines

    if as_csv and as_json:
        raise click.UsageError("--csv or --json, not both")
    now = utc_now()
    times = {"since": read_moment(since, "since", now), "until": read_moment(until, "until", now)}
    async with open_client(read_settings(), project or "default") as client:
        found = await client.usage(all_projects=all_projects, project=project, **times, **filters)
    if as_json:
        print_json(found)
    elif as_csv:
        click.echo(csv_lines(found["by"], found["data"]), nl=False)
    else:
        _print_report(found)


def _print_report(found: dict[str, Any]) -> None:
    """Columns in which nothing stands are left out."""
    rows, totals = found["data"], found["totals"]
    named = [name for name in found["by"] if name != "variant" or any(row["variant"] is not None for row in rows)]
    columns = [name for name, value in totals.items() if value or name in ALWAYS or (value is None and name in TELLING)]
    print_table([row | {"saving": _share(row["saving"])} for row in rows], [*named, *columns])
    if totals["saving"] is not None:
        direct = f"{decimal_text(totals['direct_cost'])} USD"
        click.echo(f"called directly: {direct}; saved: {_share(totals['saving'])}")
    click.echo(f"total: {say_cost(found['total_cost'])}")


def _share(value: Decimal | None) -> str | None:
    return None if value is None else f"{100 * float(value):.3g} %"
