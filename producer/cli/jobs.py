"""Commands about jobs: submit, batch, results, jobs, watch."""

import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from core.errors import NotFound, Problem, RequestRefused
from core.jsonio import decimal_text, dump_json
from producer.cli.following import (
    OVER,
    WorkerHint,
    detaching,
    factory_client,
    say_cost,
    say_counts,
    say_failure,
    say_seconds,
)
from producer.cli.output import json_option, print_json, print_table, run_async
from producer.cli.requesting import KINDS, read_body, request_options

if TYPE_CHECKING:
    from producer.client import FactoryClient

WAIT_S = 5.0
WRONG_LINES = 20
STATES = ("waiting", "queued", "in_progress", "cancelling", "completed", "failed", "cancelled", "expired")
SPANS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
key_option = click.option("--idempotency-key", help="Submitting again with the same key joins the first.")


@click.command()
@click.argument("stdin", required=False, metavar="[-]", type=click.Choice(["-"]))
@request_options
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to put the audio.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for the answer.")
@key_option
@json_option
@run_async
async def submit(**given: Any) -> None:
    """Submit one job and print its answer; with --no-wait, its id. With -, the text comes from standard input."""
    body = read_body(given)
    if given["out"] is not None and (body["kind"] != "speech" or not given["wait"]):
        raise click.UsageError("--out is for the audio of --kind speech, once it is there")
    async with factory_client() as client:
        job = await client.submit_job(body, given["idempotency_key"])
        if given["wait"]:
            job = await _wait_for(client, job)
        if given["out"] is not None and job["status"] == "completed":
            await client.download_audio(job["id"], given["out"])
    if given["as_json"]:
        print_json(job)
    elif given["wait"]:
        _print_answer(job, given["out"])
    else:
        click.echo(job["id"])
    if given["wait"] and job["status"] != "completed":
        sys.exit(1)


async def _wait_for(client: "FactoryClient", job: dict[str, Any]) -> dict[str, Any]:
    """Until the job is over; on a terminal with a word on where it stands."""
    hint = WorkerHint()
    with detaching(f"The job goes on. Its answer: factory watch {job['id']}"), _Standing() as standing:
        while job["status"] not in OVER:
            place = f", {job['position']} in line" if job["position"] else ""
            standing.show(f"{job['status'].replace('_', ' ')}{place}")
            job = await client.get_job(job["id"], WAIT_S)
            if missing := hint.look(queued=job["status"] == "queued", started=job["attempts"] > 0):
                click.echo(missing, err=True)
    return job


class _Standing:
    """One line on the terminal that changes in place; nothing in a pipe."""

    def __init__(self) -> None:
        self._status: Any = None

    def __enter__(self) -> "_Standing":
        if sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True).status("")
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def show(self, text: str) -> None:
        if self._status is not None:
            self._status.update(text)


def _print_answer(job: dict[str, Any], audio_path: Path | None = None) -> None:
    """The answer alone on standard output, so that it can be piped; where it is from on standard error."""
    if job["status"] != "completed":
        click.echo(f"{job['id']} {say_failure(job)}", err=True)
        return
    result = job["result"]
    if sound := result.get("audio"):
        click.echo(str(audio_path) if audio_path else sound["url"])
        click.echo(f"{sound['duration_s']:.1f} s of {sound['format']}, {sound['bytes']} bytes", err=True)
    elif "embeddings" in result:
        for vector in result["embeddings"]:
            click.echo(dump_json(vector))
    else:
        click.echo(result["content"] if result["content"] is not None else dump_json(result.get("tool_calls")))
    for warning in result.get("warnings", ()):
        click.echo(f"warning: {warning}", err=True)
    notes = [f"{result['provider']}/{result['model']}", say_cost(job["cost"])]
    notes += ["cached"] if result["cached"] else []
    notes += ["emulated"] if any(call["emulated"] for call in job["calls"]) else []
    click.echo(f"({', '.join(notes)})", err=True)


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--wait/--no-wait", default=False, show_default=True, help="Follow it until it is done.")
@click.option("--skip-errors", is_flag=True, help="Run the good lines when some are wrong.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Wait, and write every job with its answer, as JSONL in the order of the lines.",
)
@key_option
@json_option
@run_async
async def batch(
    file: BinaryIO, wait: bool, skip_errors: bool, out: Path | None, idempotency_key: str | None, as_json: bool
) -> None:
    """Submit a FILE of jobs, one JSON object a line (- is standard input), all or none.

    Prints the batch's id. The exit code is 2 when it was refused; with --wait, 1 when a job did not complete.
    """
    async with factory_client() as client:
        on_error = "skip" if skip_errors else "reject"
        made = await client.send_batch(file, on_error=on_error, idempotency_key=idempotency_key)
        made = await _until_read(client, made)
        if (wait or out) and made["status"] != "failed":
            made = await _follow_batch(client, made["id"], "Its answers: factory watch")
        if out and made["status"] != "failed":
            await client.save_results(made["id"], out)
        await _say_wrong_lines(client, made)
    if as_json:
        print_json(made)
    elif wait or out or made["status"] == "failed":
        _print_batch(made)
    else:
        click.echo(made["id"])
    if made["status"] == "failed":
        sys.exit(2)
    if (wait or out) and made["counts"]["completed"] < made["total"]:
        sys.exit(1)


