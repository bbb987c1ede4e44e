"""An alias with its targets is one document: read whole, replaced whole, against a revision if one is given."""

from typing import Any
from uuid import UUID

from core.configuration_shapes import parameter_problems
from core.errors import Conflict, NotFound, Problem, RequestRefused
from producer.admin.changing import changing, refusing
from producer.admin.shapes import AliasDocument, read_name, read_shape
from sql.access import find_project
from sql.admin_aliases import list_aliases, lock_alias, put_alias, put_alias_targets, remove_alias
from sql.pool import Database
from sql.statements import Executor

COLUMNS = ("strategy", "on_content_policy", "latency_bound_ms", "split_by", "description")


async def read_aliases(database: Database, alias: str | None, project: str | None) -> list[dict[str, Any]]:
    """All of them, the shared and every project's own; with `project` that project's own alone."""
    async with refusing():
        project_id = await _project_id(database, project)
        return await list_aliases(database, alias, project is None, project_id)


async def read_alias(db: Executor, alias: str, project: str | None) -> dict[str, Any]:
    """The shared meaning, or with `project` that project's own. Raises NotFound."""
    async with refusing():
        found = await list_aliases(db, alias, False, await _project_id(db, project))
        if not found:
            raise _missing(alias, project)
        return found[0]


async def replace_alias(
    database: Database, alias: str, project: str | None, body: bytes, revision: int | None, actor: str
) -> tuple[dict[str, Any], bool]:
    """The new document, and whether there was none before. Raises RequestRefused, or Conflict when the revision is
    another than the one that was given, here or in the body."""
    read_name(alias, "alias")
    document = read_shape(AliasDocument, body)
    _check(document)
    expected = document.revision if revision is None else revision
    async with changing(database, actor) as db:
        project_id = await _project_id(db, project)
        present = await lock_alias(db, alias, project_id)
        _expect(alias, present, expected)
        await put_alias(db, alias, project_id, document.model_dump(include=set(COLUMNS)))
        await put_alias_targets(db, alias, project_id, [one.model_dump() for one in document.targets])
        return await read_alias(db, alias, project), present is None


async def delete_alias(database: Database, alias: str, project: str | None, revision: int | None, actor: str) -> None:
    """Raises NotFound, or Conflict when the revision is another."""
    async with changing(database, actor) as db:
        project_id = await _project_id(db, project)
        present = await lock_alias(db, alias, project_id)
        if present is None:
            raise _missing(alias, project)
        _expect(alias, present, revision)
        await remove_alias(db, alias, project_id)


def _expect(alias: str, present: int | None, expected: int | None) -> None:
    if expected is not None and expected != (present or 0):
        state = f"is at revision {present}" if present else "does not exist"
        raise Conflict(f"alias {alias!r} {state}, not at {expected}: read it again and repeat your change")


def _check(document: AliasDocument) -> None:
    problems = []
    if document.strategy == "cheapest_within" and document.latency_bound_ms is None:
        problems.append(Problem("strategy cheapest_within needs it", "latency_bound_ms"))
    if document.strategy == "weighted" and not any(one.weight for one in document.targets if one.active):
        problems.append(Problem("strategy weighted needs an active target with a weight above 0", "targets"))
    seen: set[tuple[str, str]] = set()
    for place, target in enumerate(document.targets):
        if (target.provider, target.model_id) in seen:
            problems.append(Problem(f"{target.provider}/{target.model_id} is there twice", f"targets.{place}.model_id"))
        seen.add((target.provider, target.model_id))
        problems += [
            Problem(one.message, f"targets.{place}.parameters" + (f".{one.field}" if one.field else ""))
            for one in parameter_problems(target.parameters)
        ]
    if problems:
        raise RequestRefused.of(problems)


async def _project_id(db: Executor, project: str | None) -> UUID | None:
    if project is None:
        return None
    found = await find_project(db, project)
    if found is None:
        raise NotFound(f"there is no project {project[:100]!r}")
    return found.id


def _missing(alias: str, project: str | None) -> NotFound:
    whose = f" of project {project!r}" if project else ""
    return NotFound(f"there is no alias {alias[:100]!r}{whose}")
