"""A catalog that is never more than half a second behind Postgres, without LISTEN."""

from collections.abc import Mapping

from core.catalog import Catalog
from core.looper import Looper
from core.provider import HandlerSpec
from core.routing import Router
from sql.configuration import load_configuration, read_config_version
from sql.pool import Database

EVERY_S = 0.4


class CatalogFollower:
    """`router`, with the catalog in it, is replaced as a whole when the configuration's version has grown."""

    def __init__(self, database: Database, handlers: Mapping[str, HandlerSpec]) -> None:
        self._database = database
        self._handlers = handlers
        self._looper = Looper("catalog follower", self.step, EVERY_S)
        self.router = Router(Catalog.of(version=0), handlers)

    @property
    def current(self) -> Catalog:
        return self.router.catalog

    async def start(self) -> None:
        await self.step()
        self._looper.start()

    async def step(self) -> bool:
        """Reload if there is news; True if there was."""
        if await read_config_version(self._database) == self.current.version:
            return False
        self.router = Router(await load_configuration(self._database), self._handlers)
        return True

    async def stop(self) -> None:
        await self._looper.stop()
