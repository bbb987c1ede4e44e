"""Commands about routes: routes explain, alerts."""

import contextlib
from typing import BinaryIO

import click

from core.jsonio import dump_json, load_json
from producer.cli.following import factory_client
from producer.cli.output import json_option, print_json, print_table, run_async


@click.group()
def routes() -> None:
    """Explain where a request would go."""


@routes.command("explain")
@click.argument("request_file", required=False, type=click.File("rb"))
@click.option("--model", default="fast", show_default=True)
@click.option("--kind", type=click.Choice(["text", "speech", "embedding"]), default="text", show_default=True)
@click.option("--prompt", default="Hello", show_default=True, help="The prompt, or the text to speak or embed.")
@click.option("--project", "project_name", default="default", show_default=True)
@json_option
@run_async
async def routes_explain(
    request_file: BinaryIO | None, model: str, kind: str, prompt: str, project_name: str, as_json: bool
) -> None:
    """Show the routes of a request in order, and why others are none. REQUEST_FILE holds the request as JSON."""
    text = {"prompt" if kind == "text" else "input": prompt}
    body = {"project": project_name, "model": model, "kind": kind, **text}
    sent = _with_project(request_file.read(), project_name) if request_file else dump_json(body)
    async with factory_client() as client:
        plan = await client.administer("POST", "/routes/explain", sent)
    if as_json:
        print_json(plan)
        return
    drawn = f", drawn: {plan['variant']}" if plan["variant"] else ""
    click.echo(f"{plan['model']}, by {plan['strategy']}{drawn}:")
    print_table(plan["routes"], ("provider", "model", "handler", "endpoint", "price", "reason"))
    if plan["resting"]:
        click.echo("\nat rest:")
        print_table(plan["resting"], ("provider", "model", "endpoint", "reason"))
    if plan["exclusions"]:
        click.echo("\nnot taken:")
        print_table(plan["exclusions"], ("model", "endpoint", "reason"))


def _with_project(body: bytes, project_name: str) -> bytes:
    """The request with whose it is; what is no request stays as it is, for the API to say so."""
    with contextlib.suppress(ValueError):
        if isinstance(request := load_json(body), dict):
            return dump_json({"project": project_name, **request})
    return body


@click.command()
@click.option("--all", "resolved", is_flag=True, help="Also what is over.")
@json_option
@run_async
async def alerts(resolved: bool, as_json: bool) -> None:
    """What needs an operator: dead credentials, budgets, late jobs, models that retire."""
    async with factory_client() as client:
        rows = (await client.administer("GET", "/alerts", query={"resolved": resolved}))["data"]
    if as_json:
        print_json(rows)
    elif not rows:
        click.echo("nothing")
    else:
        print_table(rows, ("raised_at", "kind", "subject", "message", "times", "resolved_at"))
