"""Every statement prepares, and its function has its name, its parameters and its columns."""

import dataclasses
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

import sql
from sql.statements import QUERIES, statement

IN_ORDER = {"start_jobs", "end_jobs"}  # which fill their dataclasses by position
NAMES = sorted(path.stem for path in QUERIES.glob("*.sql"))


def functions() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for module in pkgutil.iter_modules(sql.__path__):
        loaded = importlib.import_module(f"sql.{module.name}")
        for name, value in inspect.getmembers(loaded, inspect.iscoroutinefunction):
            if value.__module__ == loaded.__name__:
                found[name] = value
    return found


FUNCTIONS = functions()


@pytest.fixture(scope="module")
async def connection(shared_database_url: str) -> Any:
    connection = await asyncpg.connect(shared_database_url)
    yield connection
    await connection.close()


def row_type(function: Callable[..., Any]) -> type | None:
    """The dataclass that a function returns, alone, optional or in a list."""
    returned = typing.get_type_hints(function)["return"]
    for part in (returned, *typing.get_args(returned)):
        if dataclasses.is_dataclass(part):
            return typing.cast("type", part)
    return None


@pytest.mark.parametrize("name", NAMES)
async def test_a_statement_agrees_with_its_function(connection: asyncpg.Connection, name: str) -> None:
    function = FUNCTIONS[name]
    prepared = await connection.prepare(statement(name))
    parameters = [one for one in inspect.signature(function).parameters.values() if one.name != "db"]
    assert len(prepared.get_parameters()) == len(parameters)
    columns = [column.name for column in prepared.get_attributes()]
    made = row_type(function)
    by_hand = {"select_providers", "select_models", "select_prices"}
    if made is not None and name not in by_hand:
        names = [field.name for field in dataclasses.fields(made)]
        assert columns == names if name in IN_ORDER else set(columns) == set(names)


def test_no_sql_stands_in_python() -> None:
    words = ("SELECT ", "INSERT INTO", "UPDATE factory", "DELETE FROM")
    for module in pkgutil.iter_modules(sql.__path__):
        source = inspect.getsource(importlib.import_module(f"sql.{module.name}"))
        assert not any(word in source for word in words), module.name
