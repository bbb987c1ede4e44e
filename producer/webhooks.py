"""A project's webhook endpoints and deliveries, and their public shapes. An endpoint's secret is shown when it is made,
and never again."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from core.errors import Conflict, NotFound, Problem, RequestRefused
from core.ids import new_id
from core.outbound import check_webhook_url
from core.settings import read_secret
from core.signing import secret_digest, webhook_secret
from core.webhooks import DEFAULT_EVENTS
from producer.composition import Services
from producer.submit import Caller
from sql.alerts import resolve_alert
from sql.webhooks import (
    change_webhook_endpoint,
    end_old_webhook_secret,
    insert_webhook_endpoint,
    put_webhook_secret,
    read_delivery,
    read_webhook_secret,
    redeliver,
    remove_webhook_endpoint,
    rotate_webhook_secret,
    select_webhook_endpoints,
)

MOST_ENDPOINTS = 50
ROTATED = "the secret was rotated by somebody else at this moment: look, and rotate again if it is needed"


async def add_endpoint(
    services: Services,
    caller: Caller,
    url: str,
    events: list[str] | None,
    *,
    include_content: bool = False,
    active: bool = True,
) -> dict[str, Any]:
    """The endpoint with its secret. Raises RequestRefused, or Conflict when there are too many."""
    _check_url(services, url)
    endpoint_id = new_id()
    secret = await _secret(services, endpoint_id, 1)
    row = await insert_webhook_endpoint(
        services.database,
        endpoint_id,
        caller.project_id,
        url,
        events or list(DEFAULT_EVENTS),
        include_content,
        active,
        secret_digest(secret),
        MOST_ENDPOINTS,
    )
    if row is None:
        raise Conflict(f"a project has at most {MOST_ENDPOINTS} webhook endpoints: remove one that is not used")
    return present_endpoint(row) | {"secret": secret}


async def list_endpoints(services: Services, caller: Caller) -> list[dict[str, Any]]:
    return [present_endpoint(row) for row in await select_webhook_endpoints(services.database, caller.project_id, None)]


async def show_endpoint(services: Services, caller: Caller, endpoint_id: UUID) -> dict[str, Any]:
    """Raises NotFound, also for an endpoint of another project."""
    return present_endpoint(await _read(services, caller, endpoint_id))


async def change_endpoint(
    services: Services, caller: Caller, endpoint_id: UUID, changes: Mapping[str, Any]
) -> dict[str, Any]:
    """Url, events, include_content, active, as far as they are named. Switched on, its alert is over."""
    if (url := changes.get("url")) is not None:
        _check_url(services, url)
    named = [changes.get(field) for field in ("url", "events", "include_content", "active")]
    row = await change_webhook_endpoint(services.database, endpoint_id, caller.project_id, *named)
    if row is None:
        raise NotFound
    if changes.get("active"):
        await resolve_alert(services.database, f"webhook endpoint {endpoint_id}")
    return present_endpoint(row)


async def remove_endpoint(services: Services, caller: Caller, endpoint_id: UUID) -> None:
    """With its deliveries, those to come too."""
    if not await remove_webhook_endpoint(services.database, endpoint_id, caller.project_id):
        raise NotFound
    await resolve_alert(services.database, f"webhook endpoint {endpoint_id}")


async def rotate_secret(
    services: Services, caller: Caller, endpoint_id: UUID, old_expires_in_s: int, now: datetime
) -> dict[str, Any]:
    """The endpoint with its new secret; the one before signs beside it until it expires. Raises Conflict when another
    rotation came in between."""
    before = await _read(services, caller, endpoint_id)
    number = before["secret_number"]
    secret = await _secret(services, endpoint_id, number + 1)
    old_until = now + timedelta(seconds=old_expires_in_s)
    row = await rotate_webhook_secret(
        services.database, endpoint_id, caller.project_id, number, old_until, secret_digest(secret)
    )
    if row is None:
        raise Conflict(ROTATED)
    await resolve_alert(services.database, f"webhook endpoint {endpoint_id}")
    return present_endpoint(row) | {"secret": secret}


async def end_old_secret(services: Services, caller: Caller, endpoint_id: UUID) -> dict[str, Any]:
    """From now on the newest secret signs alone."""
    row = await end_old_webhook_secret(services.database, endpoint_id, caller.project_id)
    if row is None:
        raise NotFound
    return present_endpoint(row)


async def project_secret(services: Services, caller: Caller) -> dict[str, Any]:
    """What deliveries to a request's own `webhook_url` are signed with."""
    known = await read_webhook_secret(services.database, caller.project_id)
    number = known.secret_number if known else 1
    old = (known.old_secret_number, known.old_secret_until) if known else (None, None)
    return await _put_secret(services, caller, number, number, *old)


