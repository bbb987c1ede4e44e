"""Commands of operators: catalog, project, key, routes. They act on the database directly."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from core.clock import utc_now
from core.errors import Conflict, NotFound, RequestRefused
from producer.cli.output import json_option, print_json, print_table, told_errors

R = TypeVar("R")
VIEWS = {
    "providers": ("id", "name", "active", "regions"),
    "models": ("provider", "model_id", "kind", "active", "context_window", "max_output_tokens", "retires_on"),
    "prices": ("provider", "model_id", "valid_from", "input", "output", "cached_input", "per_mchar"),
    "aliases": ("alias", "strategy", "position", "provider", "model_id", "active"),
    "voices": ("voice", "provider", "provider_voice_id"),
    "endpoints": ("provider", "handler_function", "base_url", "model_pattern", "region", "priority", "active"),
}


def _with_database(work: Callable[[Any], Awaitable[R]]) -> R:
    from producer.cli.programs import prepared
    from sql.pool import open_pool

    async def run(url: str, cached: bool) -> R:
        pool = await open_pool(url, max_size=2, statement_cache=cached)
        try:
            return await work(pool)
        finally:
            await pool.close()

    with told_errors(), prepared() as settings:
        return asyncio.run(run(settings.database_url or "", settings.database_statement_cache))
    raise SystemExit(1)


@click.command()
@click.argument("what", type=click.Choice(sorted(VIEWS)), default="models")
@click.option("--active", is_flag=True, help="Only what is switched on.")
@json_option
def catalog(what: str, active: bool, as_json: bool) -> None:
    """List providers, models, prices, aliases, voices or endpoints."""
    from sql.configuration import load_configuration

    found = _with_database(load_configuration)
    rows = _rows(found, what)
    if active:
        rows = [row for row in rows if row.get("active", True)]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, VIEWS[what])


def _rows(found: Any, what: str) -> list[dict[str, Any]]:
    match what:
        case "providers":
            return [asdict(one) for one in found.providers.values()]
        case "models":
            return [asdict(one) for one in found.models.values()]
        case "prices":
            return [
                asdict(one)
                | {
                    "input": one.input_usd_per_mtok,
                    "output": one.output_usd_per_mtok,
                    "cached_input": one.cached_input_usd_per_mtok,
                    "per_mchar": one.audio_usd_per_mchar,
                }
                for prices in found.prices.values()
                for one in prices
            ]
        case "aliases":
            return [
                asdict(target) | {"alias": alias.alias, "strategy": alias.strategy, "project_id": alias.project_id}
                for alias in found.aliases.values()
                for target in alias.targets
            ]
        case "voices":
            return [asdict(one) for one in found.voices.values()]
        case _:
            return [asdict(one) for endpoints in found.endpoints.values() for one in endpoints]


@click.group()
def project() -> None:
    """Make and list projects."""


@project.command("create")
@click.argument("name")
@click.option("--if-missing", is_flag=True, help="No error when it is there already; makes another key.")
@json_option
def project_create(name: str, if_missing: bool, as_json: bool) -> None:
    """Make a project and its first API key, which is shown this once."""
    from producer.keys import create_key, create_project

    async def work(pool: Any) -> str:
        try:
            return await create_project(pool, name)
        except Conflict:
            if not if_missing:
                raise
            return await create_key(pool, project=name)

    key = _with_database(work)
    if as_json:
        print_json({"project": name, "api_key": key})
    else:
        click.echo(f"project {name}\napi key {key}")


@project.command("list")
@json_option
def project_list(as_json: bool) -> None:
    """List the projects."""
    from sql.configuration import select_projects

    rows = [asdict(one) for one in _with_database(select_projects)]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ("name", "active", "weight", "id"))


@click.command()
@click.argument("project_name", metavar="[PROJECT]", required=False)
def pause(project_name: str | None) -> None:
    """Start no more jobs of PROJECT, or of anybody. What runs goes on, what is submitted waits."""
    _set_paused(project_name, paused=True)


@click.command()
@click.argument("project_name", metavar="[PROJECT]", required=False)
def resume(project_name: str | None) -> None:
    """Start jobs of PROJECT, or of everybody, again."""
    _set_paused(project_name, paused=False)


def _set_paused(project_name: str | None, *, paused: bool) -> None:
    from sql.access import pause_everything, pause_project

    async def work(pool: Any) -> None:
        if project_name is None:
            await pause_everything(pool, paused)
        elif not await pause_project(pool, project_name, paused):
            raise NotFound(f"there is no project {project_name!r}")

    _with_database(work)
    click.echo(f"{project_name or 'everything'}: {'paused' if paused else 'going on'}")


@click.group()
def key() -> None:
    """Make, list and revoke API keys."""


@key.command("create")
@click.option("--project", "project_name", default="default", show_default=True)
@click.option("--scope", type=click.Choice(["jobs", "admin"]), default="jobs", show_default=True)
@click.option("--name", help="To tell keys apart.")
@click.option("--expires-in-days", type=click.IntRange(1, 3650))
@json_option
def key_create(project_name: str, scope: str, name: str | None, expires_in_days: int | None, as_json: bool) -> None:
    """Make a key, which is shown this once. Two keys at once make a rotation without a gap."""
    from producer.keys import create_key

    expires_at = utc_now() + timedelta(days=expires_in_days) if expires_in_days else None
    owner = None if scope == "admin" else project_name
    made = _with_database(lambda pool: create_key(pool, project=owner, name=name, expires_at=expires_at))
    if as_json:
        print_json({"project": owner, "scope": scope, "api_key": made})
    else:
        click.echo(made)


@key.command("list")
@json_option
def key_list(as_json: bool) -> None:
    """List keys by their first characters."""
    from sql.access import select_api_keys

    rows = _with_database(select_api_keys)
    if as_json:
        print_json(rows)
    else:
        print_table(
            rows, ("prefix", "name", "project", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")
        )


@key.command("revoke")
@click.argument("prefix")
def key_revoke(prefix: str) -> None:
    """Revoke the key that begins with PREFIX, as `key list` shows it."""
    from sql.access import revoke_api_key

    async def work(pool: Any) -> None:
        if not await revoke_api_key(pool, prefix):
            raise NotFound(f"no key in force begins with {prefix!r}")

    _with_database(work)
    click.echo(f"revoked {prefix}")


@click.group()
def routes() -> None:
    """Explain where a request would go."""


@routes.command("explain")
@click.argument("request_file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", default="fast", show_default=True)
@click.option("--kind", type=click.Choice(["text", "speech", "embedding"]), default="text", show_default=True)
@click.option("--prompt", default="Hello", show_default=True, help="The prompt, or the text to speak or embed.")
@click.option("--project", "project_name", default="default", show_default=True)
@json_option
def routes_explain(
    request_file: Path | None, model: str, kind: str, prompt: str, project_name: str, as_json: bool
) -> None:
    """Show the routes of a request in order, and why others are none. REQUEST_FILE holds the request as JSON."""
    from adapters.registry import HANDLERS
    from core.credentials import endpoints_without_credential
    from core.jsonio import dump_json
    from core.request_checks import read_request
    from core.routing import Health, plan_routes
    from core.settings import has_provider_keys
    from sql.access import find_project
    from sql.configuration import load_configuration

    text = {"prompt" if kind == "text" else "input": prompt}
    body = request_file.read_bytes() if request_file else dump_json({"model": model, "kind": kind, **text})

    async def work(pool: Any) -> Any:
        parsed = read_request(body)
        if isinstance(parsed, list):
            raise RequestRefused.of(parsed)
        owner = await find_project(pool, project_name)
        if owner is None:
            raise NotFound(f"there is no project {project_name!r}")
        found = await load_configuration(pool)
        health = Health(endpoints_without_credential(found, emulated=not has_provider_keys()))
        return plan_routes(parsed, found, owner.id, HANDLERS, health, utc_now())

    plan = _with_database(work)
    chosen = [
        {
            "provider": route.model.provider,
            "model": route.model.model_id,
            "handler": route.handler.name,
            "endpoint": route.endpoint.base_url,
            "price": route.price.reference if route.price else None,
        }
        for route in plan.routes
    ]
    excluded = [asdict(one) for one in plan.exclusions]
    if as_json:
        print_json({"model": plan.name, "strategy": plan.strategy, "routes": chosen, "exclusions": excluded})
        return
    click.echo(f"{plan.name}, by {plan.strategy}:")
    print_table(chosen, ("provider", "model", "handler", "endpoint", "price"))
    if excluded:
        click.echo("\nnot taken:")
        print_table(excluded, ("model", "endpoint", "reason"))
