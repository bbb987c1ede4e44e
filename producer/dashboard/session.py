"""Who looks at the dashboard: an operator's key, exchanged once for a signed cookie that no script can read.

The cookie names the key, not its secret, and Postgres is asked every time, so that a revocation and a sign-out hold at
once, for every copy of the cookie.
"""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from fastapi import Depends, Request
from fastapi.responses import Response

from core.clock import utc_now
from core.errors import Forbidden, Unauthenticated
from core.settings import read_secret
from core.signing import check_link, sign_link
from producer.api.access import Operator, services_of
from producer.composition import Services
from sql.access import hash_key, touch_api_key
from sql.dashboard import end_session, find_session_key

COOKIE = "factory_session"
LIFE = timedelta(hours=12)
HEADER = "x-dashboard"
OWN = frozenset({"same-origin", "none"})


async def open_session(services: Services, key: str, now: datetime) -> str:
    """The cookie's value. Raises Unauthenticated, or Forbidden for a project's key."""
    found = await services.looks.find_key(hash_key(key)) if key else None
    if found is None:
        raise Unauthenticated("This key is not known, was revoked or has expired")
    if found.project_id is not None or "admin" not in found.scopes:
        raise Forbidden("this is a project's key; the dashboard opens with an operator's")
    await touch_api_key(services.database, found.id)
    secret = await asyncio.to_thread(read_secret, services.settings)
    session_id = uuid4()
    link = sign_link(secret, found.id, _what(session_id), now + LIFE)
    expires, signature = (part.partition("=")[2] for part in link.split("&"))
    return f"{found.id}.{session_id}.{expires}.{signature}"


async def read_session(services: Services, cookie: str, now: datetime) -> Operator:
    """Whose it is. Raises Unauthenticated."""
    key_id, session_id, _ = await _check(services, cookie, now)
    prefix = await find_session_key(services.database, key_id, session_id, None)
    if prefix is None:
        raise Unauthenticated("somebody signed out of this session, or its key was revoked or has expired")
    return Operator(f"dashboard {prefix}")


async def _check(services: Services, cookie: str, now: datetime) -> tuple[UUID, UUID, datetime]:
    """Of a cookie that was made here: the key, the session, and until when it holds. Raises Unauthenticated."""
    try:
        key, session, expires, signature = cookie.split(".")
        key_id, session_id = UUID(key), UUID(session)
    except ValueError:
        raise Unauthenticated("sign in with an operator's key") from None
    secret = await asyncio.to_thread(read_secret, services.settings)
    if check_link(secret, key_id, _what(session_id), expires, signature, now) is not None:
        raise Unauthenticated("this session is over; sign in again")
    return key_id, session_id, datetime.fromtimestamp(int(expires), UTC)


def _what(session_id: UUID) -> str:
    return f"dashboard {session_id}"


def keep_session(request: Request, response: Response, value: str) -> None:
    """Over TLS, only over TLS."""
    secure = request.url.scheme == "https"
    response.set_cookie(
        COOKIE, value, max_age=int(LIFE.total_seconds()), httponly=True, samesite="strict", secure=secure
    )


async def drop_session(services: Services, cookie: str, response: Response, now: datetime) -> None:
    """The cookie goes, and its value opens nothing any more."""
    with contextlib.suppress(Unauthenticated):
        _, session_id, expires_at = await _check(services, cookie, now)
        await end_session(services.database, session_id, expires_at, None)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


async def viewer_of(request: Request) -> Operator:
    """Whoever has a session may look."""
    return await read_session(await services_of(request), request.cookies.get(COOKIE, ""), utc_now())


def refuse_foreign_pages(request: Request) -> None:
    """Only our own page may change something: cookies also come with requests of a page on another port of this host.
    Such a page cannot send the header without asking first, and browsers say where a request comes from."""
    origin = request.headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if foreign or HEADER not in request.headers or request.headers.get("sec-fetch-site", "none") not in OWN:
        raise Forbidden("only the dashboard's own page may do this")


async def changer_of(request: Request) -> Operator:
    """A session, used by our own page."""
    refuse_foreign_pages(request)
    return await viewer_of(request)


ViewerOf = Annotated[Operator, Depends(viewer_of)]
ChangerOf = Annotated[Operator, Depends(changer_of)]
