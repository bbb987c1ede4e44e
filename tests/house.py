"""What a test holds of a running factory."""

from dataclasses import dataclass
from typing import Any

import httpx

from core.settings import Settings
from producer.composition import Services


@dataclass(frozen=True)
class Factory:
    """`client` speaks HTTP to the API as project `nicestory`."""

    settings: Settings
    services: Services
    client: httpx.AsyncClient
    key: str
    emulator: httpx.URL

    async def generate(self, **request: Any) -> httpx.Response:
        return await self.client.post("/v1/generate", json=request)

    async def job(self, **request: Any) -> dict[str, Any]:
        """Submit and wait until it is over."""
        answer = await self.client.post("/v1/jobs", json=request, headers={"Prefer": "wait=30"})
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        return job

    async def execute(self, statement: str, *values: Any) -> Any:
        """An operator's SQL."""
        return await self.services.database.fetch(statement, *values)
