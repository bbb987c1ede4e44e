"""Making API keys. The key is shown once; Postgres keeps its SHA-256."""

import secrets
from datetime import datetime

from core.errors import Conflict, NotFound
from sql.access import find_project, hash_key, insert_api_key, insert_project
from sql.pool import Database

PREFIX_LENGTH = 11


async def create_key(
    database: Database,
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
        made = await insert_project(database, project) if make_project else None
        found = await find_project(database, project)
        if found is None:
            raise NotFound(f"there is no project {project!r}; make it with `factory project create {project}`")
        project_id = made or found.id
    key = "fk_" + secrets.token_urlsafe(32)
    scopes = scopes or (["jobs"] if project is not None else ["admin"])
    await insert_api_key(database, hash_key(key), key[:PREFIX_LENGTH], name, project_id, scopes, expires_at)
    return key


async def create_project(database: Database, name: str) -> str:
    """A new project with its first key. Raises Conflict when the name is taken."""
    if await insert_project(database, name) is None:
        raise Conflict(f"there is a project {name!r} already; `factory key create --project {name}` makes another key")
    return await create_key(database, project=name)
