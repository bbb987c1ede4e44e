"""What jobs would cost, before any of them is made. Pure; all sums are in USD."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from core.budgets import Account, Budgets, Figures, bound_of, bound_usage, find_short, is_measured, likely_usage
from core.estimates import AUDIO_TOKENS_PER_CHARACTER, CHARACTERS_PER_TOKEN
from core.pricing import price_most, price_usage
from core.request import JobRequest, Kind
from core.result import Usage
from core.routing import Route
from core.templates import count_references
from core.tiers import asked_tier

NOTHING = Decimal(0)
ASSUMPTIONS = (
    "one call a job, on the route that stands first now: no failover, no repair of an answer",
    "an answer that a prompt refers to is as long as a whole answer of that job, whatever part of it is taken",
    "parts of narrations that are stored already are not looked for",
)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A line of what is to be quoted. `planned` is the route that a submit reserves for, `route` the one that would be
    called first now. `same`: what it has in common with lines that share its answer; None: it shares none."""

    request: JobRequest
    route: Route
    planned: Route
    same: bytes | None
    cached: bool


@dataclass(frozen=True, slots=True)
class LineQuote:
    """None: a price is not known. `reserve_usd` is what a hard budget sets aside when the line is accepted, `most_usd`
    what its call will hardly exceed. `measured`: expected by the mean of good calls, else by the most. `same_as`: the
    line that gets the answer for this one too."""

    line: int
    key: str | None
    kind: str
    asked: str
    provider: str
    model: str
    usage: Usage
    measured: bool
    expected_usd: Decimal | None
    most_usd: Decimal | None
    reserve_usd: Decimal | None
    cached: bool = False
    same_as: int | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """None: the price of at least one job is not known."""

    jobs: int
    cached_jobs: int
    repeated_jobs: int
    unpriced_jobs: int
    usage: Usage
    expected_usd: Decimal | None
    most_usd: Decimal | None
    reserve_usd: Decimal | None

    @classmethod
    def of(cls, lines: Sequence[LineQuote]) -> "Totals":
        return cls(
            jobs=len(lines),
            cached_jobs=sum(one.cached for one in lines),
            repeated_jobs=sum(one.same_as is not None for one in lines),
            unpriced_jobs=sum(one.expected_usd is None for one in lines),
            usage=Usage(
                prompt_tokens=sum(one.usage.prompt_tokens for one in lines),
                completion_tokens=sum(one.usage.completion_tokens for one in lines),
                characters=sum(one.usage.characters for one in lines),
            ),
            expected_usd=_sum([one.expected_usd for one in lines]),
            most_usd=_sum([one.most_usd for one in lines]),
            reserve_usd=_sum([one.reserve_usd for one in lines]),
        )


def quote_lines(lines: Sequence[Foreseen], figures: Figures) -> list[LineQuote]:
    """One for each line, in their order; identical ones cost once."""
    likely = _answers(lines, figures, most=False)
    longest = _answers(lines, figures, most=True)
    first: dict[bytes, int] = {}
    quotes = []
    for number, one in enumerate(lines, start=1):
        quote = _quote(number, one, figures, likely, longest)
        if one.cached:
            quote = replace(_for_nothing(quote), cached=True, reserve_usd=NOTHING)
        elif one.same is not None and first.setdefault(one.same, number) != number:
            quote = replace(_for_nothing(quote), same_as=first[one.same])
        quotes.append(quote)
    return quotes


def group_quotes(lines: Sequence[LineQuote]) -> list[tuple[LineQuote, Totals]]:
    """By the name asked for, the kind and the model, as they first come: one of each, and its sums."""
    groups: dict[tuple[str, ...], list[LineQuote]] = {}
    for one in lines:
        groups.setdefault((one.asked, one.kind, one.provider, one.model), []).append(one)
    return [(group[0], Totals.of(group)) for group in groups.values()]