async def _until_read(client: "FactoryClient", made: dict[str, Any]) -> dict[str, Any]:
    """A long file is read after it was taken; without another process of the factory, this one does it."""
    with _Standing() as standing:
        while made["status"] == "validating":
            standing.show(f"{made['total']} lines are being read")
            made = await client.get_batch(made["id"], WAIT_S, made["sequence"])
    return made


async def _say_wrong_lines(client: "FactoryClient", made: dict[str, Any]) -> None:
    if not made["refused"]:
        if made["error"]:
            click.echo(f"error: {made['error']['message']}", err=True)
        return
    for line in await client.batch_errors(made["id"], WRONG_LINES):
        for one in line["problems"]:
            field = f"{one['field']}: " if one.get("field") else ""
            click.echo(f"line {line['line']}: {field}{one['message']}", err=True)
    more = made["refused"] - WRONG_LINES
    said = f"; the first {WRONG_LINES} are above" if more > 0 else ""
    click.echo(f"{made['refused']} lines made no job{said}", err=True)


async def _follow_batch(client: "FactoryClient", batch_id: str, come_back: str) -> dict[str, Any]:
    hint = WorkerHint()
    made: dict[str, Any] = {}
    with detaching(f"The batch goes on. {come_back} {batch_id}"), _Standing() as standing:
        async for made in client.follow_batch(batch_id):
            standing.show(say_counts(made))
            if missing := hint.look_at_batch(made):
                click.echo(missing, err=True)
    return made


def _print_batch(made: dict[str, Any]) -> None:
    click.echo(f"{made['id']}  {made['status']}  {say_counts(made)}  {say_cost(made['cost'])}")


@click.command()
@click.argument("batch_id")
@click.option("--status", type=click.Choice(("completed", "failed", "cancelled", "expired")), help="Only those.")
@run_async
async def results(batch_id: str, status: str | None) -> None:
    """Write the answers of a batch, as far as they are there, as JSONL in the order of its lines."""
    async with factory_client() as client:
        async for piece in client.stream_results(batch_id, status):
            sys.stdout.buffer.write(piece)


@click.command()
@click.argument("job_id", required=False)
@click.option("--status", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--kind", type=KINDS, help="Only those of this kind.")
@click.option("--batch", "batch_id", help="Only those of this batch.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100_000))
@json_option
@run_async
async def jobs(job_id: str | None, limit: int, as_json: bool, **filters: str | None) -> None:
    """List jobs, the newest first; or show the one of JOB_ID with its calls."""
    async with factory_client() as client:
        if job_id is not None:
            job = await client.get_job(job_id)
            print_json(job) if as_json else _print_job(job)
            return
        found = [job async for job in client.iterate_jobs(most=limit, **filters)]
    if as_json:
        print_json(found)
        return
    rows = [job | {"took": _took(job), "created": _short(job["created_at"])} for job in found]
    print_table(rows, ("id", "status", "kind", "model", "key", "attempts", "took", "cost", "created"))


def _print_job(job: dict[str, Any]) -> None:
    names = ("id", "status", "kind", "model", "key", "batch_id", "priority", "position", "attempts", "cost")
    shown = {name: job[name] for name in (*names, "uncertain_cost") if job[name] is not None}
    shown |= {"created": _short(job["created_at"]), "took": _took(job)}
    for name, value in shown.items():
        if value:
            text = decimal_text(value) + " USD" if isinstance(value, Decimal) else value
            click.echo(f"{name.replace('_', ' '):<15}{text}")
    if job["error"]:
        click.echo(f"{'error':<15}{job['error']['kind']}: {job['error']['message']}")
    if job["calls"]:
        click.echo()
        calls = [call | {"took": say_seconds(call["duration_ms"])} for call in job["calls"]]
        print_table(calls, ("attempt", "part", "provider", "model", "outcome", "status", "took", "cost", "message"))
    if job["status"] == "completed":
        click.echo()
        _print_answer(job)


def _took(job: dict[str, Any]) -> str:
    if not job["started_at"] or not job["finished_at"]:
        return ""
    span = datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["started_at"])
    return say_seconds(span.total_seconds() * 1000)


def _short(moment: str) -> str:
    """To the second."""
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


@click.command()
@click.argument("id")
@json_option
@run_async
async def watch(id: str, as_json: bool) -> None:  # noqa: A002  the word on the command line
    """Follow the job or batch of ID until it is done, and print what became of it."""
    async with factory_client() as client:
        try:
            job = await client.get_job(id)
        except NotFound:
            made = await _follow_batch(client, id, "Come back with: factory watch")
            done = made["counts"]["completed"] == made["total"]
            print_json(made) if as_json else _print_batch(made)
        else:
            job = await _wait_for(client, job)
            done = job["status"] == "completed"
            print_json(job) if as_json else _print_answer(job)
    if not done:
        sys.exit(1)


def read_moment(text: str | None, option: str, now: datetime) -> str | None:
    """What a person writes for a time, as RFC 3339; a time without a zone is UTC. Raises RequestRefused."""
    if text is None:
        return None
    try:
        if text[-1:] in SPANS and text[:-1].isascii() and text[:-1].isdecimal():
            moment = now - int(text[:-1]) * SPANS[text[-1]]
        else:
            moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise RequestRefused.of(
            [Problem(f"{text!r} is no time; write 2026-11-01, 2026-11-01T08:00:00Z, or 24h, 7d, 4w", option)]
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
