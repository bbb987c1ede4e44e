"""The command `catalog`: what Postgres holds, and its prices held against a list that others keep."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from core.clock import utc_now
from core.errors import Conflict, NotFound, Problem, RequestRefused
from core.jsonio import dump_json
from core.price_check import Comparison, Difference, changed_columns, compare_prices
from producer.cli.jobs import read_moment
from producer.cli.operating import user_name, with_database
from producer.cli.output import json_option, print_json, print_table, told_errors

if TYPE_CHECKING:
    from core.catalog import Catalog, Model
    from producer.price_list import PriceList

VIEWS = {
    "providers": ("id", "name", "active", "regions"),
    "models": ("provider", "model_id", "kind", "active", "context_window", "max_output_tokens", "retires_on"),
    "prices": ("provider", "model_id", "valid_from", "input", "output", "cached_input", "per_mchar"),
    "aliases": ("alias", "strategy", "position", "provider", "model_id", "active"),
    "voices": ("voice", "provider", "provider_voice_id"),
    "endpoints": ("provider", "handler_function", "base_url", "model_pattern", "region", "priority", "active"),
}
COLUMNS = ("provider", "model", "unit", "ours", "theirs", "ratio")


class _Listing(click.Group):
    """Lists when it is not told to do something else: `catalog prices` is `catalog list prices`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Listing)
def catalog() -> None:
    """List what the catalog holds (`catalog [WHAT]`), and hold its prices against what providers charge."""


@catalog.command("list")
@click.argument("what", type=click.Choice(sorted(VIEWS)), default="models")
@click.option("--active", is_flag=True, help="Only what is switched on.")
@json_option
def catalog_list(what: str, active: bool, as_json: bool) -> None:
    """List providers, models, prices, aliases, voices or endpoints."""
    from sql.configuration import load_configuration

    found = with_database(load_configuration)
    rows = _rows(found, what)
    if active:
        rows = [row for row in rows if row.get("active", True)]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, VIEWS[what])


def _rows(found: Any, what: str) -> list[dict[str, Any]]:
    match what:
        case "providers":
            return [asdict(one) for one in found.providers.values()]
        case "models":
            return [asdict(one) for one in found.models.values()]
        case "prices":
            return [
                asdict(one)
                | {
                    "input": one.input_usd_per_mtok,
                    "output": one.output_usd_per_mtok,
                    "cached_input": one.cached_input_usd_per_mtok,
                    "per_mchar": one.audio_usd_per_mchar,
                }
                for prices in found.prices.values()
                for one in prices
            ]
        case "aliases":
            return [
                asdict(target) | {"alias": alias.alias, "strategy": alias.strategy, "project_id": alias.project_id}
                for alias in found.aliases.values()
                for target in alias.targets
            ]
        case "voices":
            return [asdict(one) for one in found.voices.values()]
        case _:
            return [asdict(one) for endpoints in found.endpoints.values() for one in endpoints]


ALL = click.option("--all", "everything", is_flag=True, help="Also models that are switched off.")
MODEL = click.option("--model", "name", help="This model alone: its id, or provider/id.")


@catalog.command("check")
@ALL
@MODEL
@json_option
def catalog_check(everything: bool, name: str | None, as_json: bool) -> None:
    """Show where prices in force differ from the package genai-prices; the exit code is 1 when one does.

    Nothing is asked over the network: a newer list comes with a newer package.
    """
    from producer.price_list import PriceList
    from sql.configuration import load_configuration

    now = utc_now()
    listed = PriceList(now)
    with told_errors():
        found = _compare(with_database(load_configuration), listed, now, name, everything=everything)
    if as_json:
        print_json(
            {
                "list": listed.name,
                "compared": found.compared,
                "differences": [_shown(one) for one in found.differences],
                "unknown": found.unknown,
            }
        )
    else:
        _print(found, listed)
    if found.differences:
        raise SystemExit(1)


