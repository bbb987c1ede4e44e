"""Signatures, all out of FACTORY_SECRET_KEY: links that carry their own permission, for browsers that cannot send a
header, and webhooks after Standard Webhooks. Pure."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
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


def webhook_secret(secret: bytes, owner: UUID, number: int) -> str:
    """`whsec_…`, the secret of that number of an endpoint or a project. It is stored nowhere."""
    said = f"factory-webhook-v1\n{owner}\n{number}".encode()
    return "whsec_" + base64.b64encode(hmac.new(secret, said, hashlib.sha256).digest()).decode()


def is_webhook_secret(text: str) -> bool:
    """`whsec_` and at least 16 bytes in base64."""
    try:
        return text.startswith("whsec_") and len(base64.b64decode(text[6:], validate=True)) >= 16
    except ValueError:
        return False


def secret_digest(shown: str) -> bytes:
    """Tells whether a secret is the one that was shown, without telling the secret: it has 256 bits."""
    return hashlib.sha256(shown.encode()).digest()


def sign_webhook(secrets: Sequence[str], webhook_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of Standard Webhooks; one signature for each secret that is in force."""
    timestamp = str(int(at.timestamp()))
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    keys = [base64.b64decode(one.removeprefix("whsec_")) for one in secrets]
    signatures = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _signature(secret: bytes, subject: UUID, what: str, expires: int) -> str:
    said = f"factory-link-v1\n{what}\n{subject}\n{expires}".encode()
    return hmac.new(secret, said, hashlib.sha256).hexdigest()
