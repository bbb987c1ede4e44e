"""What an operator must see to, as values: found by looking at the whole, raised once, resolved when it is over. Pure.

Some alerts are raised where something happens, such as a key that is refused; those here are looked for.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.catalog import Alias, Catalog, Model
from core.health import Rest

BREAKER = "breaker_open"
LATE = "jobs_late"
RETIRES = "model_retires"
DEAD_LETTERS = "dead_letters"
CREDENTIAL = frozenset({"auth", "quota_exhausted"})
SOON = timedelta(days=30)
FORGOTTEN_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """One open alert for each kind and subject."""

    kind: str
    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class OpenAlert:
    kind: str
    subject: str
    message: str
    last_at: datetime


@dataclass(frozen=True, slots=True)
class LateJobs:
    """Ready jobs of a project and kind that have waited too long; `oldest_s`: the longest of them."""

    project: str
    kind: str
    jobs: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Changes:
    raised: list[Finding]
    resolved: list[OpenAlert]


def changes_of(found: Sequence[Finding], alerts: Sequence[OpenAlert], kinds: Collection[str]) -> Changes:
    """What to raise and to resolve so that of these kinds what was found is open, and nothing else. A model's
    retirement is told again when it concerns others."""
    mine = {(one.kind, one.subject): one for one in alerts if one.kind in kinds}
    wanted = {(one.kind, one.subject) for one in found}

    def is_news(one: Finding) -> bool:
        known = mine.get((one.kind, one.subject))
        return known is None or (one.kind == RETIRES and known.message != one.message)

    return Changes([one for one in found if is_news(one)], [one for key, one in mine.items() if key not in wanted])


def find_open(
    breakers: Mapping[str, Rest], catalog: Catalog, alerts: Sequence[OpenAlert], now: datetime, most_s: float
) -> list[Finding]:
    """Breakers that have been open for `most_s`. What is alerted stays so until its breaker closes."""
    alerted = {one.subject for one in alerts if one.kind == BREAKER}
    found = []
    for name, rest in breakers.items():
        since, subject = rest.since or now, _route_subject(name, catalog)
        if subject in alerted or (now - since).total_seconds() >= most_s:
            message = f"no call has come through since {since:%H:%M} UTC; the last failed with {rest.kind}"
            found.append(Finding(BREAKER, subject, f"{message}: {rest.reason}"))
    return found


def _route_subject(name: str, catalog: Catalog) -> str:
    endpoint_id, _, model = name.partition("|")
    urls = {str(one.id): one.base_url for group in catalog.endpoints.values() for one in group}
    return f"{model} at {urls.get(endpoint_id, endpoint_id)}"


def find_late(late: Sequence[LateJobs], most_s: float) -> list[Finding]:
    """`late`: without those whose project waits by its own wish."""
    return [
        Finding(
            LATE,
            f"{one.kind} jobs of project {one.project}",
            f"{one.jobs} have waited longer than {most_s:g} s for a worker, the first for {one.oldest_s:.0f} s",
        )
        for one in late
    ]


def find_retiring(catalog: Catalog, called: Collection[tuple[str, str]], now: datetime) -> list[Finding]:
    """Models that their provider switches off within 30 days, or has switched off, and that a name means or that were
    `called` lately (provider, model)."""
    found = []
    for model in catalog.models.values():
        if not model.active or model.retires_on is None or model.retires_on > (now + SOON).date():
            continue
        uses = [*_targets_of(model, catalog)]
        if (model.provider, model.model_id) in called:
            uses.append("it was called lately")
        if uses:
            switches = "switched" if model.retires_on <= now.date() else "switches"
            message = f"its provider {switches} it off on {model.retires_on}; {'; '.join(uses)}"
            found.append(Finding(RETIRES, f"model {model.name}", message))
    return found


def _targets_of(model: Model, catalog: Catalog) -> Iterator[str]:
    for alias in sorted(catalog.aliases.values(), key=lambda one: (one.alias, str(one.project_id or ""))):
        active = [one for one in alias.targets if one.active]
        for place, target in enumerate(active, 1):
            if (target.provider, target.model_id) == (model.provider, model.model_id):
                yield f"{_said(alias, catalog)} means it, target {place} of {len(active)}"


def _said(alias: Alias, catalog: Catalog) -> str:
    return alias.alias if alias.project_id is None else f"{alias.alias} of project {catalog.name_of(alias.project_id)}"


def over_credentials(alerts: Sequence[OpenAlert], catalog: Catalog) -> list[OpenAlert]:
    """About credentials that no endpoint uses any more: no call can show that they are well again."""
    used = {
        f"{one.provider} {one.credential or one.base_url}"
        for group in catalog.endpoints.values()
        for one in group
        if one.active
    }
    return [one for one in alerts if one.kind in CREDENTIAL and one.subject not in used]


def old_letters(alerts: Sequence[OpenAlert], now: datetime) -> list[OpenAlert]:
    """Dead letters to which none was added for an hour."""
    return [one for one in alerts if one.kind == DEAD_LETTERS and one.last_at < now - FORGOTTEN_AFTER]


def alert_body(kind: str, at: datetime, alert: Mapping[str, Any]) -> dict[str, Any]:
    """What the operator's webhook says. `text` is for chats that show that field."""
    over = "over" if kind == "alert.resolved" else "alert"
    text = f"{over}: {alert['kind']}: {alert['subject']}: {alert['message']}"
    return {"type": kind, "timestamp": at, "text": text, "data": dict(alert)}
