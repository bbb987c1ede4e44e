"""What may be spent: a project's budgets, and the sums that they are held against. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from core.catalog import Project
from core.estimates import most_usage
from core.pricing import price_most
from core.request import JobRequest, Kind
from core.result import Usage
from core.routing import Route
from core.tiers import asked_tier

PERIODS = ("daily", "monthly")
ENOUGH_CALLS = 20
SOFT, HARD = "budget_soft", "budget_hard"  # kinds of alerts


@dataclass(frozen=True, slots=True)
class Bound:
    """USD. `soft` raises an alert, `hard` stops; None: there is none."""

    soft: Decimal | None = None
    hard: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Budgets:
    """`projects.settings.budgets`, by period."""

    bounds: Mapping[str, Bound]
    allow_unknown_prices: bool = False

    @property
    def is_hard(self) -> bool:
        return any(bound.hard is not None for bound in self.bounds.values())


@dataclass(frozen=True, slots=True)
class Period:
    """What the ledger says of a period. USD; `uncertain` is the most that lines without a known end can have cost."""

    name: str
    starts_at: datetime
    ends_at: datetime
    spent: Decimal
    uncertain: Decimal


@dataclass(frozen=True, slots=True)
class Account:
    """A project's periods now, and what its open jobs may yet cost."""

    periods: Sequence[Period]
    reserved: Decimal


@dataclass(frozen=True, slots=True)
class CallFigures:
    """What good calls of a model used lately."""

    provider: str
    model: str
    kind: str
    calls: int
    completion_tokens_mean: float
    completion_tokens_p99: int
    duration_ms_mean: float | None = None
    slot_ms_mean: float | None = None
    tokens_mean: float | None = None


Figures = Mapping[tuple[str, str, str], CallFigures]


@dataclass(frozen=True, slots=True)
class Short:
    """Which hard budget a sum does not fit into."""

    period: Period
    hard: Decimal
    reserved: Decimal
    wanted: Decimal

    def __str__(self) -> str:
        period = self.period
        parts = [f"{period.spent:f} USD are spent"]
        parts += [f"up to {period.uncertain:f} more may have been"] if period.uncertain else []
        parts += [f"{self.reserved:f} are reserved by open jobs"] if self.reserved else []
        return (
            f"the {period.name} budget of {self.hard:f} USD does not have the {self.wanted:f} USD that this may cost: "
            f"{', '.join(parts)}. It begins anew at {period.ends_at:%Y-%m-%dT%H:%M:%SZ}"
        )


def budgets_of(project: Project | None) -> Budgets | None:
    """None where a project has none. What is said wrongly counts as not said, and is among the configuration's
    faults."""
    said = project.settings.get("budgets") if project else None
    if not isinstance(said, Mapping):
        return None
    bounds = {}
    for name in PERIODS:
        period = said.get(name)
        if isinstance(period, Mapping):
            bounds[name] = Bound(_money(period.get("soft_usd")), _money(period.get("hard_usd")))
    return Budgets(bounds, said.get("allow_unknown_prices") is True) if bounds else None


def budget_subject(project: str, period: str) -> str:
    """What an alert about a project's budget is about."""
    return f"project {project} {period}"


def _money(said: Any) -> Decimal | None:
    if isinstance(said, bool) or not isinstance(said, int | float | str | Decimal):
        return None
    try:
        amount = Decimal(str(said))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


def find_short(account: Account, budgets: Budgets, wanted: Decimal, reserved: Decimal | None = None) -> Short | None:
    """Does this sum fit, beside what is spent and reserved? `reserved`: where that is not all of the account's."""
    held = account.reserved if reserved is None else reserved
    for period in account.periods:
        bound = budgets.bounds.get(period.name)
        if bound is None or bound.hard is None:
            continue
        if period.spent + period.uncertain + held + wanted > bound.hard:
            return Short(period, bound.hard, held, wanted)
    return None


def soft_passed(period: Period, budgets: Budgets) -> Decimal | None:
    """The soft budget of a period where it is used up."""
    soft = budgets.bounds.get(period.name, Bound()).soft
    return soft if soft is not None and period.spent + period.uncertain >= soft else None


def likely_usage(request: JobRequest, route: Route, figures: Figures) -> Usage:
    """What a call is expected to use: the measured mean of the model, at most what the caller allows."""
    most = most_usage(request, route.model.max_output_tokens)
    measured = _measured(request, route, figures)
    if request.kind is Kind.text and measured is not None:
        most.completion_tokens = min(most.completion_tokens, round(measured.completion_tokens_mean))
    return most


def bound_usage(request: JobRequest, route: Route, figures: Figures) -> Usage:
    """What a call will hardly exceed: the caller's own limit, else the measured p99 of the model, else its maximum."""
    most = most_usage(request, route.model.max_output_tokens)
    measured = _measured(request, route, figures)
    if request.kind is Kind.text and request.max_output_tokens is None and measured is not None:
        most.completion_tokens = min(most.completion_tokens, measured.completion_tokens_p99)
    return most


def is_measured(request: JobRequest, route: Route, figures: Figures) -> bool:
    """Does `likely_usage` go by what good calls of this model used?"""
    return request.kind is Kind.text and _measured(request, route, figures) is not None


def _measured(request: JobRequest, route: Route, figures: Figures) -> CallFigures | None:
    found = figures.get((route.model.provider, route.model.model_id, request.kind.value))
    return found if found is not None and found.calls >= ENOUGH_CALLS else None


def bound_of(request: JobRequest, route: Route, figures: Figures) -> Decimal | None:
    """USD that a call on this route will hardly exceed; None: its price is not known."""
    tier = asked_tier(request, route.model.provider, route.parameters)
    return price_most(bound_usage(request, route, figures), route.price, route.endpoint.region, tier)
