"""Commands that run something: up, api, worker, emulator, env, migrate."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Sequence

import click

from core.settings import Settings, has_provider_keys, python_program
from producer.cli.output import told_errors


@click.command()
@click.option("--min-workers", type=click.IntRange(0, 1000), help="Worker processes that always run.")
@click.option(
    "--max-workers", type=click.IntRange(1, 1000), help="Worker processes at most; their number follows the work."
)
@click.option("--host", help="Where the API listens.")
@click.option("--port", type=int, help="The API's port.")
def up(min_workers: int | None, max_workers: int | None, host: str | None, port: int | None) -> None:
    """Start everything on this machine, until Ctrl-C."""
    from producer.everything import everything

    workers = _range_of(min_workers, max_workers)
    width = 8
    colours = {"api": "cyan", "factory": "yellow"}

    def say(name: str, line: str) -> None:
        click.echo(click.style(f"{name:<{width}}│ ", fg=colours.get(name, "green")) + line)

    readable = {"FACTORY_LOG_FORMAT": "console"} if sys.stdout.isatty() else {}
    with (
        told_errors(),
        everything(say, host=host, port=port, workers=workers, environment_changes=readable) as house,
    ):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: house.supervisor.ask_to_stop())
        say("factory", f"ready at {house.url}")
        say("factory", f"the key of project default is in {house.settings.home / 'api_key'}")
        say("factory", f'try: curl {house.url}/v1/generate -H "x-api-key: $(cat {house.settings.home / "api_key"})" \\')
        say("factory", '       -d \'{"model": "fast", "prompt": "Generate a story chapter"}\'')
        say("factory", f"dashboard: {house.url}/ opens with the key in {house.settings.home / 'admin_key'}")
        if house.emulated:
            say("factory", "no provider key is set: answers come from the emulator and cost nothing real")
        house.supervisor.watch()
        say("factory", "stopping")


@click.command()
@click.option("--host", help="Where it listens.")
@click.option("--port", type=int, help="Its port.")
def api(host: str | None, port: int | None) -> None:
    """Run the HTTP API. With no FACTORY_DATABASE_URL it uses the embedded servers of this folder."""
    _foreground(python_program("producer"), {"host": host, "port": port}, emulator=False)


def _range_of(least: int | None, most: int | None) -> tuple[int, int]:
    """Where one is given, the other gives way."""
    own = Settings()
    upper = most if most is not None else max(own.max_workers, least or 0)
    lower = least if least is not None else min(own.min_workers, upper)
    if lower > upper:
        raise click.UsageError(f"--min-workers {lower} is more than --max-workers {upper}")
    return lower, upper


@click.command()
@click.option("--slots", type=click.IntRange(1, 10_000), help="Jobs that it runs at once.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), help="Where it shows its metrics; off without.")
def worker(slots: int | None, metrics_port: int | None) -> None:
    """Run a worker. Without any provider key, shipped endpoints are served by the emulator."""
    _foreground(python_program("workers"), {"worker_slots": slots, "metrics_port": metrics_port}, emulator=True)


@click.command()
@click.option("--pool", "pools", multiple=True, type=click.Choice(["text", "speech"]), help="Whose jobs; all of them.")
@click.option("--min", "least", type=click.IntRange(0, 1000), help="Workers that always run.")
@click.option("--max", "most", type=click.IntRange(1, 1000), help="Workers at most.")
@click.option("--slots", type=click.IntRange(1, 10_000), help="Jobs that each runs at once.")
@click.option("--cool-down", type=click.FloatRange(0), help="Seconds that fewer must have been enough.")
@click.option("--url", help="The API whose word it follows.")
def autoscale(
    pools: tuple[str, ...],
    least: int | None,
    most: int | None,
    slots: int | None,
    cool_down: float | None,
    url: str | None,
) -> None:
    """Start and stop workers on this machine, as many as there is work for."""
    workers = _range_of(least, most)
    url = url or Settings().url or _kept(Settings(), "url")
    given = {"--min": workers[0], "--max": workers[1], "--slots": slots, "--cool-down": cool_down, "--url": url}
    arguments = [text for name, value in given.items() if value is not None for text in (name, str(value))]
    arguments += [text for pool in pools for text in ("--pool", pool)]
    _foreground(python_program("workers.autoscaling", *arguments), {}, emulator=True)


def _foreground(command: Sequence[str], changes: dict[str, object], *, emulator: bool) -> None:
    """Run a program on this terminal, with servers for it; signals are passed on."""
    from producer.cli.programs import environment_of, prepared

    with told_errors(), prepared(emulator=emulator) as settings:
        given = {name: value for name, value in changes.items() if value is not None}
        environment = environment_of(settings.model_copy(update=given))
        environment["FACTORY_WORKER_SLOTS"] = str(given.get("worker_slots", settings.worker_slots))
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: process.terminate())
        code = process.wait()
    sys.exit(code)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8500, show_default=True, help="0 takes a free one.")
@click.option("--latency-ms", default=300, show_default=True, help="Median of a text call; 0 answers at once.")
def emulator(host: str, port: int, latency_ms: int) -> None:
    """Run the provider emulator until Ctrl-C."""
    arguments = ("--host", host, "--port", str(port), "--latency-ms", str(latency_ms))
    process = subprocess.Popen(python_program("adapters.emulator", *arguments))
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    signal.signal(signal.SIGINT, lambda *_: process.terminate())
    sys.exit(process.wait())


@click.command()
@click.option("--export", is_flag=True, help="Lines that a shell can evaluate.")
def env(export: bool) -> None:
    """Print the settings of what runs here, for your shell."""
    from producer.cli.programs import running_settings

    with told_errors():
        settings = running_settings()
    shown = {
        "FACTORY_DATABASE_URL": settings.database_url,
        "FACTORY_REDIS_URL": settings.redis_url,
        "FACTORY_EMULATOR_URL": settings.emulator_url if not has_provider_keys() else None,
        "FACTORY_HOME": str(settings.home.absolute()),
        "FACTORY_URL": settings.url or _kept(settings, "url"),
        "FACTORY_API_KEY": settings.api_key or _kept(settings, "api_key"),
    }
    for name, value in shown.items():
        if value:
            click.echo(f"{'export ' if export else ''}{name}={value}")


def _kept(settings: Settings, name: str) -> str | None:
    try:
        return (settings.home / name).read_text(encoding="utf-8").strip()
    except OSError:
        return None


@click.command()
def migrate() -> None:
    """Bring the database schema and the catalog up to date."""
    from producer.cli.programs import bring_up_to_date
    from producer.embedded import EmbeddedServers

    own = Settings()
    with told_errors():
        if own.database_url:
            applied, seeded = asyncio.run(bring_up_to_date(own))
        else:
            with EmbeddedServers(own.home, valkey=False, log=lambda _: None) as running:
                settings = own.model_copy(update={"database_url": running.database_url})
                applied, seeded = asyncio.run(bring_up_to_date(settings))
    click.echo(f"schema: {', '.join(applied) if applied else 'up to date'}")
    changed = seeded.inserted + seeded.updated + seeded.kept
    figures = f"{seeded.inserted} new, {seeded.updated} updated, {seeded.kept} left as they are"
    click.echo(f"catalog: {figures if changed else 'up to date'}")
