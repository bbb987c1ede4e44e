"""A project's budgets as they are shown: what is spent, reserved and left."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from core.budgets import Account, Bound, budgets_of
from core.catalog import Project
from producer.composition import Services
from sql.budgets import read_account


async def load_budget(services: Services, project_id: UUID) -> dict[str, Any]:
    project = services.catalog.current.projects.get(project_id)
    return present_budget(project, await read_account(services.database, project_id, None))


def present_budget(project: Project | None, account: Account) -> dict[str, Any]:
    """Both periods, whether they have bounds or not; amounts in USD, `left_usd` of the hard one, null without."""
    budgets = budgets_of(project)
    shown = []
    for period in account.periods:
        bound = budgets.bounds.get(period.name, Bound()) if budgets else Bound()
        used = period.spent + period.uncertain + account.reserved
        shown.append(
            {
                "period": period.name,
                "starts_at": period.starts_at,
                "resets_at": period.ends_at,
                "soft_usd": bound.soft,
                "hard_usd": bound.hard,
                "spent_usd": period.spent,
                "uncertain_usd": period.uncertain,
                "left_usd": None if bound.hard is None else max(Decimal(0), bound.hard - used),
            }
        )
    return {"project": project.name if project else None, "reserved_usd": account.reserved, "periods": shown}
