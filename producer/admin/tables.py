"""The configuration tables that are edited row by row: one description each, one set of actions for all."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from adapters.registry import HANDLERS
from core.errors import Conflict, NotFound, Problem, RequestRefused
from core.request import Shape
from producer.admin import shapes
from producer.admin.changing import changing, refusing
from sql import admin_tables as rows
from sql.admin_aliases import list_aliases
from sql.pool import Database
from sql.statements import Executor

Row = dict[str, Any]
Values = Mapping[str, str]


def read_moment(text: str) -> datetime:
    """Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment


@dataclass(frozen=True)
class Table:
    """`keys` are the path's parameters in order, each with what reads it; `filters` those of the list, in the order
    that `find` takes them. `remove` is None where rows are switched off instead."""

    path: str
    one: str
    keys: Mapping[str, Callable[[str], Any]]
    filters: tuple[str, ...]
    shape: type[Shape]
    find: Callable[..., Awaitable[list[Row]]]
    add: Callable[[Executor, Row], Awaitable[Row | None]]
    change: Callable[..., Awaitable[Row | None]]
    remove: Callable[..., Awaitable[Row | None]] | None = None
    check: Callable[[Row], Iterator[Problem]] = lambda _: iter(())
    blockers: Callable[..., Awaitable[str]] | None = None

    @property
    def changes(self) -> type[Shape]:
        """What a PATCH takes: not the key, except a name."""
        return shapes.changes_of(self.shape, () if self.path == "projects" else tuple(self.keys))


def _check_handler(row: Row) -> Iterator[Problem]:
    name = row.get("handler_function")
    if name is not None and name not in HANDLERS:
        yield Problem(f"there is no handler {name!r}; handlers: {', '.join(sorted(HANDLERS))}", "handler_function")


async def _aliases_with(db: Executor, provider: str, model_id: str) -> str:
    names = [
        one["alias"] + (f" of project {one['project']}" if one["project"] else "")
        for one in await list_aliases(db, None, True, None)
        if any((target["provider"], target["model_id"]) == (provider, model_id) for target in one["targets"])
    ]
    return f"aliases name it: {', '.join(names)}; take it out of them first, or switch it off with active false"


async def _belongings(_db: Executor, provider: str) -> str:
    return f"{provider} has endpoints, models or voices; remove them first, or switch it off with active false"


TABLES: dict[str, Table] = {
    table.path: table
    for table in (
        Table(
            "projects", "project", {"name": str}, ("name",), shapes.Project,
            rows.list_projects, rows.add_project, rows.change_project,
        ),
        Table(
            "providers", "provider", {"id": str}, ("id",), shapes.Provider,
            rows.list_providers, rows.add_provider, rows.change_provider, rows.remove_provider, blockers=_belongings,
        ),
        Table(
            "endpoints", "endpoint", {"id": UUID}, ("id", "provider"), shapes.Endpoint,
            rows.list_endpoints, rows.add_endpoint, rows.change_endpoint, rows.remove_endpoint, _check_handler,
        ),
        Table(
            "models", "model", {"provider": str, "model_id": str}, ("provider", "model_id"), shapes.Model,
            rows.list_models, rows.add_model, rows.change_model, rows.remove_model, blockers=_aliases_with,
        ),
        Table(
            "prices", "price", {"provider": str, "model_id": str, "valid_from": read_moment},
            ("provider", "model_id", "valid_from"), shapes.Price,
            rows.list_prices, rows.add_price, rows.change_price, rows.remove_price,
        ),
        Table(
            "voices", "voice", {"provider": str, "voice": str}, ("provider", "voice"), shapes.Voice,
            rows.list_voices, rows.add_voice, rows.change_voice, rows.remove_voice,
        ),
    )
}  # fmt: skip


async def list_rows(db: Executor, table: Table, wanted: Values) -> list[Row]:
    """Every row that has these values. Raises RequestRefused for a filter that the table does not know."""
    if unknown := sorted(set(wanted) - set(table.filters)):
        raise RequestRefused.of([Problem(f"not known here; filters: {', '.join(table.filters)}", unknown[0])])
    values = []
    for name in table.filters:
        try:
            values.append(table.keys.get(name, str)(wanted[name]) if name in wanted else None)
        except ValueError:
            raise RequestRefused.of([Problem(f"{wanted[name][:100]!r} is no {name}", name)]) from None
    async with refusing():
        return await table.find(db, *values)


async def read_row(db: Executor, table: Table, key: Values) -> Row:
    """Raises NotFound."""
    _key_values(table, key)
    found = await list_rows(db, table, key)
    if not found:
        raise _missing(table, key)
    return found[0]


async def create_row(database: Database, table: Table, body: bytes, actor: str) -> Row:
    """The new row. Raises RequestRefused, or Conflict when its key is taken."""
    shape = shapes.read_shape(table.shape, body)
    row = {name: _plain(value) for name, value in shape}
    _refuse(table.check(row))
    async with changing(database, actor) as db:
        made = await table.add(db, row)
        assert made is not None
        found = await table.find(db, *(made.get(name) for name in table.filters))
        return found[0]


async def change_row(database: Database, table: Table, key: Values, body: bytes, actor: str) -> Row:
    """What the body names is changed, the rest stays. Raises NotFound, RequestRefused, Conflict."""
    changes = shapes.read_shape(table.changes, body).model_dump(exclude_unset=True)
    _refuse(table.check(changes))
    async with changing(database, actor) as db:
        changed = await table.change(db, *_key_values(table, key), changes)
        if changed is None:
            raise _missing(table, key)
        found = await table.find(db, *(changed.get(name) for name in table.filters))
        return found[0]


async def remove_row(database: Database, table: Table, key: Values, actor: str) -> None:
    """Raises NotFound, or Conflict that says what still needs it."""
    assert table.remove is not None
    values = _key_values(table, key)
    async with changing(database, actor) as db:
        if await table.remove(db, *values) is None:
            if table.blockers is None or not await list_rows(db, table, key):
                raise _missing(table, key)
            raise Conflict(await table.blockers(db, *values))


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_unset=True) if isinstance(value, Shape) else value


def _key_values(table: Table, key: Values) -> list[Any]:
    try:
        return [read(key[name]) for name, read in table.keys.items()]
    except ValueError:
        raise _missing(table, key) from None


def _missing(table: Table, key: Values) -> NotFound:
    return NotFound(f"there is no {table.one} {'/'.join(key.values())[:200]!r}")


def _refuse(problems: Iterator[Problem]) -> None:
    if found := list(problems):
        raise RequestRefused.of(found)
