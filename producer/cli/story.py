"""The command `story`."""

import asyncio
import secrets
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from core.jsonio import decimal_text
from producer.cli.jobs import factory_client
from producer.cli.output import json_option, print_json, print_table, run_async
from producer.story.report import slug

MARKS = {"completed": "✓", "failed": "✗", "expired": "✗", "cancelled": "✗", "in_progress": "…", "cancelling": "…"}


@click.command()
@click.argument("title_or_yaml")
@click.option("--chapters", type=click.IntRange(1, 60), help="How many chapters.")
@click.option("--voice", help="A voice for the narration.")
@click.option("--no-narration", is_flag=True, help="Text only.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="The folder; stories/TITLE without.")
@click.option("--new", is_flag=True, help="Write it anew instead of joining the one that was begun.")
@json_option
@run_async
async def story(
    title_or_yaml: str,
    chapters: int | None,
    voice: str | None,
    no_narration: bool,
    out: Path | None,
    new: bool,
    as_json: bool,
) -> None:
    """Write and narrate a story, from a title or a YAML brief.

    It runs in the workers: closing the terminal stops nothing, and the same command joins it again.
    """
    from producer.story.brief import read_brief
    from producer.story.run import follow_story, submit_story, write_story

    changes: dict[str, Any] = {"chapters": chapters, "voice": voice} | ({"narration": False} if no_narration else {})
    brief = read_brief(title_or_yaml, {name: value for name, value in changes.items() if value is not None})
    folder = out or Path("stories") / slug(brief.title)
    async with factory_client() as client:
        batch = await submit_story(client, brief, secrets.token_hex(8) if new else "")
        click.echo(f"batch {batch['id']}, {batch['total']} jobs", err=True)
        show = _LiveProgress() if sys.stderr.isatty() else _PlainProgress()
        try:
            with show:
                jobs = await follow_story(client, batch, show)
        except asyncio.CancelledError:
            click.echo("\nThe story goes on in the workers; the same command joins it again.", err=True)
            raise
        files = await write_story(client, brief, batch, jobs, folder)
    _report(brief.title, batch, jobs, folder, files, as_json)
    if batch["counts"]["completed"] < batch["total"]:
        sys.exit(1)


def _report(
    title: str,
    batch: Mapping[str, Any],
    jobs: Sequence[Mapping[str, Any]],
    folder: Path,
    files: Sequence[Path],
    as_json: bool,
) -> None:
    from producer.story.report import by_model

    if as_json:
        print_json({"title": title, "batch": batch, "folder": str(folder), "files": [str(path) for path in files]})
        return
    print_table(by_model(jobs), ("provider", "model", "calls", "tokens", "characters", "cost"))
    cost = f"{decimal_text(Decimal(batch['cost']))} USD" if batch["cost"] is not None else "unknown, a price is missing"
    click.echo(f"\n{title}: {batch['counts']['completed']} of {batch['total']} jobs, cost {cost}")
    if any(call["emulated"] for job in jobs for call in job["calls"]):
        click.echo("The answers come from the emulator: no provider was called and nothing was spent.")
    for job in jobs:
        if job["error"] is not None:
            click.echo(f"{job['key']} {job['status']}: {job['error']['kind']}: {job['error']['message']}")
    for path in files:
        click.echo(str(path))


def _line(job: Mapping[str, Any]) -> tuple[str, str, str, str]:
    from producer.story.report import latency_ms

    result = job["result"] or {}
    took = latency_ms(job)
    return (
        f"{MARKS.get(job['status'], '·')} {job['key']}",
        job["status"],
        f"{result['provider']}/{result['model']}" if result else "",
        f"{took / 1000:.1f} s" if took is not None else "",
    )


class _PlainProgress:
    """A line at every change of a job."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, _batch: Mapping[str, Any], jobs: Sequence[Mapping[str, Any]]) -> None:
        for job in jobs:
            if job["status"] in MARKS and self._seen.get(job["key"]) != job["status"]:
                self._seen[job["key"]] = job["status"]
                name, status, model, took = _line(job)
                click.echo(f"{name:<16}{status:<12}{took:<8}{model}".rstrip(), err=True)


class _LiveProgress:
    """One line a job, redrawn in place."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(stderr=True), refresh_per_second=8)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, batch: Mapping[str, Any], jobs: Sequence[Mapping[str, Any]]) -> None:
        from rich.table import Table

        table = Table("job", "state", "model", "time", "USD", title=f"batch {batch['id']}", title_justify="left")
        for job in jobs:
            table.add_row(*_line(job), f"{job['cost']:f}" if job["cost"] is not None else "")
        self._live.update(table)
