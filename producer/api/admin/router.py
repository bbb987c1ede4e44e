"""Everything under `/v1/admin`, in one router."""

from fastapi import APIRouter

from producer.admin.tables import TABLES
from producer.api.admin import aliases, keys, reports, usage
from producer.api.admin.tables import add_table

router = APIRouter(prefix="/v1/admin", tags=["admin"])
for table in TABLES.values():
    add_table(router, table)
for part in (keys, aliases, reports, usage):
    router.include_router(part.router)