@catalog.command("update")
@ALL
@MODEL
@click.option("--valid-from", help="When the new prices start, such as 2027-01-01; now, unless said.")
@click.option("--yes", is_flag=True, help="Take over every difference without asking.")
@click.option("--dry-run", is_flag=True, help="Show the rows that would be written, and write none.")
def catalog_update(everything: bool, name: str | None, valid_from: str | None, yes: bool, dry_run: bool) -> None:
    """Take over what `catalog check` shows, as new rows of factory.model_prices from a date on.

    Rows that are there stay as they are, for calls made before; units that are not taken over are carried along.
    """
    from producer.price_list import PriceList
    from sql.configuration import load_configuration

    now = utc_now()
    with told_errors():
        said = read_moment(valid_from, "valid-from", now)
        if said is not None and datetime.fromisoformat(said) < now:
            raise RequestRefused.of([Problem("prices start now or later; calls of the past have theirs", "valid-from")])

    async def work(pool: Any) -> None:
        moment = now if said is None else datetime.fromisoformat(said)
        configured = await load_configuration(pool)
        listed = PriceList(moment)
        found = _compare(configured, listed, moment, name, everything=everything)
        _print(found, listed)
        accepted = list(found.differences if yes or dry_run else _ask(found.differences))
        for row in _new_rows(configured, accepted, moment, listed):
            await _write(pool, row, said, dry_run=dry_run)

    with_database(work)


def _compare(
    configured: "Catalog", listed: "PriceList", moment: datetime, name: str | None, *, everything: bool
) -> Comparison:
    models: Sequence[Model] = tuple(configured.models.values())
    if name is not None:
        models = configured.find_models(name)
        if not models:
            raise NotFound(f"there is no model {name[:100]!r}; `factory catalog models` lists them")
    elif not everything:
        models = tuple(one for one in models if one.active)
    return compare_prices((one, configured.price_at(one, moment), listed.units_of(one)) for one in models)


def _print(found: Comparison, listed: "PriceList") -> None:
    if found.differences:
        print_table([_shown(one) for one in found.differences], COLUMNS)
    unknown = f"; it does not know {len(found.unknown)} more" if found.unknown else ""
    differences = f"{len(found.differences)} differences" if found.differences else "no difference"
    click.echo(f"{differences} in {found.compared} models that {listed.name} knows{unknown}", err=True)


def _shown(one: Difference) -> dict[str, Any]:
    return {
        "provider": one.provider,
        "model": one.model_id,
        "unit": one.unit,
        "ours": one.ours,
        "theirs": one.theirs,
        "ratio": one.ratio,
    }


def _ask(differences: Sequence[Difference]) -> Iterator[Difference]:
    """Those that the operator accepts, one by one, or all that are left."""
    everything = False
    for one in differences:
        if not everything:
            question = f"{one.provider}/{one.model_id} {one.unit}: {_said(one.ours)} becomes {_said(one.theirs)}"
            answer = click.prompt(question, type=click.Choice(["yes", "no", "all", "none"]), default="no", err=True)
            if answer == "none":
                return
            everything = answer == "all"
            if answer == "no":
                continue
        yield one


def _said(amount: Any) -> str:
    return "nothing" if amount is None else f"{amount:f}"


def _new_rows(
    configured: "Catalog", accepted: Sequence[Difference], moment: datetime, listed: "PriceList"
) -> Iterator[dict[str, Any]]:
    """One row a model: the one in force then, with what was accepted. Raises Conflict where it starts at that time."""
    for (provider, model_id), changes in groupby(accepted, key=lambda one: (one.provider, one.model_id)):
        price = configured.price_at(configured.models[provider, model_id], moment)
        if price is not None and price.valid_from >= moment:
            raise Conflict(f"{provider}/{model_id} has a price from that very time; name another --valid-from")
        kept = {name: value for name, value in asdict(price).items() if name != "valid_from"} if price else {}
        named = {"provider": provider, "model_id": model_id, "source": listed.name}
        yield kept | named | changed_columns(price, changes)


async def _write(pool: Any, row: dict[str, Any], valid_from: str | None, *, dry_run: bool) -> None:
    """By the way that the admin API goes: checked by the same shape, in the audit trail as `cli USER`."""
    from producer.admin.tables import TABLES, create_row

    if dry_run:
        print_json({**row, "valid_from": valid_from})
        return
    body = dump_json(row if valid_from is None else row | {"valid_from": valid_from})
    made = await create_row(pool, TABLES["prices"], body, f"cli {user_name()}")
    click.echo(f"{made['provider']}/{made['model_id']}: new prices from {made['valid_from'].isoformat()}")
