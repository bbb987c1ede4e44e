"""Commands about jobs: submit, batch, jobs, watch, usage."""

import contextlib
import csv
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from core.errors import FactoryError, Problem, RequestRefused
from core.jsonio import decimal_text, dump_json, load_json
from core.settings import read_settings
from producer.cli.output import json_option, print_json, print_table, run_async
from producer.client import FactoryClient, open_client

TERMINAL = ("completed", "failed", "cancelled", "expired")
WAIT_S = 60


@contextlib.asynccontextmanager
async def factory_client() -> AsyncIterator[FactoryClient]:
    """The API that the environment names, or this machine's database: its embedded servers if none is set."""
    async with open_client(read_settings()) as client:
        yield client


@click.command()
@click.option("--model", default="fast", show_default=True, help="An alias or a model.")
@click.option("--kind", type=click.Choice(["text", "speech", "embedding"]), default="text", show_default=True)
@click.option("--prompt", help="The prompt, or the text to speak or embed.")
@click.option("--file", "file", type=click.File("r"), help="Read it from a file, - for standard input.")
@click.option("--system", help="The system text.")
@click.option("--voice", help="A voice, for speech.")
@click.option("--format", "form", help="An audio format, for speech.")
@click.option("--schema", type=click.File("rb"), help="A JSON schema that the answer must satisfy.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for the answer.")
@click.option("--out", type=click.Path(path_type=Path), help="Where to put the audio.")
@json_option
@run_async
async def submit(**given: Any) -> None:
    """Submit one job and print its answer."""
    text = given["prompt"] if given["file"] is None else given["file"].read()
    if text is None:
        raise RequestRefused.of([Problem("give the text with --prompt or --file", "prompt")])
    body: dict[str, Any] = {"model": given["model"], "kind": given["kind"]}
    body["prompt" if given["kind"] == "text" else "input"] = text
    body |= {
        name: given[key] for name, key in (("system", "system"), ("voice", "voice"), ("format", "form")) if given[key]
    }
    if given["schema"] is not None:
        schema = _read_schema(given["schema"].read())
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    async with factory_client() as client:
        job = await client.submit_job(body)
        if given["wait"]:
            job = await _wait(client, job["id"])
        if given["out"] is not None and job["status"] == "completed" and job["kind"] == "speech":
            await client.download_audio(job["id"], given["out"])
    if given["as_json"]:
        print_json(job)
    else:
        _print_answer(job)
    if job["status"] in ("failed", "expired", "cancelled"):
        sys.exit(1)


def _read_schema(text: bytes) -> Any:
    try:
        return load_json(text)
    except ValueError as error:
        raise RequestRefused.of([Problem(f"the file is not JSON: {error}", "schema")]) from None


def _print_answer(job: dict[str, Any]) -> None:
    if job["status"] == "completed":
        result = job["result"]
        audio = result.get("audio")
        vectors = result.get("embeddings")
        if audio:
            click.echo(f"{audio['format']}, {audio['duration_s']:.1f} s, {audio['bytes']} bytes: {audio['url']}")
        elif vectors:
            click.echo(f"{len(vectors)} vectors of {len(vectors[0])} numbers (--json prints them)")
        else:
            click.echo(result["content"] if result["content"] is not None else dump_json(result["tool_calls"]).decode())
        cost = decimal_text(Decimal(result["cost"])) if result["cost"] is not None else "unknown"
        emulated = ", emulated" if any(call["emulated"] for call in job["calls"]) else ""
        click.echo(f"[{result['provider']}/{result['model']}, {cost} USD{emulated}]", err=True)
    elif job["error"]:
        click.echo(f"{job['status']}: {job['error']['kind']}: {job['error']['message']}", err=True)
    else:
        click.echo(job["id"])


