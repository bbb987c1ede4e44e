"""The command `cache`: what it has saved, and emptying it."""

import click

from producer.cli.following import factory_client
from producer.cli.output import json_option, print_json, print_table, run_async


@click.group()
def cache() -> None:
    """Answers that are given again to identical requests."""


@cache.command("show")
@click.option("--since", help="Hits from this time on, such as 2026-12-24T00:00:00Z.")
@json_option
@run_async
async def show(since: str | None, as_json: bool) -> None:
    """Show what the project's cache holds and what it has saved."""
    async with factory_client() as client:
        found = await client.cache(since)
    if as_json:
        print_json(found)
    else:
        print_table(
            [found], ("mode", "entries", "hits", "parts_found", "saved_usd", "unpriced", "ttl_s", "max_entries")
        )


@cache.command("clear")
@run_async
async def clear() -> None:
    """Forget every answer; jobs and recordings stay."""
    async with factory_client() as client:
        forgotten = await client.clear_cache()
    click.echo(f"forgotten: {forgotten} answers")
