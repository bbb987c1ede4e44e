"""Which key goes with a call, and which endpoints cannot be called for want of one."""

from collections.abc import Callable
from urllib.parse import urlsplit
from uuid import UUID

from core.catalog import Catalog, Endpoint
from core.settings import resolve_secret

EMULATED_KEY = "emulated"


def endpoints_without_credential(
    catalog: Catalog, *, emulated: bool, resolve: Callable[[str], str | None] = resolve_secret
) -> dict[UUID, str]:
    """Endpoint id → why it cannot be called. A provider's own address needs its key; at an address of the
    operator's own, a missing key means that none is sent. With `emulated`, shipped endpoints need none."""
    return {
        endpoint.id: f"its credential {endpoint.credential} is not set"
        for endpoints in catalog.endpoints.values()
        for endpoint in endpoints
        if endpoint.seeded and endpoint.credential and not emulated and resolve(endpoint.credential) is None
    }


def address_of(endpoint: Endpoint, emulator_url: str | None) -> tuple[str, str | None]:
    """Base URL and key for a call; a shipped endpoint goes to the emulator when its URL is given."""
    if emulator_url is not None and endpoint.seeded:
        return f"{emulator_url.rstrip('/')}/{endpoint.provider}{urlsplit(endpoint.base_url).path}", EMULATED_KEY
    return endpoint.base_url, resolve_secret(endpoint.credential) if endpoint.credential else None
