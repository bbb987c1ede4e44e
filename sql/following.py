"""A catalog that is never more than half a second behind Postgres, without LISTEN."""

from core.catalog import Catalog
from core.looper import Looper
from sql.configuration import load_configuration, read_config_version
from sql.pool import Database

EVERY_S = 0.4


class CatalogFollower:
    """`current` is replaced as a whole when the configuration's version has grown."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looper = Looper("catalog follower", self.step, EVERY_S)
        self.current = Catalog.of(version=0)

    async def start(self) -> None:
        await self.step()
        self._looper.start()

    async def step(self) -> bool:
        """Reload if there is news; True if there was."""
        if await read_config_version(self._database) == self.current.version:
            return False
        self.current = await load_configuration(self._database)
        return True

    async def stop(self) -> None:
        await self._looper.stop()
