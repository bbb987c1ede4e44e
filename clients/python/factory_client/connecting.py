"""What both clients have in common: where the factory is, and what its key is."""

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from factory_client.calls import Answer, Call
from factory_client.errors import NotConfigured

if TYPE_CHECKING:
    import httpx

CONNECT_S = 10.0


class Connection:
    """Where and as whom. Its repr tells the address alone, without anything secret in it."""

    def __init__(self, url: str | None, api_key: str | None, *, given_base_url: str | None = None) -> None:
        """`given_base_url` is that of a caller's own httpx client, whose headers may hold a key already."""
        own = given_base_url if url is None and given_base_url else None
        found = own or url or os.environ.get("FACTORY_URL")
        key = api_key or (None if own else os.environ.get("FACTORY_API_KEY"))
        if not found:
            raise NotConfigured("where is the factory? Give url=, or set FACTORY_URL")
        parts = urlsplit(found)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise NotConfigured("FACTORY_URL is not the address of an API, such as http://127.0.0.1:8400")
        if key is not None and not (key.isascii() and key.isprintable()):
            raise NotConfigured("FACTORY_API_KEY has characters that no key has")
        self._url = found.rstrip("/")
        # httpx makes Authorization of a user in the address; elsewhere that header is the one which it never shows.
        name, prefix = ("x-api-key", "") if parts.username is not None else ("authorization", "Bearer ")
        self._credentials = {name: prefix + key} if key else {}
        self.where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")

    def url(self, call: Call) -> str:
        return self._url + call.path

    def headers(self, call: Call) -> dict[str, str]:
        return {**call.headers, **self._credentials}

    def lost(self, error: Exception) -> str:
        """What to say of a connection that could not be made or broke."""
        return f"{self.where} cannot be reached ({error or type(error).__name__}); does the factory run there?"

    def __repr__(self) -> str:
        return f"Connection({self.where!r})"


def answer_of(response: "httpx.Response", body: bytes) -> Answer:
    return Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)
