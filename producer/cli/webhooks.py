"""The command `webhooks`: who hears of the ends of jobs and batches."""

from typing import Any
from urllib.parse import quote

import click

from producer.cli.following import factory_client
from producer.cli.output import json_option, print_json, print_table, run_async

ENDPOINT = ("id", "url", "active", "events", "include_content", "failing_since", "disabled_reason")


@click.group()
def webhooks() -> None:
    """Endpoints that are told when jobs and batches end."""


@webhooks.command("list")
@json_option
@run_async
async def list_endpoints(as_json: bool) -> None:
    """List the project's endpoints."""
    async with factory_client() as client:
        rows = (await client.webhooks("GET", "-endpoints"))["data"]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ENDPOINT)


@webhooks.command("add")
@click.argument("url")
@click.option("--event", "events", multiple=True, help="Such as job.failed; may be said several times.")
@click.option("--include-content", is_flag=True, help="Send answers too, not only what became of a job.")
@json_option
@run_async
async def add(url: str, events: tuple[str, ...], include_content: bool, as_json: bool) -> None:
    """Make an endpoint and print its secret, this once."""
    body = {"url": url, "include_content": include_content} | ({"events": list(events)} if events else {})
    async with factory_client() as client:
        _show_secret(await client.webhooks("POST", "-endpoints", body), as_json)


@webhooks.command("rotate")
@click.argument("endpoint")
@click.option(
    "--old-expires-in-s", type=click.IntRange(0, 30 * 86_400), help="How long the old secret signs too; else a day."
)
@json_option
@run_async
async def rotate(endpoint: str, old_expires_in_s: int | None, as_json: bool) -> None:
    """Make a new secret and print it, this once; the old one signs beside it for a while."""
    body = {} if old_expires_in_s is None else {"old_expires_in_s": old_expires_in_s}
    async with factory_client() as client:
        path = f"-endpoints/{quote(endpoint, safe='')}/rotate-secret"
        _show_secret(await client.webhooks("POST", path, body), as_json)


@webhooks.command("remove")
@click.argument("endpoint")
@run_async
async def remove(endpoint: str) -> None:
    """Remove an endpoint with its deliveries."""
    async with factory_client() as client:
        await client.webhooks("DELETE", f"-endpoints/{quote(endpoint, safe='')}")
    click.echo(f"removed {endpoint}")


@webhooks.command("deliveries")
@click.argument("endpoint", required=False)
@click.option("--state", type=click.Choice(["pending", "delivered", "failed"]))
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@json_option
@run_async
async def deliveries(endpoint: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """List deliveries of ENDPOINT, or of all, the newest first."""
    path = f"-endpoints/{quote(endpoint, safe='')}/deliveries" if endpoint else "-deliveries"
    async with factory_client() as client:
        rows = (await client.webhooks("GET", path, query={"state": state, "limit": limit}))["data"]
    if as_json:
        print_json(rows)
    else:
        print_table(
            [row | {"said": _last_word(row)} for row in rows],
            ("id", "type", "state", "attempts", "last_status", "next_at", "job_id", "batch_id", "said"),
        )


@webhooks.command("redeliver")
@click.argument("delivery")
@run_async
async def redeliver(delivery: str) -> None:
    """Deliver it again, now."""
    async with factory_client() as client:
        await client.webhooks("POST", f"-deliveries/{quote(delivery, safe='')}/redeliver")
    click.echo(f"{delivery} will be delivered again")


@webhooks.command("secret")
@click.option("--rotate", is_flag=True, help="Make a new one; the old one signs beside it for a day.")
@run_async
async def secret(rotate: bool) -> None:
    """Print what deliveries to a request's own webhook_url are signed with."""
    async with factory_client() as client:
        asked = client.webhooks("POST", "-secret/rotate") if rotate else client.webhooks("GET", "-secret")
        click.echo((await asked)["secret"])


def _show_secret(made: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(made)
    else:
        click.echo(f"endpoint {made['id']}\nsecret {made['secret']}")


def _last_word(row: dict[str, Any]) -> str | None:
    """Why the last try failed."""
    last = row["log"][-1] if row["log"] else {}
    return None if row["state"] == "delivered" else last.get("error") or (last.get("answer") or "")[:60] or None
