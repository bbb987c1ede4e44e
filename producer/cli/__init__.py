"""The command `factory`. Each command lives in a module of its own that is imported when it runs."""

from importlib import import_module

import click

COMMANDS = {
    "up": ("running", "Start everything on this machine, until Ctrl-C."),
    "api": ("running", "Run the HTTP API."),
    "worker": ("running", "Run a worker."),
    "autoscale": ("running", "Start and stop workers as the work asks for."),
    "emulator": ("running", "Run the provider emulator."),
    "env": ("running", "Print the settings of what runs here, for your shell."),
    "migrate": ("running", "Bring the database schema and the catalog up to date."),
    "catalog": ("catalog", "List providers, models, prices and aliases; hold prices against a list."),
    "project": ("operating", "Make, list and change projects."),
    "pause": ("operating", "Start no more jobs of a project, or of anybody."),
    "resume": ("operating", "Start them again."),
    "key": ("operating", "Make, list, rotate and revoke API keys."),
    "submit": ("jobs", "Submit one job."),
    "batch": ("jobs", "Submit a file of jobs, one JSON object a line."),
    "results": ("jobs", "Write the answers of a batch as JSONL."),
    "quote": ("quoting", "Say what jobs would cost, and submit nothing."),
    "jobs": ("jobs", "List jobs, or show one."),
    "watch": ("jobs", "Follow a job or a batch until it is done."),
    "voices": ("voices", "List voices, or let one speak."),
    "usage": ("usage", "Show what was spent and saved."),
    "budgets": ("budgets", "Show what projects may spend, and what is left."),
    "cache": ("cache", "Show what the cache has saved, or empty it."),
    "routes": ("routing", "Explain where a request would go."),
    "limits": ("administering", "Show limits and what is in use of them."),
    "faults": ("administering", "Show what is wrong with the configuration."),
    "audit": ("administering", "Show who changed what."),
    "experiments": ("experiments", "Compare the variants of a weighted alias."),
    "alerts": ("routing", "Show what needs an operator."),
    "webhooks": ("webhooks", "Tell endpoints of the ends of jobs and batches."),
    "story": ("story", "Write and narrate a story."),
}


class LazyCommands(click.Group):
    """Knows its commands by name and one line, so that `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"producer.cli.{module}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


@click.command(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ai-provider-factory", prog_name="factory")
def main() -> None:
    """A durable job factory over AI providers: submit a generation job, get it back done, checked and priced."""
