"""What commands print: tables on a terminal, aligned text in a pipe, JSON when asked; errors in one line."""

import asyncio
import functools
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ParamSpec, TypeVar

import click

from core.errors import FactoryError
from core.jsonio import decimal_text, dump_json

P = ParamSpec("P")
R = TypeVar("R")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def run_async(command: Callable[P, Awaitable[R]]) -> Callable[P, R]:
    """Runs an async command; an error of the factory becomes a line on stderr and an exit code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with told_errors():
            return asyncio.run(_await(command(*args, **kwargs)))

    return run


async def _await(work: Awaitable[R]) -> R:
    return await work


class told_errors:  # noqa: N801  read as a phrase: with told_errors()
    """Exit code 2 for refused input, 1 for everything else that was expected to go wrong."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, FactoryError):
            return
        click.echo(f"error: {error.message}", err=True)
        for problem in error.problems if len(error.problems) > 1 else ():
            where = ", ".join(
                part for part in (f"line {problem.line}" if problem.line else "", problem.field or "") if part
            )
            click.echo(f"  {where + ': ' if where else ''}{problem.message}", err=True)
        sys.exit(2 if 400 <= error.status < 500 else 1)


def print_json(value: Any) -> None:
    click.echo(dump_json(value, indent=True).decode())


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, title: str | None = None) -> None:
    """Columns by name; an underscore in a name is shown as a space."""
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    heads = [column.replace("_", " ") for column in columns]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table(*heads, title=title, title_justify="left")
        for line in cells:
            table.add_row(*line)
        Console().print(table)
        return
    widths = [max(len(line[place]) for line in [heads, *cells]) for place in range(len(columns))]
    for line in [heads, *cells]:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    match value:
        case None:
            return "-"
        case Decimal():
            return decimal_text(value)
        case float():
            return f"{value:.9f}".rstrip("0").rstrip(".")
        case list() | tuple() | set() | frozenset():
            return " ".join(sorted(map(str, value)))
        case _:
            return str(value)
