"""The command `story`."""

import secrets
import shlex
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.clock import utc_now
from producer.cli.following import OVER, WorkerHint, detaching, factory_client, say_cost, say_counts, say_seconds
from producer.cli.output import json_option, print_json, print_table, run_async

if TYPE_CHECKING:
    from rich.table import Table

    from producer.story.report import StoryReport
    from producer.story.run import StoryState

MARKS = {"completed": "✓", "failed": "✗", "expired": "✗", "cancelled": "✗", "in_progress": "▸", "cancelling": "▸"}
COLOURS = {"completed": "green", "failed": "red", "expired": "red", "cancelled": "yellow", "in_progress": "cyan"}
SPENDING = ("provider", "model", "calls", "prompt_tokens", "completion_tokens", "characters", "USD")


@click.command()
@click.argument("title_or_yaml")
@click.option("--chapters", type=click.IntRange(1, 60), help="How many chapters.")
@click.option("--voice", help="The voice of the narration, such as narrator, storyteller or grandfather.")
@click.option("--no-narration", is_flag=True, help="Text only.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="The folder; without it stories/TITLE.")
@click.option("--new", is_flag=True, help="Write it anew instead of joining the one that was begun.")
@click.option("--join", metavar="BATCH", help="Write the folder of this batch, whatever the brief says now.")
@json_option
@run_async
async def story(**given: Any) -> None:
    """Write and narrate a story, from a title or a YAML brief.

    It runs in the workers: closing the terminal stops nothing, and the same command joins it again, for a day; with
    the id of its batch also later. The folder gets a Markdown file and a narration for each chapter, and story.json.
    """
    from producer.story.brief import read_brief
    from producer.story.report import slug
    from producer.story.run import submit_story, write_story

    if given["new"] and given["join"]:
        raise click.UsageError("--new or --join, not both")
    narration = False if given["no_narration"] else None
    brief = read_brief(given["title_or_yaml"], chapters=given["chapters"], voice=given["voice"], narration=narration)
    folder = given["out"] or Path("stories") / slug(brief.title, "story")
    async with factory_client() as client:
        salt = secrets.token_hex(16) if given["new"] else ""
        batch = await (client.get_batch(given["join"]) if given["join"] else submit_story(client, brief, salt))
        click.echo(f"batch {batch['id']}: {say_counts(batch)}", err=True)
        with detaching(f"The story goes on in the workers. Come back with: {_command(given, batch['id'])}"):
            batch = await _follow(client, batch["id"])
            report = await write_story(client, brief, batch, folder)
    if given["as_json"]:
        print_json(report.record | {"batch": batch, "folder": str(folder)})
    else:
        _print_report(report, folder)
    _print_failures(report)
    if report.failures:
        sys.exit(1)


def _command(given: dict[str, Any], batch_id: str) -> str:
    """What joins this batch again."""
    words = ["factory", "story", given["title_or_yaml"]]
    for name in ("chapters", "voice", "out"):
        words += [f"--{name}", str(given[name])] if given[name] is not None else []
    words += ["--no-narration"] if given["no_narration"] else []
    words += ["--join", batch_id] if given["new"] or given["join"] else []
    return shlex.join(words)


async def _follow(client: Any, batch_id: str) -> dict[str, Any]:
    from producer.story.run import follow_story

    hint = WorkerHint()
    batch: dict[str, Any] = {}
    with LiveProgress(utc_now) if sys.stderr.isatty() else PlainProgress() as progress:
        async for state in follow_story(client, batch_id):
            batch = state.batch
            progress.show(state, hint.look_at_batch(batch))
    return batch


def _print_report(report: "StoryReport", folder: Path) -> None:
    rows = [
        {name: getattr(row, name, None) for name in SPENDING}
        | {"USD": "unknown" if row.cost_usd is None else row.cost_usd}
        for row in report.spending
    ]
    if rows:
        print_table(rows, SPENDING)
    totals = report.record["totals"]
    took = say_seconds(totals["elapsed_ms"])
    click.echo(f"{report.record['title']}: {say_counts(totals)}; {took}; {say_cost(report.total_cost_usd)}")
    if totals["uncertain_cost_usd"]:
        click.echo(f"Calls that never answered may have cost up to {say_cost(totals['uncertain_cost_usd'])} more.")
    if report.emulated:
        click.echo(
            "The emulator answered, as no provider key is set: nothing was spent, and the costs are what it would be."
        )
    click.echo(f"{folder}/")
    for name in (*report.record["files"], "story.json"):
        click.echo(f"  {name}")


def _print_failures(report: "StoryReport") -> None:
    causes = [failure for failure in report.failures if not failure.follows]
    followers = [failure.key for failure in report.failures if failure.follows]
    for failure in causes:
        click.echo(f"{failure.key} {failure.status}: {failure.reason}", err=True)
    if followers:
        click.echo(f"not written because of that: {', '.join(followers)}", err=True)
    if report.failures:
        click.echo("`--new` writes the whole story again.", err=True)


def say_state(job: dict[str, Any]) -> str:
    retrying = job["status"] == "queued" and job["attempts"]
    return "will be retried" if retrying else str(job["status"]).replace("_", " ")


def say_model(job: dict[str, Any]) -> str:
    """The model that answered, or the name that was asked for."""
    result = job["result"]
    return f"{result['provider']}/{result['model']}" if result else str(job["model"])


def say_time(job: dict[str, Any], now: datetime) -> str:
    if job["started_at"] is None:
        return ""
    until = datetime.fromisoformat(job["finished_at"]) if job["finished_at"] else now
    return say_seconds(max(0.0, (until - datetime.fromisoformat(job["started_at"])).total_seconds() * 1000))


class PlainProgress:
    """A line whenever a job has started or ended, for pipes and logs."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def __enter__(self) -> "PlainProgress":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, state: "StoryState", hint: str | None) -> None:
        for job in state.jobs:
            if job["status"] in MARKS and self._seen.get(job["id"]) != job["status"]:
                self._seen[job["id"]] = job["status"]
                over = job["status"] in OVER
                more = [say_time(job, utc_now()), say_cost(job["cost"])] if over else []
                parts = [f"{job['key']:<14}{say_state(job):<12}", say_model(job), *more]
                click.echo("  ".join(parts).rstrip(), err=True)
        if hint:
            click.echo(hint, err=True)


class LiveProgress:
    """One line a job, redrawn in place; the clock of what runs goes on between two changes."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        from rich.console import Console
        from rich.live import Live

        self._clock = clock
        self._state: StoryState | None = None
        self._hint: str | None = None
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=4, get_renderable=self._draw)

    def __enter__(self) -> "LiveProgress":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, state: "StoryState", hint: str | None) -> None:
        self._state, self._hint = state, hint or self._hint

    def _draw(self) -> "Table":
        from rich.table import Table
        from rich.text import Text

        table = Table("", "job", "state", "model", "time", "cost", box=None, pad_edge=False, header_style="dim")
        if self._state is None:
            return table
        before, shown, after = fit(self._state.jobs, self._console.height - 4)
        if before:
            table.add_row("✓", f"{before} more", "completed", style="green")
        for job in shown:
            cost = say_cost(job["cost"]) if job["status"] in OVER else ""
            cells = (job["key"], say_state(job), say_model(job), say_time(job, self._clock()), cost)
            mark = MARKS.get(job["status"], "·")
            table.add_row(mark, *(Text(cell) for cell in cells), style=COLOURS.get(job["status"], "dim"))
        if after:
            table.add_row("·", f"{after} more", "waiting", style="dim")
        if self._hint and self._state.batch["status"] == "in_progress":
            table.caption, table.caption_justify = self._hint, "left"
        return table


def fit(jobs: Sequence[dict[str, Any]], room: int) -> tuple[int, Sequence[dict[str, Any]], int]:
    """How many completed jobs at the top and how many others at the bottom to leave out on a screen with so many
    lines, and the jobs to show."""
    begin, end = 0, len(jobs)
    while end - begin > max(room, 1) and jobs[begin]["status"] == "completed":
        begin += 1
    end = min(end, begin + max(room, 1))
    return begin, jobs[begin:end], len(jobs) - end
