"""Usage times price, exact to the last digit. A price that is not known makes the cost None, never 0."""

from dataclasses import replace
from decimal import Decimal

from core.catalog import Model, Price
from core.result import Usage

MILLION = Decimal(1_000_000)
_ONE = Decimal(1)


def price_usage(usage: Usage, price: Price | None, region: str = "global") -> Decimal | None:
    """USD for one call. Cached and cache-write tokens are part of the prompt and billed at their own rates,
    at the input rate where the provider lists none; a prompt above the threshold reprices the whole call; the tier
    that served it is a factor. None: not known, also for a tier without a factor, and for sound in a call that is
    no speech, of which no price speaks."""
    tier = _ONE if price is None or usage.service_tier is None else price.service_tiers.get(usage.service_tier)
    if price is None or tier is None or (usage.audio_tokens and not usage.characters):
        return None
    factor = price.regional_surcharge.get(region, _ONE) * tier
    if price.audio_usd_per_mchar is not None:
        return usage.characters * price.audio_usd_per_mchar / MILLION * factor
    above = price.threshold_tokens is not None and usage.prompt_tokens > price.threshold_tokens
    fresh, output = price.input_usd_per_mtok, price.output_usd_per_mtok
    if above:
        fresh, output = price.threshold_input_usd_per_mtok, price.threshold_output_usd_per_mtok
    buckets = [(usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens, fresh)]
    if usage.cached_tokens or usage.cache_write_tokens:
        buckets += _of_cache(usage, price, fresh, above=above)
    buckets.append((usage.completion_tokens, output))
    total = Decimal(0)
    for tokens, rate in buckets:
        if not tokens:
            continue
        if rate is None:
            return None
        total += tokens * rate
    return total / MILLION * factor


def _of_cache(usage: Usage, price: Price, fresh: Decimal | None, *, above: bool) -> list[tuple[int, Decimal | None]]:
    """Tokens and their rates. What is not listed goes by the next plainer rate; but where an hour of cache is dearer to
    write and the threshold says nothing of it, it is unknown above."""
    cached, write = price.cached_input_usd_per_mtok, price.cache_write_usd_per_mtok
    write_1h = price.cache_write_1h_usd_per_mtok
    if above:
        cached, write = price.threshold_cached_input_usd_per_mtok, price.threshold_cache_write_usd_per_mtok
        write_1h = price.threshold_cache_write_1h_usd_per_mtok
    write = fresh if write is None else write
    if write_1h is None and price.cache_write_1h_usd_per_mtok is None:
        write_1h = write
    return [
        (usage.cached_tokens, fresh if cached is None else cached),
        (usage.cache_write_tokens - usage.cache_write_1h_tokens, write),
        (usage.cache_write_1h_tokens, write_1h),
    ]


def price_most(usage: Usage, price: Price | None, region: str, tier: str | None) -> Decimal | None:
    """USD for a call that asks for a tier: by the dearer of it and the standard one, which may serve in its place."""
    standard = price_usage(replace(usage, service_tier=None) if usage.service_tier else usage, price, region)
    if tier is None:
        return standard
    asked = price_usage(replace(usage, service_tier=tier), price, region)
    return None if standard is None or asked is None else max(standard, asked)


def cost_per_token(model: Model, price: Price | None) -> Decimal | None:
    """The blend of the view `model_aliases`, which `cheapest` orders by: three tokens of prompt to one of answer;
    for speech USD per character, a character being 0.25 input and 1.5 audio tokens where tokens are billed."""
    if price is None:
        return None
    fresh, output, audio = price.input_usd_per_mtok, price.output_usd_per_mtok, price.audio_usd_per_mchar
    if model.kind == "embedding":
        blended = fresh
    elif model.kind == "speech" and audio is not None:
        blended = audio
    elif fresh is None or output is None:
        blended = None
    elif model.kind == "speech":
        blended = Decimal("0.25") * fresh + Decimal("1.5") * output
    else:
        blended = Decimal("0.25") * (3 * fresh + output)
    return None if blended is None else blended / MILLION
