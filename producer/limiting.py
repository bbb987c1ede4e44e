"""A project's requests and tokens a minute, held at the edge: before a job is accepted."""

import asyncio
import math
from collections.abc import Collection, Iterable, Mapping
from contextvars import ContextVar
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from broker.limits import Limiter
from core.errors import Problem, RateLimited, RequestRefused
from core.limits import Limits, Refused, Room, Scope, Taken, project_scope, tokens_asked
from core.request import JobRequest
from sql.following import CatalogFollower

SHOWN: ContextVar[dict[str, str] | None] = ContextVar("limit_headers", default=None)
PAGE = 1000
PORTIONS = 12
_WORDS = {"requests": "requests_per_minute", "tokens": "tokens_per_minute"}


class Asked(NamedTuple):
    """Of a project's limits."""

    requests: int = 0
    tokens: int = 0

    def beyond(self, had: "Asked") -> "Asked":
        """What is left of it."""
        return Asked(max(0, self.requests - had.requests), max(0, self.tokens - had.tokens))


class LargerThanLimit(RequestRefused):
    """At once it would never have room."""


class ProjectLimits:
    """A project without limits costs nothing here."""

    def __init__(self, limiter: Limiter, catalog: CatalogFollower) -> None:
        self._limiter = limiter
        self._catalog = catalog

    async def admit(self, project_id: UUID, jobs: Mapping[UUID, JobRequest]) -> None:
        """All of the jobs, or none. Raises RateLimited that says when to come again, or RequestRefused for what is
        larger than the limit by itself. The answer's headers are put into SHOWN."""
        if self.holds(project_id):
            tokens = {job_id: tokens_asked(request) for job_id, request in jobs.items()}
            await self.admit_counted(project_id, len(tokens), sum(tokens.values()), tokens.items())

    def holds(self, project_id: UUID) -> bool:
        """Has this project any limit?"""
        return bool(self._edge_of(project_id))

    async def admit_counted(
        self, project_id: UUID, requests: int, tokens: int, parts: Iterable[tuple[UUID, int]]
    ) -> None:
        """`admit`, where the tokens of each job are counted already: in all, and in parts. Raises LargerThanLimit."""
        edge = self._edge_of(project_id)
        if not edge:
            return
        _refuse_larger(edge, requests, tokens)
        scope = Scope(project_scope(project_id), edge)
        answer = await self._limiter.take("", [scope], requests=requests, tokens=tokens)
        _show(answer)
        if isinstance(answer, Refused):
            asked = f"{requests} requests" if requests > 1 else "a request"
            what = asked if answer.dimension == "requests" else f"about {tokens} tokens"
            wait_s = answer.wait_s or 0.0
            raise RateLimited(
                f"the project has {answer.limit} {answer.dimension} a minute, and no room for {what} yet; "
                f"come again in {max(1, math.ceil(wait_s))} s",
                wait_s,
            )
        if edge.tokens_per_minute:
            left = iter(parts)
            while page := {str(job_id): count for job_id, count in islice(left, PAGE)}:
                await self._limiter.remember(answer, page)

    async def admit_part(self, project_id: UUID, asked: Asked) -> tuple[Asked, float]:
        """What there is room for now beside what is left to others, and in how many seconds it is worth asking for the
        rest. It is taken in twelfths of a minute's room, so that what is left of a minute is taken too."""
        edge, taken = self._edge_of(project_id), Asked()
        scope = Scope(project_scope(project_id), edge.for_batches())
        while edge and taken != asked:
            left = asked.beyond(taken)
            requests = min(left.requests, _portion(edge.requests_per_minute, left.requests))
            tokens = min(left.tokens, _portion(edge.tokens_per_minute, left.tokens))
            answer = await self._limiter.take("", [scope], requests=requests, tokens=tokens)
            if isinstance(answer, Refused):
                return taken, answer.wait_s or 0.0
            taken = Asked(taken.requests + requests, taken.tokens + tokens)
        return asked, 0.0

    def _edge_of(self, project_id: UUID) -> Limits:
        project = self._catalog.current.projects.get(project_id)
        limits = Limits.of(project.settings.get("limits")) if project else Limits()
        return Limits(limits.requests_per_minute, limits.tokens_per_minute)

    async def give_back(self, project_id: UUID, answered: Collection[UUID]) -> None:
        """The tokens of jobs that the cache answered: nobody used them."""
        project = self._catalog.current.projects.get(project_id)
        if answered and project and Limits.of(project.settings.get("limits")).tokens_per_minute:
            await asyncio.gather(*(self._limiter.settle(str(job_id), 0) for job_id in answered))


def _portion(limit: int | None, asked: int) -> int:
    return asked if limit is None else math.ceil(limit / PORTIONS)


def _refuse_larger(limits: Limits, requests: int, tokens: int) -> None:
    """What would never have room."""
    for dimension, asked, limit in (
        ("requests", requests, limits.requests_per_minute),
        ("tokens", tokens, limits.tokens_per_minute),
    ):
        if limit is not None and asked > limit:
            about = "" if dimension == "requests" else "about "
            message = f"{about}{asked} {dimension} at once are more than the project's {_WORDS[dimension]} of {limit}"
            raise LargerThanLimit.of([Problem(message + "; send less at a time", "jobs" if requests > 1 else None)])


def _show(answer: Taken | Refused) -> None:
    """RateLimit of the IETF's draft, and the names that OpenAI's clients know."""
    shown = SHOWN.get()
    if shown is None:
        return
    rooms = [("requests", answer.requests_room), ("tokens", answer.tokens_room)]
    said = [(name, room) for name, room in rooms if room is not None]
    shown["RateLimit-Policy"] = ", ".join(f'"{name}";q={room.limit};w=60' for name, room in said)
    shown["RateLimit"] = ", ".join(f'"{name}";r={room.left};t={math.ceil(room.reset_s)}' for name, room in said)
    for name, room in said:
        shown |= _openai_headers(name, room)


def _openai_headers(name: str, room: Room) -> dict[str, str]:
    return {
        f"x-ratelimit-limit-{name}": str(room.limit),
        f"x-ratelimit-remaining-{name}": str(room.left),
        f"x-ratelimit-reset-{name}": f"{room.reset_s:.3f}s",
    }
