"""The command voices: what there is, and what it sounds like."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.errors import NotFound
from producer.cli.following import OVER, factory_client, say_failure
from producer.cli.output import json_option, print_json, print_table, run_async

if TYPE_CHECKING:
    from producer.client import FactoryClient

WAIT_S = 10.0
SENTENCE = "The lighthouse keeper counted the ships, and then the stars, until the morning came."
COLUMNS = ("voice", "provider", "provider_voice_id", "model")
SAMPLED = ("voice", "provider", "model", "duration_s", "cost", "file", "error")


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def voices(context: click.Context, as_json: bool) -> None:
    """List the voices that requests may name, or let one speak."""
    if context.invoked_subcommand is None:
        _list(as_json)


@run_async
async def _list(as_json: bool) -> None:
    async with factory_client() as client:
        rows = await client.list_voices()
    if as_json:
        print_json(rows)
    else:
        print_table([row | {"model": next(iter(row["models"]), None)} for row in rows], COLUMNS)


@voices.command("sample")
@click.argument("voice")
@click.option("--text", default=SENTENCE, help="What to say.")
@click.option("--provider", help="At this provider alone.")
@click.option("--format", default="mp3", show_default=True, type=click.Choice(["mp3", "opus", "wav", "flac"]))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="The folder for files.")
@json_option
@run_async
async def sample(voice: str, text: str, provider: str | None, format: str, out: Path, as_json: bool) -> None:  # noqa: A002
    """Let VOICE say a sentence at each of its providers; writes VOICE-PROVIDER.mp3. This is paid for."""
    async with factory_client() as client:
        rows = [row for row in await client.list_voices() if row["voice"] == voice]
        rows = [row for row in rows if row["models"] and provider in (None, row["provider"])]
        if not rows:
            where = f" at {provider}" if provider else ""
            raise NotFound(f"no voice {voice!r}{where} has a model that is switched on; `factory voices` lists them")
        await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
        sampled = await asyncio.gather(*(_sample(client, row, text, format, out) for row in rows))
    if as_json:
        print_json(sampled)
    else:
        print_table(sampled, SAMPLED)
    if any(one["error"] for one in sampled):
        sys.exit(1)


async def _sample(client: "FactoryClient", row: dict[str, Any], text: str, form: str, out: Path) -> dict[str, Any]:
    model = f"{row['provider']}/{row['models'][0]}"
    job = await client.submit_job(
        {"kind": "speech", "model": model, "voice": row["voice"], "input": text, "format": form}
    )
    while job["status"] not in OVER:
        job = await client.get_job(job["id"], WAIT_S)
    shown = {"voice": row["voice"], "provider": row["provider"], "model": row["models"][0], "cost": job["cost"]}
    if job["status"] != "completed":
        return shown | {"duration_s": None, "file": None, "error": say_failure(job)}
    path = out / f"{row['voice']}-{row['provider']}.{form}"
    await client.download_audio(job["id"], path)
    return shown | {"duration_s": job["result"]["audio"]["duration_s"], "file": str(path), "error": None}
