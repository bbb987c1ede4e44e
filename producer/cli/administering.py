"""Commands over the admin API: faults, audit, and what `project` and `key` do beyond making."""

from typing import Any

import click

from core.jsonio import load_json
from producer.cli.following import factory_client
from producer.cli.output import json_option, print_json, print_table, run_async


@click.command()
@json_option
@run_async
async def faults(as_json: bool) -> None:
    """Show what is wrong with the configuration; the exit code is 1 when something is."""
    async with factory_client() as client:
        found = (await client.administer("GET", "/faults"))["data"]
    if as_json:
        print_json(found)
    elif not found:
        click.echo("nothing")
    else:
        print_table(found, ("subject", "code", "message"))
    if found:
        raise SystemExit(1)


@click.command()
@json_option
@run_async
async def limits(as_json: bool) -> None:
    """Show limits and what is in use of them: requests and tokens of the last minute, and what runs now."""
    async with factory_client() as client:
        rows = (await client.administer("GET", "/limits"))["data"]
    if as_json:
        print_json(rows)
    elif not rows:
        click.echo("no limit is set, and no provider named one")
    else:
        names = ("requests", "tokens", "running")
        shown = [{"scope": row["scope"], **{name: _of_limit(row, name) for name in names}} for row in rows]
        said = [", ".join(f"{name} {value}" for name, value in row["said"].items()) for row in rows]
        columns = ("scope", *names, "provider says")
        print_table([row | {"provider says": text} for row, text in zip(shown, said, strict=True)], columns)


def _of_limit(row: dict[str, Any], name: str) -> str:
    """`3 of 20`; the number alone where nothing limits it."""
    columns = {"requests": "requests_per_minute", "tokens": "tokens_per_minute", "running": "concurrency"}
    limit = row["limits"].get(columns[name])
    return f"{row[name]} of {limit}" if limit is not None else str(row[name] or "")


@click.command()
@click.option("--subject", help="A table such as models, or one row such as 'models openai/gpt-6-luna'.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@json_option
@run_async
async def audit(subject: str | None, limit: int, as_json: bool) -> None:
    """Show who changed what in the configuration, the newest first."""
    async with factory_client() as client:
        rows = (await client.administer("GET", "/audit", query={"subject": subject, "limit": limit}))["data"]
    if as_json:
        print_json(rows)
    else:
        print_table([row | {"changed": _changed(row)} for row in rows], ("at", "actor", "action", "subject", "changed"))


def _changed(row: dict[str, Any]) -> str:
    """The columns of an update with their new values."""
    if row["action"] != "update":
        return ""
    before, after = row["before"], row["after"]
    return ", ".join(
        f"{name}: {before.get(name)} → {value}" for name, value in after.items() if before.get(name) != value
    )


@click.command()
@click.argument("prefix")
@click.option(
    "--old-expires-in-s", type=click.IntRange(0), help="How long the old key stays in force; else until it is revoked."
)
@json_option
@run_async
async def rotate(prefix: str, old_expires_in_s: int | None, as_json: bool) -> None:
    """Make a second key like the one that begins with PREFIX; both are in force."""
    body = {} if old_expires_in_s is None else {"old_expires_in_s": old_expires_in_s}
    async with factory_client() as client:
        made = await client.administer("POST", f"/keys/{prefix}/rotate", body)
    if as_json:
        print_json(made)
    else:
        click.echo(made["api_key"])


@click.command("set")
@click.argument("name")
@click.argument("changes", nargs=-1, required=True, metavar="FIELD=VALUE…")
@json_option
@run_async
async def set_project(name: str, changes: tuple[str, ...], as_json: bool) -> None:
    """Change a project: weight=50, active=false, settings.region=eu, settings.allowed_models='["gpt-*"]'. VALUE is
    JSON, or text; null takes a setting away."""
    async with factory_client() as client:
        project = await client.administer("GET", f"/projects/{name}")
        body = _read_changes(changes, dict(project["settings"]))
        changed = await client.administer("PATCH", f"/projects/{name}", body)
    if as_json:
        print_json(changed)
    else:
        print_table([changed], ("name", "active", "weight", "paused", "settings"))


def _read_changes(changes: tuple[str, ...], settings: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for change in changes:
        field, equals, text = change.partition("=")
        if not equals:
            raise click.UsageError(f"{change!r}: FIELD=VALUE is needed, such as weight=50 or settings.region=eu")
        try:
            value = load_json(text)
        except ValueError:
            value = text
        if not field.startswith("settings."):
            body[field] = value
            continue
        setting = field.removeprefix("settings.")
        settings.pop(setting, None)
        if value is not None or setting == "audio_retention_days":
            settings[setting] = value
        body["settings"] = settings
    return body
