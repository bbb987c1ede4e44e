"""Making, rotating and revoking API keys. A key is shown once; Postgres keeps its SHA-256."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from core.errors import Conflict, NotFound
from sql.access import find_project, hash_key, insert_api_key, insert_project
from sql.admin_keys import expire_key, find_keys, revoke_key
from sql.statements import Executor

PREFIX_LENGTH = 11


@dataclass(frozen=True, slots=True)
class NewKey:
    """`api_key` is shown to its maker and kept nowhere."""

    id: UUID
    api_key: str

    @property
    def prefix(self) -> str:
        return self.api_key[:PREFIX_LENGTH]


async def make_key(
    db: Executor,
    *,
    project_id: UUID | None,
    scopes: list[str] | None = None,
    name: str | None = None,
    expires_at: datetime | None = None,
) -> NewKey:
    """A key for a project, scope jobs unless said; without a project an operator's."""
    key = "fk_" + secrets.token_urlsafe(32)
    scopes = scopes or (["jobs"] if project_id is not None else ["admin"])
    made = await insert_api_key(db, hash_key(key), key[:PREFIX_LENGTH], name, project_id, scopes, expires_at)
    return NewKey(made, key)


async def create_key(
    db: Executor,
    *,
    project: str | None,
    make_project: bool = False,
    scopes: list[str] | None = None,
    name: str | None = None,
    expires_at: datetime | None = None,
) -> str:
    """A key for a project, or without one an operator's. Raises NotFound when the project does not exist."""
    project_id = None
    if project is not None:
        made = await insert_project(db, project) if make_project else None
        project_id = made or await project_id_of(db, project)
    return (await make_key(db, project_id=project_id, scopes=scopes, name=name, expires_at=expires_at)).api_key


async def create_project(db: Executor, name: str) -> str:
    """A new project with its first key. Raises Conflict when the name is taken."""
    if await insert_project(db, name) is None:
        raise Conflict(f"there is a project {name!r} already; `factory key create --project {name}` makes another key")
    return await create_key(db, project=name)


async def project_id_of(db: Executor, project: str) -> UUID:
    """Raises NotFound."""
    found = await find_project(db, project)
    if found is None:
        raise NotFound(f"there is no project {project!r}; make it with `factory project create {project}`")
    return found.id


async def find_key(db: Executor, reference: str) -> dict[str, Any]:
    """The key with this id or prefix, in force or not. Raises NotFound; Conflict when several begin alike."""
    found = await find_keys(db, reference)
    if not found:
        raise NotFound(f"no key has the id or prefix {reference[:100]!r}")
    if len(found) > 1:
        raise Conflict(f"{len(found)} keys begin with {reference!r}; name it by its id")
    return found[0]


async def end_key(db: Executor, reference: str) -> dict[str, Any]:
    """Revoke: the very next request with it is refused. Done before, it stays as it was."""
    key = await find_key(db, reference)
    await revoke_key(db, key["id"])
    return await find_key(db, str(key["id"]))


async def rotate_key(
    db: Executor,
    reference: str,
    now: datetime,
    *,
    old_expires_in_s: float | None = None,
    name: str | None = None,
    expires_at: datetime | None = None,
) -> NewKey:
    """A second key of the same project and scopes; the old one stays in force, or for `old_expires_in_s` more.

    The new one is for as long as the old one was made for, unless said. Raises Conflict for a key out of force.
    """
    old = await find_key(db, reference)
    if old["revoked_at"] is not None or (old["expires_at"] is not None and old["expires_at"] <= now):
        raise Conflict(f"the key {old['prefix']} is not in force any more; make a new one instead")
    if expires_at is None and old["expires_at"] is not None:
        expires_at = now + (old["expires_at"] - old["created_at"])
    made = await make_key(
        db,
        project_id=await project_id_of(db, old["project"]) if old["project"] else None,
        scopes=old["scopes"],
        name=name or old["name"],
        expires_at=expires_at,
    )
    if old_expires_in_s is not None:
        await expire_key(db, old["id"], now + timedelta(seconds=old_expires_in_s))
    return made
