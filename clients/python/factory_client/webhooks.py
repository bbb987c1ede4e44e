"""Webhooks, as Standard Webhooks signs them: https://www.standardwebhooks.com."""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any

from factory_client.errors import SignatureInvalid
from factory_client.shapes import read_json

TOLERANCE_S = 300


def verify_webhook(
    headers: Mapping[str, str],
    body: bytes,
    secret: str,
    *,
    tolerance_s: float = TOLERANCE_S,
    clock: Callable[[], float] = time.time,
) -> dict[str, Any]:
    """`{"type", "timestamp", "data"}` of a webhook that is the factory's and not older than the tolerance.

    `body` is the bytes as they came, `secret` the endpoint's `whsec_…`. Raises SignatureInvalid. The same `webhook-id`
    may come twice: remember what you have done.
    """
    said = {name.lower(): value for name, value in headers.items()}
    try:
        message, at, signatures = (said[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as missing:
        raise SignatureInvalid(f"the header {missing.args[0]} is missing") from None
    if not (at.isascii() and at.isdecimal()) or abs(clock() - int(at)) > tolerance_s:
        raise SignatureInvalid("webhook-timestamp is too old or too new: is this clock right?")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise SignatureInvalid("the secret is none: it looks like whsec_ and base64") from None
    wanted = base64.b64encode(hmac.new(key, f"{message}.{at}.".encode() + body, hashlib.sha256).digest())
    given = [one.removeprefix("v1,").encode() for one in signatures.split() if one.startswith("v1,")]
    if not any(hmac.compare_digest(one, wanted) for one in given):
        raise SignatureInvalid("no signature fits: is the secret that of this endpoint, and the body untouched?")
    event: dict[str, Any] = read_json(body)
    return event
