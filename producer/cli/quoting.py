"""The command `quote`: what jobs would cost."""

import sys
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from core.jsonio import decimal_text
from producer.cli.following import factory_client
from producer.cli.output import json_option, print_json, print_table, run_async
from producer.cli.requesting import read_body, request_options

GROUPS = (
    "asked",
    "kind",
    "goes_to",
    "jobs",
    "cached_jobs",
    "repeated_jobs",
    "tokens_in",
    "tokens_out",
    "expected_usd",
    "most_usd",
)
LINES = ("line", "key", "asked", "kind", "goes_to", "tokens_in", "tokens_out", "expected_usd", "most_usd", "note")


class Amount(click.ParamType[Decimal]):
    """USD, exactly as written."""

    name = "usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            amount = Decimal(-1)
        if not amount.is_finite() or amount < 0:
            self.fail(f"{value!r} is no sum of USD", param, ctx)
        return amount


@click.command()
@click.argument("lines_file", required=False, metavar="[FILE]", type=click.File("rb"))
@request_options
@click.option("--max-cost-usd", type=Amount(), help="The ceiling that the batch would have.")
@click.option("--lines", is_flag=True, help="Also every line.")
@json_option
@run_async
async def quote(lines_file: Any, max_cost_usd: Decimal | None, lines: bool, as_json: bool, **given: Any) -> None:
    """Say what a FILE of jobs would cost (as for `batch`), or one request (by the options of `submit`).

    Nothing is submitted. The exit code is 1 when the project's budgets or --max-cost-usd do not allow it.
    """
    if lines_file is not None and (given["prompt"] is not None or given["file"] is not None):
        raise click.UsageError("either FILE, or one request by its options")
    jobs = lines_file.read() if lines_file is not None else [read_body(given | {"stdin": None})]
    async with factory_client() as client:
        found = await client.quote(jobs, max_cost_usd=max_cost_usd, lines=lines)
    if as_json:
        print_json(found)
    else:
        _print_quote(found)
    if not found["fits"] or found["max_cost_is_enough"] is False:
        sys.exit(1)


def _print_quote(found: dict[str, Any]) -> None:
    if "lines" in found:
        print_table([_flat(one) | {"note": _note(one)} for one in found["lines"]], LINES)
        click.echo()
    totals = found["totals"] | {"asked": "in all", "kind": "", "goes_to": ""}
    rows = [_flat(one) for one in found["groups"]]
    print_table([*rows, _flat(totals)] if len(rows) > 1 else rows, GROUPS)
    if unpriced := totals["unpriced_jobs"]:
        click.echo(f"cost unknown: {unpriced} of {totals['jobs']} jobs have no known price")
    else:
        expected, most = decimal_text(totals["expected_usd"]), decimal_text(totals["most_usd"])
        click.echo(f"{expected} USD are expected, {most} USD at most")
    for period in found["budget"]["periods"] if found["budget"] else ():
        if period["left_usd"] is not None:
            left, hard = decimal_text(period["left_usd"]), decimal_text(period["hard_usd"])
            click.echo(f"{period['period']} budget: {left} of {hard} USD left")
    if (minutes := found["limit_minutes"]) is not None and minutes > 1:
        click.echo(f"the project's limits admit these within {minutes} minutes: until then a batch is validating")
    for refusal in (found["reason"], found["max_cost_reason"]):
        if refusal is not None:
            click.echo(f"does not fit: {refusal}")


def _flat(one: dict[str, Any]) -> dict[str, Any]:
    usage = one["usage"]
    shown = {"tokens_in": usage["prompt_tokens"], "tokens_out": usage["completion_tokens"]}
    return {"goes_to": f"{one.get('provider')}/{one.get('model')}"} | one | shown


def _note(line: dict[str, Any]) -> str:
    if line["cached"]:
        return "cached"
    return f"as line {line['same_as']}" if line["same_as"] else f"by the {_BASIS[line['expected_by']]}"


_BASIS = {"measured": "measured mean", "most": "most"}
