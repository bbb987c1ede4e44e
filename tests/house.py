"""What a test holds of a running factory."""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx

from core.settings import Settings
from producer.composition import Services
from producer.keys import create_key
from sql.following import CatalogFollower


@dataclass(frozen=True)
class Factory:
    """`client` speaks HTTP to the API as project `nicestory`."""

    settings: Settings
    services: Services
    client: httpx.AsyncClient
    key: str
    emulator: str
    worker_catalog: CatalogFollower

    async def generate(self, **request: Any) -> httpx.Response:
        return await self.client.post("/v1/generate", json=request)

    async def job(self, **request: Any) -> dict[str, Any]:
        """Submit and wait until it is over."""
        answer = await self.client.post("/v1/jobs", json=request, headers={"Prefer": "wait=30"})
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        return job

    async def operator_key(self) -> str:
        """A key that opens /v1/admin."""
        return await create_key(self.services.database, project=None)

    async def execute(self, statement: str, *values: Any) -> Any:
        """An operator's SQL."""
        return await self.services.database.fetch(statement, *values)

    async def settled(self) -> None:
        """Until API and worker have the configuration that Postgres has: a second, and more on a loaded machine."""
        rows = await self.execute("SELECT version FROM factory.config_version")
        async with asyncio.timeout(10):
            while {self.worker_catalog.current.version, self.services.catalog.current.version} != {rows[0]["version"]}:
                await asyncio.sleep(0.01)


def addresses_of(settings: Settings) -> dict[str, str]:
    """What a program of its own must be told to belong to the same factory."""
    return {
        "FACTORY_DATABASE_URL": settings.database_url or "",
        "FACTORY_REDIS_URL": settings.redis_url or "",
        "FACTORY_EMULATOR_URL": settings.emulator_url or "",
        "FACTORY_HOME": str(settings.home),
    }
