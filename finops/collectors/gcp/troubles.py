"""Google Cloud's errors as troubles: which permission and which role are lacking, what to run, whether to wait."""

from __future__ import annotations

import concurrent.futures
import re
from datetime import date
from typing import Any

from finops.collectors.interface import Outcome, Trouble
from finops.config.secrets import without_secrets

ACT_AS = "iam.serviceAccounts.getAccessToken"
LOGIN = "Run 'gcloud auth application-default login', or put a valid key where the source's 'credentials' points."
OVER_THE_BOUND = "bytesBilledLimitExceeded"
ROLES = {
    "bigquery.jobs.create": "roles/bigquery.jobUser",
    "bigquery.tables.get": "roles/bigquery.dataViewer",
    "bigquery.tables.getData": "roles/bigquery.dataViewer",
    "bigquery.datasets.get": "roles/bigquery.dataViewer",
    "bigquery.readsessions.create": "roles/bigquery.readSessionUser",
    "bigquery.readsessions.getData": "roles/bigquery.readSessionUser",
    "billing.accounts.get": "roles/billing.viewer",
    "billing.accounts.list": "roles/billing.viewer",
    "billing.resourceAssociations.list": "roles/billing.viewer",
    "resourcemanager.projects.get": "roles/browser",
    "monitoring.timeSeries.list": "roles/monitoring.viewer",
    **{f"aiplatform.{each}.list": "roles/aiplatform.viewer" for each in (
        "locations", "endpoints", "customJobs", "trainingPipelines", "pipelineJobs", "hyperparameterTuningJobs",
        "batchPredictionJobs", "featurestores", "featureOnlineStores", "indexEndpoints",
    )},
    "notebooks.instances.list": "roles/notebooks.viewer",
    "tpu.nodes.list": "roles/tpu.viewer",
    **{f"compute.{each}.list": "roles/compute.viewer" for each in ("instances", "disks", "reservations", "snapshots")},
    "storage.buckets.get": "roles/storage.legacyBucketReader",
    "storage.objects.get": "roles/storage.objectViewer",
    "storage.objects.list": "roles/storage.objectViewer",
    ACT_AS: "roles/iam.serviceAccountTokenCreator",
    "serviceusage.services.use": "roles/serviceusage.serviceUsageConsumer",
}  # fmt: skip
"""The narrowest predefined role that carries a permission."""

_PERMISSION = re.compile(
    r"\b(?:aiplatform|bigquery|billing|compute|iam|monitoring|notebooks|resourcemanager|serviceusage|storage|tpu)"
    r"\.[a-zA-Z]+\.[a-zA-Z]+\b"
)
_SERVICE = re.compile(r"\b([a-z0-9-]+\.googleapis\.com)\b")
_PASSING_REASONS = {
    "rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "backendError", "internalError", "badGateway",
    "tableUnavailable", "jobBackendError", "jobInternalError", "jobRateLimitExceeded",
}  # fmt: skip


