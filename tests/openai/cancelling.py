"""Stopping what another request waits for."""

import asyncio

from tests.house import Factory


async def cancel_newest(factory: Factory, number: int) -> None:
    """Once there are `number` jobs, the newest is cancelled while it runs."""
    while True:
        rows = await factory.execute("SELECT id, state FROM factory.jobs ORDER BY created_at DESC")
        if len(rows) == number and rows[0]["state"] == "in_progress":
            break
        await asyncio.sleep(0.01)
    answer = await factory.client.post(f"/v1/jobs/{rows[0]['id']}/cancel")
    assert answer.status_code == 200, answer.text