def why_unaffordable(lines: Sequence[LineQuote], account: Account | None, budgets: Budgets | None) -> str | None:
    """Why a project's hard budgets do not allow these lines; None where they do. What is reserved and what it may
    cost in the end must both fit."""
    if account is None or budgets is None or not budgets.is_hard:
        return None
    unknown = sorted({f"{one.provider}/{one.model}" for one in lines if one.reserve_usd is None})
    if unknown and not budgets.allow_unknown_prices:
        return f"the price of {', '.join(unknown)} is not known, and the project has a hard budget"
    reserve = sum((one.reserve_usd or NOTHING for one in lines), NOTHING)
    most = sum((one.most_usd or NOTHING for one in lines), NOTHING)
    short = find_short(account, budgets, max(reserve, most))
    return str(short) if short else None


def why_beyond(totals: Totals, max_cost_usd: Decimal | None) -> str | None:
    """Why a batch may not come to its end under its ceiling; None where it will."""
    if max_cost_usd is None:
        return None
    if totals.most_usd is None or totals.expected_usd is None:
        return "a price is not known, and no call without a known price is made under max_cost_usd"
    if totals.most_usd <= max_cost_usd:
        return None
    if totals.expected_usd > max_cost_usd:
        return f"max_cost_usd is {max_cost_usd:f}, and {totals.expected_usd:f} USD are expected"
    return (
        f"max_cost_usd is {max_cost_usd:f}; {totals.expected_usd:f} USD are expected, but it may cost up to "
        f"{totals.most_usd:f}"
    )


def _quote(
    number: int, one: Foreseen, figures: Figures, likely: Mapping[str, int], longest: Mapping[str, int]
) -> LineQuote:
    request, route = one.request, one.route
    tier = asked_tier(request, route.model.provider, route.parameters)
    usage = _grown(likely_usage(request, route, figures), request, likely)
    mosts = [_most(request, route, figures, longest)]
    if one.planned.model is not route.model or one.planned.endpoint is not route.endpoint:
        mosts.append(_most(request, one.planned, figures, longest))
    known = [most for most in mosts if most is not None]
    return LineQuote(
        line=number,
        key=request.key,
        kind=request.kind.value,
        asked=request.model,
        provider=route.model.provider,
        model=route.model.model_id,
        usage=usage,
        measured=is_measured(request, route, figures),
        expected_usd=price_usage(replace(usage, service_tier=tier), route.price, route.endpoint.region),
        most_usd=max(known) if len(known) == len(mosts) else None,
        reserve_usd=bound_of(request, one.planned, figures),
    )


def _for_nothing(quote: LineQuote) -> LineQuote:
    return replace(quote, usage=Usage(), expected_usd=NOTHING, most_usd=NOTHING)


def _most(request: JobRequest, route: Route, figures: Figures, answers: Mapping[str, int]) -> Decimal | None:
    tier = asked_tier(request, route.model.provider, route.parameters)
    usage = _grown(bound_usage(request, route, figures), request, answers)
    return price_most(usage, route.price, route.endpoint.region, tier)


def _answers(lines: Sequence[Foreseen], figures: Figures, *, most: bool) -> dict[str, int]:
    """Tokens of the answers that others may refer to, by key."""
    estimate = bound_usage if most else likely_usage
    return {
        one.request.key: estimate(one.request, one.route, figures).completion_tokens
        for one in lines
        if one.request.key is not None and one.request.kind is Kind.text
    }


def _grown(usage: Usage, request: JobRequest, answers: Mapping[str, int]) -> Usage:
    """With the answers that the request's texts refer to."""
    more = sum(times * answers.get(key, 0) for key, times in count_references(request).items()) if request.after else 0
    if not more:
        return usage
    grown = replace(usage, prompt_tokens=usage.prompt_tokens + more)
    if request.kind is Kind.speech:
        characters = int(more * CHARACTERS_PER_TOKEN)
        grown.characters += characters
        grown.completion_tokens += int(characters * AUDIO_TOKENS_PER_CHARACTER)
    return grown


def _sum(amounts: Sequence[Decimal | None]) -> Decimal | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known, NOTHING) if len(known) == len(amounts) else None