def source_errors() -> tuple[type[BaseException], ...]:
    """What Google's libraries raise for what goes wrong at the source or on the way, and not in our code."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from grpc import RpcError  # type: ignore[import-untyped]
    from requests.exceptions import RequestException

    return GoogleAPIError, GoogleAuthError, RpcError, RequestException, concurrent.futures.TimeoutError, OSError


def passing(error: BaseException) -> bool:
    """Is it an error that goes away by itself: throttled, a provider's own fault, a connection that broke?

    A used-up quota is not: that one passes after hours or a day.
    """
    from google.api_core import exceptions
    from google.auth.exceptions import GoogleAuthError, TransportError
    from requests.exceptions import ChunkedEncodingError, SSLError, Timeout
    from requests.exceptions import ConnectionError as Unreachable

    error = _plain(error)
    if reason := _reason(error):
        if reason in _PASSING_REASONS or reason == OVER_THE_BOUND:
            return reason not in ("quotaExceeded", OVER_THE_BOUND)
        if isinstance(error, exceptions.ClientError) and error.code not in (408, 429):
            return False
    if isinstance(error, exceptions.GoogleAPICallError):
        return error.code in (408, 429, 500, 502, 503, 504)
    if isinstance(error, SSLError):
        return False
    if isinstance(error, GoogleAuthError):
        return isinstance(error, TransportError) or bool(error.retryable)
    return isinstance(error, ChunkedEncodingError | Unreachable | Timeout | ConnectionError | TimeoutError)


def as_trouble(
    error: BaseException, *, where: str, permission: str = "", resource: str = "", period: date | None = None
) -> Trouble:
    """What an error of google-auth, google-api-core, grpc or requests means.

    Args:
        where: the thing that was read: a table, a bucket, a billing account.
        permission: what the call needs, ``bigquery.jobs.create``; one that the error itself names is preferred.
        resource: where it must be granted: ``project acme-billing``.
        period: the first of the month that is missing for it.
    """
    from google.api_core import exceptions
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError

    if isinstance(error, Trouble):
        return error
    error = _plain(error)
    said, reason = _text(error), _reason(error)
    code = getattr(error, "code", None) if isinstance(error, exceptions.GoogleAPICallError) else None

    def trouble(outcome: Outcome, what: str, next_step: str) -> Trouble:
        return Trouble(outcome, what, where=where, next_step=next_step, period=period)

    if isinstance(error, RefreshError) and not passing(error) and ("403" in said or "PERMISSION_DENIED" in said):
        return trouble(Outcome.DENIED, f"acting as the service account was denied: {said}",
                       _grant(ACT_AS, "the service account to act as"))  # fmt: skip
    if isinstance(error, DefaultCredentialsError | RefreshError) and not passing(error):
        return trouble(Outcome.EXPIRED, f"there are no valid credentials: {said}", LOGIN)
    if code == 401:
        return trouble(Outcome.EXPIRED, f"the credentials were not accepted: {said}", LOGIN)
    if reason == OVER_THE_BOUND or "limit for bytes billed" in said:
        return trouble(Outcome.UNAPPROVED, f"the query would scan more than was agreed to: {said}",
                       "Raise the source's maximum_bytes_billed.")  # fmt: skip
    if (
        passing(error)
        or reason in _PASSING_REASONS
        or isinstance(error, concurrent.futures.TimeoutError | TimeoutError)
    ):
        again = "Run it again later; 'deadline' of the source says how long is tried."
        if reason == "quotaExceeded":
            again = "Run it again when the quota has been reset, or ask for more of it."
        return trouble(Outcome.FAILED, f"Google Cloud did not answer properly until the deadline: {said}", again)
    if code == 403 and reason != "responseTooLarge":
        return trouble(Outcome.DENIED, f"was denied: {said}", _allow(said, reason, permission, resource))
    if code == 404:
        return trouble(Outcome.MISSING, f"is not there: {said}",
                       "Compare the source's settings in finops.toml with the names in the console.")  # fmt: skip
    if isinstance(error, GoogleAuthError):
        return trouble(Outcome.EXPIRED, f"there are no valid credentials: {said}", LOGIN)
    return trouble(Outcome.FAILED, f"could not be read: {said}", "Read what Google Cloud says, and run it again.")


def is_disabled(error: BaseException) -> bool:
    """Is the API that was asked switched off in the project?"""
    return _switched_off(_text(error), _reason(_plain(error)))


def _switched_off(said: str, reason: str) -> bool:
    return reason in ("accessNotConfigured", "SERVICE_DISABLED") or "has not been used in project" in said


def _allow(said: str, reason: str, permission: str, resource: str) -> str:
    """What to change after a 403."""
    if _switched_off(said, reason):
        service = next((each for each in _SERVICE.findall(said) if not each.startswith("console")), "the API's name")
        return f"Enable the API: 'gcloud services enable {service}'."
    if reason in ("billingNotEnabled", "BILLING_DISABLED"):
        return "Enable billing for the project that is asked."
    named = next((each for each in _PERMISSION.findall(said) if each in ROLES), permission)
    return _grant(named, resource if named == permission else "")


def _grant(permission: str, resource: str) -> str:
    if not permission:
        return "Grant the identity what the message names."
    role = f" ({ROLES[permission]} has it)" if permission in ROLES else ""
    return f"Grant the identity {permission}{role}" + (f" on {resource}." if resource else ".")


def _plain(error: BaseException) -> BaseException:
    """The error itself, where it is wrapped: the last of those that were tried again, or grpc's own."""
    from google.api_core import exceptions

    while isinstance(error, exceptions.RetryError) and isinstance(error.cause, BaseException):
        error = error.cause
    if type(error).__module__.split(".")[0] == "grpc" and hasattr(error, "code"):
        found: Any = exceptions.from_grpc_error(error)  # type: ignore[no-untyped-call]
        return found if isinstance(found, BaseException) else error
    return error


def _reason(error: BaseException) -> str:
    """Google's word for it: ``rateLimitExceeded``, ``SERVICE_DISABLED``; empty where there is none."""
    from google.api_core.exceptions import GoogleAPICallError

    if not isinstance(error, GoogleAPICallError):
        return ""
    stated = [each.get("reason", "") for each in error.errors if isinstance(each, dict)]
    return next((each for each in [error.reason, *stated] if each), "")


def _text(error: BaseException) -> str:
    """What was said, in one line, without addresses of requests and without secrets."""
    said = str(getattr(error, "message", "") or error) or type(error).__name__
    said = re.sub(r"^(?:GET|POST|PUT) https?://\S+?: ", "", said)
    said = " ".join(without_secrets(said).split())
    return said if len(said) <= 400 else f"{said[:400]}…"
