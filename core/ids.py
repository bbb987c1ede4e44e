"""Ids that sort by the time they were made."""

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A uuid v7: its order is the order of creation, within a millisecond."""
    return uuid_utils.compat.uuid7()
