"""Ids that sort by the time they were made."""

import hashlib
from datetime import datetime
from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A uuid v7: its order is the order of creation, within a millisecond."""
    return uuid_utils.compat.uuid7()


def id_of_line(batch_id: UUID, line: int) -> UUID:
    """The id of a job by its line (below 2^20) in a batch: a uuid v7 of the batch's own millisecond, in the order of
    the lines. The same whoever asks, so that lines may name each other before they are jobs."""
    if not 0 < line < 1 << 20:
        raise ValueError(f"line {line} is outside 1 to {(1 << 20) - 1}")
    digest = hashlib.blake2b(batch_id.bytes + line.to_bytes(4), digest_size=8).digest()
    chance = int.from_bytes(digest) >> 10
    return UUID(int=(batch_id.int >> 80) << 80 | 7 << 76 | (line >> 8) << 64 | 2 << 62 | (line & 0xFF) << 54 | chance)


def first_id_at(moment: datetime) -> UUID:
    """What is made later than this has a larger id."""
    return UUID(int=round(moment.timestamp() * 1000) << 80)
