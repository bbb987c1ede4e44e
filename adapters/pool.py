"""One HTTP connection pool under every provider SDK, and one SDK object per address."""

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    import httpx2

NO_KEY = "no-key"

Client = TypeVar("Client")


class ProviderPool:
    """Owns the HTTP client that all SDKs share; the SDK objects are never closed, only the pool, once.

    An SDK object serves many keys: the key of a call travels with the call. Without one, an SDK that insists is given
    NO_KEY, which does not go out.
    """

    def __init__(self, *, max_connections: int = 12_000, max_keepalive: int = 1000) -> None:
        self._max_connections = max_connections
        self._max_keepalive = max_keepalive
        self._http: httpx2.AsyncClient | None = None
        self._clients: dict[tuple[str, str], Any] = {}

    @property
    def http(self) -> "httpx2.AsyncClient":
        """The shared client, made on first use."""
        if self._http is None:
            import httpx2

            from adapters.lanes import Lanes
            from adapters.sender import Sender

            lanes = Lanes(self._max_connections, self._max_keepalive)
            self._http = Sender(lanes, httpx2.Timeout(60.0, connect=5.0))
        return self._http

    def client(self, sdk: str, base_url: str, build: "Callable[[str, httpx2.AsyncClient], Client]") -> Client:
        """The SDK object for an address, built once with the shared client."""
        found: Client | None = self._clients.get((sdk, base_url))
        if found is None:
            found = self._clients[sdk, base_url] = build(base_url, self.http)
        return found

    async def aclose(self) -> None:
        """Close every connection. The pool cannot be used afterwards."""
        self._clients.clear()
        if self._http is not None:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
