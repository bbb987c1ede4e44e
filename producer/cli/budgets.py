"""The command `budgets`: what projects may spend, and what is left."""

import click

from producer.cli.following import factory_client
from producer.cli.output import json_option, print_json, print_table, run_async

COLUMNS = (
    "project",
    "period",
    "spent_usd",
    "uncertain_usd",
    "reserved_usd",
    "soft_usd",
    "hard_usd",
    "left_usd",
    "resets_at",
)


@click.command()
@json_option
@run_async
async def budgets(as_json: bool) -> None:
    """Show the budgets of all projects, what is spent, reserved and left."""
    async with factory_client() as client:
        found = (await client.administer("GET", "/budgets"))["data"]
    if as_json:
        print_json(found)
    elif not found:
        click.echo("no project has a budget")
    else:
        rows = [one | period for one in found for period in one["periods"] if _is_bound(period)]
        print_table(rows, COLUMNS)


def _is_bound(period: dict[str, object]) -> bool:
    return period["soft_usd"] is not None or period["hard_usd"] is not None
