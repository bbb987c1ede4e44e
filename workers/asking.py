"""A request put to a route, until its answer is what was asked for.

Where JSON is asked for: by the provider's own means; in the prompt where it has none or refuses the schema; what comes
is mended if its form alone is wrong; else it is asked for once more with what was wrong. The next route, and the end,
are the caller's.
"""

from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from adapters.schemas import why_not_native
from core.failover import CALLERS_FAULT
from core.provider import ProviderError
from core.records import record
from core.request import JobRequest
from core.result import SchemaMet, Usage
from core.routing import Route
from core.schema_checks import SCHEMA_REFUSED, SchemaViolated
from core.schema_prompt import ask_in_prompt, ask_once_more
from sql.calls import select_missed
from workers.calling import Answered, call_provider
from workers.limiting import AtLimit
from workers.outcomes import Done, JobRun
from workers.services import WorkerServices
from workers.spending import Unaffordable

REFUSED = "response_format: {model} refused the schema; it is given in the prompt"


@record
class Way:
    """How JSON is asked for: what is sent, and what the ledger and the caller are told of it. `asked_first`: what the
    call used whose answer is repaired."""

    request: JobRequest
    asked: str | None
    warnings: tuple[str, ...] = ()
    asked_first: Usage | None = None


@dataclass(frozen=True, slots=True)
class Missed:
    """A call that did not bring what the schema wants."""

    route: Route
    cost: Decimal | None


@record
class OneCall:
    """The whole answer by one call, and a second where the first brought no JSON that will do."""

    services: WorkerServices
    run: JobRun
    request: JobRequest
    images: dict[str, tuple[str, bytes]]
    until: datetime
    missed: list[Missed] = field(default_factory=list)

    @property
    def max_attempts(self) -> int:
        return self.services.settings.max_attempts

    def may_use(self, route: Route) -> bool:  # noqa: ARG002  any will do
        return True

    async def ask(self, route: Route, patience_s: float = 0.0) -> Done:
        """A call that is made once more because of what the model wrote cannot be the caller's fault."""
        way = self._first_way(route)
        violated: SchemaViolated | None = None
        while True:
            try:
                answered = await self._call(route, way, patience_s)
            except AtLimit:
                if violated is not None:
                    raise violated from None
                raise
            except Unaffordable as refusal:
                refusal.after = violated
                raise
            except ProviderError as error:
                if violated is not None and error.kind in CALLERS_FAULT:
                    raise violated from None
                way = self._next_way(route, way, error)
                violated = error if isinstance(error, SchemaViolated) else None
            else:
                return Done(self.request, route, await self._told(route, way, answered))

    def _call(self, route: Route, way: Way, patience_s: float) -> Awaitable[Answered]:
        timeout_s = self.services.time_for_call(self.until)
        return call_provider(
            self.services,
            self.run.job,
            way.request,
            route,
            self.images,
            timeout_s,
            patience_s=patience_s,
            wanted=self.request,
            asked=way.asked,
            asked_first=way.asked_first,
            owe=self.run.owe,
        )

    def _first_way(self, route: Route) -> Way:
        schema = self.request.output_schema
        if schema is None:
            return Way(self.request, None)
        reason = why_not_native(route.handler.name, route.model, schema)
        return Way(self.request, "native") if reason is None else self._in_prompt(reason)

    def _in_prompt(self, reason: str) -> Way:
        return Way(ask_in_prompt(self.request), "prompt", (reason,))

    def _next_way(self, route: Route, way: Way, error: ProviderError) -> Way:
        """What is tried after an error on the same route; the error itself where nothing is."""
        if error.code == SCHEMA_REFUSED and way.asked == "native":
            self.missed.append(Missed(route, Decimal(0)))
            return self._in_prompt(REFUSED.format(model=route.model.model_id))
        if not isinstance(error, SchemaViolated):
            raise error
        self.missed.append(Missed(route, error.cost))
        if way.asked == "repair" or error.cut_off or not error.text.strip():
            raise error
        return Way(ask_once_more(way.request, error.text, error.violations), "repair", way.warnings, error.usage)

    async def _told(self, route: Route, way: Way, answered: Answered) -> Answered:
        answered.answer.warnings[:0] = way.warnings
        if answered.schema_outcome is None:
            return answered
        if any(one.route is not route for one in self.missed):
            step = "next_route"
        elif way.asked == "repair":
            step = "repaired"
        else:
            step = "mended" if answered.schema_outcome == "mended" else str(way.asked)
        job = self.run.job
        earlier = await select_missed(self.services.database, job.id, job.fence) if job.fence > 1 else []
        costs = [*earlier, *(one.cost for one in self.missed), answered.cost][1:]
        known = [cost for cost in costs if cost is not None]
        cost = sum(known, Decimal(0)) if len(known) == len(costs) else None
        return replace(answered, schema=SchemaMet(step, len(costs) + 1, cost))
