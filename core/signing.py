"""Links that carry their own permission, for browsers that cannot send a header. Pure."""

import hashlib
import hmac
from datetime import UTC, datetime
from uuid import UUID

SCOPES = ("audio", "events", "batch-events", "project-events")


def sign_link(secret: bytes, subject: UUID, what: str, expires_at: datetime) -> str:
    """Query parameters that open one thing of one job, batch or project until then."""
    expires = int(expires_at.timestamp())
    return f"expires={expires}&signature={_signature(secret, subject, what, expires)}"


def check_link(secret: bytes, subject: UUID, what: str, expires: str, signature: str, now: datetime) -> str | None:
    """What is wrong with a link, None if nothing is."""
    if not (expires.isascii() and expires.isdecimal() and len(expires) <= 12):
        return "the link is damaged"
    if not hmac.compare_digest(_signature(secret, subject, what, int(expires)).encode(), signature.encode()):
        return "the link is damaged, or was made with another FACTORY_SECRET_KEY"
    if datetime.fromtimestamp(int(expires), UTC) <= now:
        return "the link has expired"
    return None


def _signature(secret: bytes, subject: UUID, what: str, expires: int) -> str:
    said = f"factory-link-v1\n{what}\n{subject}\n{expires}".encode()
    return hmac.new(secret, said, hashlib.sha256).hexdigest()