async def _wait(client: FactoryClient, job_id: str) -> dict[str, Any]:
    while (job := await client.get_job(job_id, WAIT_S))["status"] not in TERMINAL:
        continue
    return job


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--wait/--no-wait", default=False, show_default=True, help="Follow it until it is done.")
@click.option("--out", type=click.Path(path_type=Path), help="Write every job as JSONL, when it is done.")
@json_option
@run_async
async def batch(file: Any, wait: bool, out: Path | None, as_json: bool) -> None:
    """Submit a FILE of jobs, one JSON object a line."""
    async with factory_client() as client:
        made = await client.submit_batch(file.read())
        if wait or out:
            made = await _follow_batch(client, made)
        if out:
            jobs = await client.batch_results(made["id"])
            out.write_bytes(b"".join(dump_json(job) + b"\n" for job in jobs))
    if as_json:
        print_json(made)
    else:
        click.echo(f"{made['id']} {made['status']}: {_counts(made)}")
    if made["counts"]["failed"] + made["counts"]["expired"]:
        sys.exit(1)


def _counts(made: dict[str, Any]) -> str:
    return ", ".join(f"{number} {state}" for state, number in made["counts"].items() if number) or "no jobs"


async def _follow_batch(client: FactoryClient, made: dict[str, Any]) -> dict[str, Any]:
    while made["status"] == "in_progress":
        if sys.stderr.isatty():
            click.echo(f"\r{_counts(made)}   ", nl=False, err=True)
        made = await client.get_batch(made["id"], wait_s=WAIT_S, seen=made["sequence"])
    if sys.stderr.isatty():
        click.echo("\r", nl=False, err=True)
    return made


@click.command()
@click.argument("job_id", required=False)
@click.option("--status", help="Only these.")
@click.option("--kind", help="Only these.")
@click.option("--batch", "batch_id", help="Only those of a batch.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500))
@json_option
@run_async
async def jobs(job_id: str | None, as_json: bool, **filters: Any) -> None:
    """List jobs, the newest first, or show one with its calls."""
    async with factory_client() as client:
        found: Any = await client.get_job(job_id) if job_id else (await client.list_jobs(**filters))["data"]
    if as_json:
        print_json(found)
    elif job_id:
        print_table([found], ("id", "status", "kind", "model", "attempts", "cost", "created_at"))
        if found["error"]:
            click.echo(f"{found['error']['kind']}: {found['error']['message']}")
        if found["calls"]:
            click.echo()
            print_table(found["calls"], ("attempt", "provider", "model", "outcome", "status", "duration_ms", "cost"))
    else:
        print_table(found, ("id", "status", "kind", "model", "key", "attempts", "cost", "created_at"))


@click.command()
@click.argument("id_")
@json_option
@run_async
async def watch(id_: str, as_json: bool) -> None:
    """Follow a job or a batch by its ID until it is done."""
    async with factory_client() as client:
        try:
            seen = await client.get_batch(id_)
        except FactoryError as error:
            if error.status != 404:
                raise
            job = await _wait(client, id_)
            print_json(job) if as_json else _print_answer(job)
            sys.exit(0 if job["status"] == "completed" else 1)
        made = await _follow_batch(client, seen)
    print_json(made) if as_json else click.echo(f"{made['id']} {made['status']}: {_counts(made)}")


USAGE_COLUMNS = (
    "day", "provider", "model", "kind", "calls", "ok", "prompt_tokens", "completion_tokens", "characters", "cost",
    "uncertain_cost", "emulated",
)  # fmt: skip


@click.command()
@click.option("--since", help="A time such as 2026-11-01T00:00:00Z.")
@click.option("--until", help="A time such as 2026-12-01T00:00:00Z.")
@click.option("--batch", "batch_id", help="Only what a batch spent.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
@run_async
async def usage(as_csv: bool, as_json: bool, **filters: Any) -> None:
    """Show what was spent, by day, provider and model."""
    async with factory_client() as client:
        found = await client.usage(**filters)
    if as_json:
        print_json(found)
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, USAGE_COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(found["data"])
    else:
        print_table(found["data"], USAGE_COLUMNS)
        total = found["total_cost"]
        click.echo(
            f"total: {'unknown, a price is missing' if total is None else f'{decimal_text(Decimal(total))} USD'}"
        )
