"""The client of the AI Provider Factory: `FactoryClient` and, the same without `await`, `SyncFactoryClient`."""

from factory_client.aio import FactoryClient
from factory_client.errors import (
    ApiError,
    Corrupted,
    FactoryError,
    JobFailed,
    NotConfigured,
    Problem,
    SignatureInvalid,
    Timeout,
    Unreachable,
)
from factory_client.shapes import (
    Audio,
    Batch,
    BatchResult,
    Event,
    Job,
    JobError,
    JobPage,
    LineErrors,
    ProviderCall,
    Quote,
    Result,
    Usage,
    UsageReport,
    Voice,
)
from factory_client.sync import SyncFactoryClient
from factory_client.webhooks import verify_webhook

__all__ = [
    "ApiError",
    "Audio",
    "Batch",
    "BatchResult",
    "Corrupted",
    "Event",
    "FactoryClient",
    "FactoryError",
    "Job",
    "JobError",
    "JobFailed",
    "JobPage",
    "LineErrors",
    "NotConfigured",
    "Problem",
    "ProviderCall",
    "Quote",
    "Result",
    "SignatureInvalid",
    "SyncFactoryClient",
    "Timeout",
    "Unreachable",
    "Usage",
    "UsageReport",
    "Voice",
    "verify_webhook",
]
