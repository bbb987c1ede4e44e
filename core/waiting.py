"""How long a queued job has yet to go. Pure, and an estimate."""


def expect_end_s(place: int, running: int, service_s: float, delay_s: float = 0.0) -> float:
    """Seconds until the job in this place of its project's line (the first is 1) is over, if as many run beside each
    other as do now and each takes `service_s`. `delay_s` until it may start at all."""
    rounds_before = (place - 1) / max(1, running)
    wait_s = rounds_before * service_s if running < place else 0.0
    return max(wait_s, delay_s) + service_s
