"""The page, its files, signing in and out, and the live feed. None of it is part of the public API."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from pydantic import ValidationError

from core.clock import utc_now
from core.errors import Unauthenticated
from core.request import Shape
from producer.api.access import ServicesOf
from producer.api.bodies import JSON_TYPES, read_body
from producer.api.events import HEARTBEAT, RETRY_MS, EventStream, farewell
from producer.composition import Services
from producer.dashboard import changes, figures, jobs
from producer.dashboard.assets import serve_asset, shown
from producer.dashboard.board import LiveBoard
from producer.dashboard.session import (
    COOKIE,
    ViewerOf,
    drop_session,
    keep_session,
    open_session,
    read_session,
    refuse_foreign_pages,
    viewer_of,
)
from producer.dashboard.sights import readers_of

LOOK_AT_SESSION_S = 10.0
router = APIRouter(include_in_schema=False)


class SignIn(Shape):
    key: str


def install_dashboard(app: FastAPI, services: Services) -> None:
    """At `/` and under `/dashboard`."""
    board = LiveBoard(readers_of(services))
    services.closing.on_begin(board.wake_all)
    app.state.live_board = board
    app.include_router(router)
    for part in (jobs, figures, changes):
        app.include_router(part.router, prefix="/dashboard/api", include_in_schema=False)


@router.get("/")
async def page(request: Request) -> Response:
    """The page; without a session it shows nothing but where to sign in."""
    return serve_asset(request, "index.html")


@router.get("/dashboard/static/{name}")
async def asset(request: Request, name: str) -> Response:
    return serve_asset(request, name)


@router.post("/dashboard/session")
async def sign_in(request: Request, services: ServicesOf) -> Response:
    """An operator's key for a cookie."""
    refuse_foreign_pages(request)
    try:
        order = SignIn.model_validate_json(await read_body(request, 1, JSON_TYPES))
    except ValidationError:
        raise Unauthenticated("send a key, as JSON") from None
    value = await open_session(services, order.key.strip(), utc_now())
    response = Response(status_code=204)
    keep_session(request, response, value)
    return response


@router.delete("/dashboard/session")
async def sign_out(request: Request, services: ServicesOf) -> Response:
    """In this browser, and for every copy of its cookie."""
    refuse_foreign_pages(request)
    response = Response(status_code=204)
    await drop_session(services, request.cookies.get(COOKIE, ""), response, utc_now())
    return response


@router.get("/dashboard/session")
async def session(request: Request) -> Response:
    """Who looks; null when nobody has signed in."""
    try:
        return shown({"name": (await viewer_of(request)).name})
    except Unauthenticated:
        return shown({"name": None})


@router.get("/dashboard/api/live")
async def live(request: Request, services: ServicesOf, _viewer: ViewerOf) -> Response:
    """The parts of the board as server-sent events, each when it changes."""
    board: LiveBoard = request.app.state.live_board
    return EventStream(_frames(services, board, request.cookies[COOKIE]))


async def _frames(services: Services, board: LiveBoard, cookie: str) -> AsyncIterator[bytes]:
    """Until the session is over."""
    yield b"retry: %d\n\n" % RETRY_MS
    seen: dict[str, int] = {}
    clock = asyncio.get_running_loop().time
    look_at = clock() + LOOK_AT_SESSION_S
    with board.following() as changed:
        while True:
            changed.clear()
            yield board.news(seen) or HEARTBEAT
            if services.closing.begun:
                yield farewell()
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(look_at):
                    await changed.wait()
            if clock() >= look_at:
                look_at = clock() + LOOK_AT_SESSION_S
                try:
                    await read_session(services, cookie, utc_now())
                except Unauthenticated:
                    return
