"""Every metric of the API and the workers, and how events are counted. docs/metrics.md says what they mean.

Labels are few and bounded: models of the catalog, kinds, outcomes, and the names of so many projects; never ids,
never texts. A process counts what it does itself; what is said of the whole fleet is read by the API when it is asked.
"""

from decimal import Decimal

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

from core.catalog import Model, Project
from core.result import Usage
from core.tallies import Counter, Histogram

MOST_PROJECTS = 100
OTHER = "other"
REGISTRY = CollectorRegistry()
_WAIT_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)
_RUN_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_CALL_S = (0.25, 0.5, 1, 2.5, 5, 15, 60)
_SIZES = (1, 2, 5, 10, 25, 50, 100, 250, 500)


def _counter(name: str, about: str, *labels: str) -> Counter:
    return Counter(f"factory_{name}", about, labels, REGISTRY)


def _gauge(name: str, about: str, *labels: str) -> Gauge:
    return Gauge(f"factory_{name}", about, labels, registry=REGISTRY)


def _histogram(name: str, about: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(f"factory_{name}", about, labels, buckets, REGISTRY)


ProcessCollector(registry=REGISTRY)

# Of this process: jobs.
CLAIMED = _counter("jobs_claimed", "Jobs taken, by what made the worker look.", "by")
PICKUP = _histogram("job_pickup_seconds", "From due to started.", _WAIT_S, "kind")
RUN = _histogram("job_run_seconds", "From started to recorded, of one attempt.", _RUN_S, "kind")
TOTAL = _histogram("job_total_seconds", "From accepted to recorded.", _WAIT_S, "kind")
FINISHED = _counter("jobs_finished", "Jobs that this worker brought to an end.", "project", "kind", "outcome")
FAILURES = _counter("job_failures", "Jobs that ended without an answer, by the reason.", "reason")
RETRIES = _counter("job_retries", "Attempts after which a job was put back.", "kind", "counted")
LEASES_LOST = _counter("leases_lost", "Jobs that another worker took from this one.")
FENCED_OUT = _counter("finishes_fenced_out", "Ends that were not recorded, since the job was somebody else's.")
SLOTS = _gauge("worker_slots", "Jobs that this worker runs at once.")
RUNNING = _gauge("worker_jobs_running", "Jobs that this worker runs now.")

# Of this process: calls.
CALLS = _counter("provider_calls", "Calls to providers.", "provider", "model", "outcome")
CALL_TIME = _histogram("provider_call_seconds", "How long calls took.", _CALL_S, "provider", "model")
COST = _counter("cost_usd", "What calls cost, where it is known.", "provider", "model")
PROJECT_COST = _counter("project_cost_usd", "What the calls of a project cost, where it is known.", "project")
TOKENS = _counter("tokens", "Tokens used.", "provider", "model", "type")
CHARACTERS = _counter("characters", "Characters spoken.", "provider", "model")
CACHE = _counter("cache_lookups", "Looks into the cache: hit, miss, or joined to one in flight.", "where", "result")
LIMITED = _counter("limit_refusals", "Calls for which a provider's limits had no room.", "provider", "limit")
REFUSED = _counter("refusals", "Requests that the API refused, by the code of the error.", "code")
BREAKERS = _counter("breaker_changes", "Breakers that opened and closed here.", "provider", "model", "change")
BATCHES = _histogram("group_size", "How many writes went together.", _SIZES, "batcher")
DELIVERIES = _counter("webhook_tries", "Tries to deliver a webhook.", "outcome")

# Of everything, as the API reads it out of Postgres and Redis.
JOBS = _gauge("jobs", "Jobs that are not over.", "state", "kind")
DEPTH = _gauge("queue_depth", "Jobs that a free slot would take now.", "pool")
OLDEST = _gauge("queue_oldest_seconds", "How long the first of them has waited.", "pool")
IN_REDIS = _gauge("queue_redis_jobs", "Jobs in Redis: in line, delayed and running.")
ARRIVALS = _gauge("arrivals_per_second", "Jobs that came for a worker in the last minute.", "pool")
WORKERS = _gauge("workers", "Workers that are alive.", "state")
FLEET_SLOTS = _gauge("workers_slots", "Slots of the workers that are alive.")
LAG = _gauge("workers_lag_seconds_max", "How late the event loop of the slowest worker is.")
WANTED_SLOTS = _gauge("desired_slots", "Slots that the work asks for.", "pool")
WANTED_WORKERS = _gauge("desired_workers", "Workers that the work asks for.", "pool")
RESTING = _gauge("routes_resting", "Routes that are not called now.", "provider", "scope")
ALERTS = _gauge("alerts_open", "What an operator must see to.", "kind")
SERVERS = _gauge("server_up", "Did it answer this API just now?", "server")
READ_TIME = _gauge("fleet_read_seconds", "How long the last look at Postgres and Redis took.")

_projects: set[str] = set()


def count(metric: Counter, *labels: str, by: float = 1) -> None:
    """One more, or `by` more."""
    metric.add(labels, by)


def observe(metric: Histogram, value: float, *labels: str) -> None:
    """Seconds, or a size. Clocks of two machines may make a time negative: that is none."""
    metric.observe(labels, max(0.0, value))


def project_label(project: Project | None) -> str:
    """The name, of the first hundred projects that this process meets; of the others, and of one that is not in the
    catalog yet, `other`."""
    if project is None or (project.name not in _projects and len(_projects) >= MOST_PROJECTS):
        return OTHER
    _projects.add(project.name)
    return project.name


def count_breaker(route_name: str, change: str) -> None:
    """`route_name` as in `core.health`."""
    provider, _, model = route_name.partition("|")[2].partition("/")
    count(BREAKERS, provider, model, change)


def count_end(
    project: Project | None, kind: str, outcome: str, reason: str | None, run_s: float, total_s: float, *, cached: bool
) -> None:
    """A job is over, and recorded. `reason`: why it has no answer."""
    count(FINISHED, project_label(project), kind, "cached" if cached else outcome)
    observe(RUN, run_s, kind)
    observe(TOTAL, total_s, kind)
    if reason is not None:
        count(FAILURES, reason)


def count_call(
    called: Model,
    project: Project | None,
    outcome: str,
    duration_s: float,
    usage: Usage | None,
    cost: Decimal | None,
) -> None:
    """A call to a provider is over, and in the ledger."""
    provider, model = called.provider, called.model_id
    count(CALLS, provider, model, outcome)
    observe(CALL_TIME, duration_s, provider, model)
    if cost:
        count(COST, provider, model, by=float(cost))
        count(PROJECT_COST, project_label(project), by=float(cost))
    if usage is None:
        return
    for kind, tokens in (
        ("input", usage.prompt_tokens),
        ("cached_input", usage.cached_tokens),
        ("output", usage.completion_tokens),
    ):
        if tokens:
            count(TOKENS, provider, model, kind, by=tokens)
    if usage.characters:
        count(CHARACTERS, provider, model, by=usage.characters)
