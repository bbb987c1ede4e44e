"""Commands of operators: project, pause, key. They act on the database directly."""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any, TypeVar

import click

from core.clock import utc_now
from core.errors import Conflict, NotFound
from producer.cli.administering import rotate, set_project
from producer.cli.output import json_option, print_json, print_table, told_errors

R = TypeVar("R")


def with_database(work: Callable[[Any], Awaitable[R]]) -> R:
    """What `work` makes of a pool on the database that the settings name."""
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


def _changing(work: Callable[[Any], Awaitable[R]]) -> R:
    """Like `with_database`, in one transaction of which the audit trail names the author: `cli USER`."""
    from producer.admin.changing import changing

    async def change(pool: Any) -> R:
        async with changing(pool, f"cli {user_name()}") as connection:
            return await work(connection)

    return with_database(change)


def user_name() -> str:
    """Who is logged in; their number where they have no name, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


@click.group()
def project() -> None:
    """Make, list and change projects."""


@project.command("create")
@click.argument("name")
@click.option("--if-missing", is_flag=True, help="No error when it is there already; makes another key.")
@json_option
def project_create(name: str, if_missing: bool, as_json: bool) -> None:
    """Make a project and its first API key, which is shown this once."""
    from producer.keys import create_key, create_project

    async def work(db: Any) -> str:
        try:
            return await create_project(db, name)
        except Conflict:
            if not if_missing:
                raise
            return await create_key(db, project=name)

    key = _changing(work)
    if as_json:
        print_json({"project": name, "api_key": key})
    else:
        click.echo(f"project {name}\napi key {key}")


@project.command("list")
@json_option
def project_list(as_json: bool) -> None:
    """List the projects."""
    from sql.configuration import select_projects

    rows = [asdict(one) for one in with_database(select_projects)]
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

    async def work(db: Any) -> None:
        if project_name is None:
            await pause_everything(db, paused)
        elif not await pause_project(db, project_name, paused):
            raise NotFound(f"there is no project {project_name!r}")

    _changing(work)
    click.echo(f"{project_name or 'everything'}: {'paused' if paused else 'going on'}")


@click.group()
def key() -> None:
    """Make, list, rotate and revoke API keys."""


@key.command("create")
@click.option("--project", "project_name", default="default", show_default=True)
@click.option("--scope", type=click.Choice(["jobs", "read", "admin"]), default="jobs", show_default=True)
@click.option("--name", help="To tell keys apart.")
@click.option("--expires-in-days", type=click.IntRange(1, 3650))
@json_option
def key_create(project_name: str, scope: str, name: str | None, expires_in_days: int | None, as_json: bool) -> None:
    """Make a key, which is shown this once. Two keys at once make a rotation without a gap."""
    from producer.keys import create_key

    expires_at = utc_now() + timedelta(days=expires_in_days) if expires_in_days else None
    owner = None if scope == "admin" else project_name
    made = _changing(lambda db: create_key(db, project=owner, scopes=[scope], name=name, expires_at=expires_at))
    if as_json:
        print_json({"project": owner, "scope": scope, "api_key": made})
    else:
        click.echo(made)


@key.command("list")
@json_option
def key_list(as_json: bool) -> None:
    """List keys by their first characters."""
    from sql.access import select_api_keys

    rows = with_database(select_api_keys)
    if as_json:
        print_json(rows)
    else:
        print_table(
            rows, ("prefix", "name", "project", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")
        )


@key.command("revoke")
@click.argument("prefix")
def key_revoke(prefix: str) -> None:
    """Revoke the key that begins with PREFIX, as `key list` shows it, or has this id."""
    from producer.keys import end_key

    _changing(lambda db: end_key(db, prefix))
    click.echo(f"revoked {prefix}")


key.add_command(rotate)
project.add_command(set_project)
