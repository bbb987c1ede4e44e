"""Opaque places in lists and streams, which only open where they were made. Pure.

They are no secret: the check is against mistakes (another list, another project, a copied half), and what a cursor
says is never more than where to go on in the caller's own project.
"""

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

CHECK_BYTES = 6
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_PLACE = struct.Struct(">qq16sB")


@dataclass(frozen=True, slots=True)
class StreamPlace:
    """Where a reader of a project's stream is. Events before `floor`, and jobs last changed before `reached`, have been
    sent; `job` and `rank` name the event itself."""

    floor: datetime
    reached: datetime
    job: UUID
    rank: int


def seal(purpose: str, owner: UUID, said: bytes) -> str:
    """Text for an address or a header."""
    return base64.urlsafe_b64encode(_check(purpose, owner, said) + said).rstrip(b"=").decode()


def unseal(purpose: str, owner: UUID, text: str) -> bytes | None:
    """None: this was not made here, or for something else."""
    try:
        whole = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    check, said = whole[:CHECK_BYTES], whole[CHECK_BYTES:]
    return said if check == _check(purpose, owner, said) and seal(purpose, owner, said) == text else None


def write_place(owner: UUID, place: StreamPlace) -> str:
    """An event's `id:`."""
    said = _PLACE.pack(_micros(place.floor), _micros(place.reached), place.job.bytes, place.rank)
    return seal("stream", owner, said)


def read_place(owner: UUID, text: str) -> StreamPlace | None:
    """None: no `id:` of this project's stream."""
    said = unseal("stream", owner, text)
    if said is None or len(said) != _PLACE.size:
        return None
    floor, reached, job, rank = _PLACE.unpack(said)
    return StreamPlace(_moment(floor), _moment(reached), UUID(bytes=job), rank)


def _check(purpose: str, owner: UUID, said: bytes) -> bytes:
    return hashlib.blake2b(owner.bytes + said, digest_size=CHECK_BYTES, person=purpose.encode()).digest()


def _micros(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _moment(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)