async def rotate_project_secret(
    services: Services, caller: Caller, old_expires_in_s: int, now: datetime
) -> dict[str, Any]:
    """A new one; the one before signs beside it until it expires."""
    known = await read_webhook_secret(services.database, caller.project_id)
    number = known.secret_number if known else 1
    old_until = now + timedelta(seconds=old_expires_in_s)
    return await _put_secret(services, caller, number, number + 1, number, old_until)


async def deliver_again(services: Services, caller: Caller, delivery_id: UUID) -> dict[str, Any]:
    """The Delivery, whose schedule begins anew. Raises NotFound, or Conflict while it cannot be made."""
    known = await read_delivery(services.database, delivery_id, caller.project_id)
    if known is None:
        raise NotFound
    if not known.active:
        raise Conflict("its endpoint is switched off: PATCH it with active true first")
    row = await redeliver(services.database, delivery_id, caller.project_id, None)
    if row is None:
        raise Conflict("it is being delivered at this moment")
    return present_delivery(row)


def present_endpoint(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without its secret. `old_secret_expires_at`: until then two secrets sign."""
    return {
        "id": row["id"],
        "object": "webhook_endpoint",
        "url": row["url"],
        "events": row["events"],
        "include_content": row["include_content"],
        "active": row["active"],
        "disabled_reason": row["disabled_reason"],
        "failing_since": row["failing_since"],
        "old_secret_expires_at": row["old_secret_until"],
        "created_at": row["created_at"],
    }


def present_delivery(row: Mapping[str, Any]) -> dict[str, Any]:
    """`webhook_id` is the header's; `attempts` are those of the present schedule, `log` has every try there was."""
    state = "delivered" if row["delivered_at"] else "failed" if row["failed_at"] else "pending"
    return {
        "id": row["id"],
        "object": "webhook_delivery",
        "webhook_id": f"msg_{row['id'].hex}",
        "endpoint_id": row["endpoint_id"],
        "type": row["type"],
        "job_id": row["job_id"],
        "batch_id": row["batch_id"],
        "url": row["url"],
        "state": state,
        "attempts": row["attempts"],
        "last_status": row["last_status"],
        "next_at": row["next_at"] if state == "pending" else None,
        "delivered_at": row["delivered_at"],
        "failed_at": row["failed_at"],
        "created_at": row["created_at"],
        "log": row["log"],
    }


def _check_url(services: Services, url: str) -> None:
    if fault := check_webhook_url(url, services.settings.webhooks_allowed):
        raise RequestRefused.of([Problem(fault, "url")])


async def _secret(services: Services, owner: UUID, number: int) -> str:
    return webhook_secret(await asyncio.to_thread(read_secret, services.settings), owner, number)


async def _put_secret(
    services: Services, caller: Caller, number: int, new: int, old: int | None, old_until: datetime | None
) -> dict[str, Any]:
    secret = await _secret(services, caller.project_id, new)
    digest = secret_digest(secret)
    put = await put_webhook_secret(services.database, caller.project_id, number, new, digest, old, old_until)
    if put is None:
        raise Conflict(ROTATED)
    return {"object": "webhook_secret", "secret": secret, "old_secret_expires_at": put.old_secret_until}


async def _read(services: Services, caller: Caller, endpoint_id: UUID) -> dict[str, Any]:
    rows = await select_webhook_endpoints(services.database, caller.project_id, endpoint_id)
    if not rows:
        raise NotFound
    return rows[0]
