"""`/v1/admin/usage`: what all projects spent."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from core.errors import NotFound
from producer.api.access import OperatorOf, ServicesOf
from producer.api.usage import CSV_DOCS, Format, UsageFilters, usage_response
from producer.usage import AS_USUAL, UsageQuery, read_dimensions
from sql.access import find_project

router = APIRouter()


@router.get("/usage", responses=CSV_DOCS)
async def usage(
    request: Request,
    services: ServicesOf,
    _operator: OperatorOf,
    filters: UsageFilters,
    by: str | None = None,
    project: str | None = None,
    format: Format = None,  # noqa: A002  the word in the query
) -> Response:
    """As `/v1/usage`, of all projects or the one of that name; `project` is the first dimension unless `by` says
    otherwise."""
    owner = None
    if project is not None:
        found = None if "\0" in project else await find_project(services.database, project)
        if found is None:
            raise NotFound(f"there is no project {project[:100]!r}")
        owner = found.id
    asked = UsageQuery(read_dimensions(by, ("project", *AS_USUAL)), owner, project, **filters)
    return await usage_response(services, asked, request, format)
