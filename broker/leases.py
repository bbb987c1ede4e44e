"""Keeps the leases of this process's jobs, from a thread of its own: a slow event loop does not lose them.

A hung one does: the thread renews only while the loop keeps ticking.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any
from uuid import UUID

from redis import Redis
from redis.exceptions import RedisError

from broker.limits import PREFIX as LIMITS
from broker.queue import PREFIX, Renewal, Ticket, read_script
from core.logging import get_logger

_LOOKS_PER_LEASE = 6
_FRESH = 0.25  # of a lease: most jobs are over by then, and nobody renews what has just ended
_AT_ONCE = 500


@dataclass(slots=True)
class Lease:
    """A running job, the token it runs under, and its place in line, should Redis forget it: made when it is needed,
    also in the keeper's thread. `renewed_at`: monotonic."""

    id: UUID
    token: int
    ticket: Callable[[], Ticket]
    renewed_at: float = field(default_factory=time.monotonic)


class LeaseKeeper:
    """`tick` from the event loop, more often than twice a lease. `on_taken` is called in the keeper's thread, with
    the job and the token under which it was ours."""

    def __init__(self, redis: Redis, owner: str, lease_s: float) -> None:
        self._redis = redis
        self._owner = owner
        self._lease_s = lease_s
        self.on_taken: Callable[[UUID, int], None] = lambda _job_id, _token: None
        self._held: dict[UUID, Lease] = {}
        self._places: dict[str, Sequence[str]] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._ticked = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Lets the leases run out; waits for a renewal under way."""
        self._ended.set()
        self._thread.join(timeout=5)
        self._redis.close()

    def tick(self) -> None:
        """The event loop is alive."""
        self._ticked = time.monotonic()

    def hold(self, lease: Lease) -> None:
        """Renew this one from now on."""
        with self._lock:
            self._held[lease.id] = lease

    def drop(self, job_id: UUID, token: int) -> None:
        """It is over, or was given back."""
        with self._lock:
            if (lease := self._held.get(job_id)) is not None and lease.token == token:
                del self._held[job_id]

    def tickets(self) -> list[Ticket]:
        """Of the jobs that run here."""
        with self._lock:
            held = list(self._held.values())
        return [lease.ticket() for lease in held]

    def hold_places(self, holder: str, scopes: Sequence[str]) -> None:
        """Renew a call's places in these scopes, too."""
        with self._lock:
            self._places[holder] = scopes

    def drop_places(self, holder: str) -> None:
        """The call is over: before its places are given back."""
        with self._lock:
            self._places.pop(holder, None)

    def _run(self) -> None:
        script = self._redis.register_script(read_script("renew"))
        places_script = self._redis.register_script(read_script("renew_places"))
        failing = False
        looks = count(1)
        while not self._ended.wait(self._lease_s / _LOOKS_PER_LEASE):
            if time.monotonic() - self._ticked > self._lease_s / 2:
                get_logger(__name__).warning("the event loop hangs, leases are not renewed")
                continue
            try:
                self._renew(script)
                if next(looks) % 2 == 0:
                    self._renew_places(places_script)
                failing = False
            except (RedisError, OSError) as error:
                if not failing:
                    get_logger(__name__).warning("leases not renewed", error=type(error).__name__)
                failing = True

    def _renew(self, script: Any) -> None:
        now = time.monotonic()
        with self._lock:
            due = [lease for lease in self._held.values() if now - lease.renewed_at >= _FRESH * self._lease_s]
        for start in range(0, len(due), _AT_ONCE):
            page = due[start : start + _AT_ONCE]
            args = [PREFIX, self._owner, round(self._lease_s * 1000), *chain.from_iterable(map(_row, page))]
            answers = script(keys=[PREFIX + "jobs", PREFIX + "delayed"], args=args)
            for lease, answer in zip(page, answers, strict=True):
                lease.renewed_at = now
                self._heed(lease, answer.decode())

    def _renew_places(self, script: Any) -> None:
        """What was given back while its renewal was on the way is taken out again."""
        with self._lock:
            held = [(scope, holder) for holder, scopes in self._places.items() for scope in scopes]
        for start in range(0, len(held), _AT_ONCE):
            page = held[start : start + _AT_ONCE]
            script(keys=[], args=[LIMITS, round(self._lease_s * 1000), *chain.from_iterable(page)])
            with self._lock:
                gone = [(scope, holder) for scope, holder in page if holder not in self._places]
            for scope, holder in gone:
                self._redis.zrem(f"{LIMITS}p:{scope}", holder)

    def _heed(self, lease: Lease, answer: Renewal) -> None:
        if answer == "held":
            return
        get_logger(__name__).warning("lease " + answer, job_id=str(lease.id), token=lease.token)
        if answer == "taken":
            with self._lock:
                if self._held.get(lease.id) is lease:
                    del self._held[lease.id]
            self.on_taken(lease.id, lease.token)


def _row(lease: Lease) -> tuple[str | int, ...]:
    ticket = lease.ticket()
    return str(ticket.id), lease.token, ticket.pool, str(ticket.project), ticket.weight, ticket.score
