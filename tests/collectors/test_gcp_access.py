"""Who finops is at Google Cloud, and what Google Cloud's errors mean."""

from __future__ import annotations

import concurrent.futures
import json
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions

from finops.collectors.gcp.access import credentials, identity
from finops.collectors.gcp.troubles import as_trouble, passing
from finops.collectors.interface import Outcome, Trouble
from finops.config.sources import GcpBilling
from finops.errors import ConfigError


def source(**settings: Any) -> GcpBilling:
    return GcpBilling.model_validate({"type": "gcp-billing"} | settings)


@pytest.fixture
def key() -> str:
    """The JSON of a service account's key, made for the test."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps({
        "type": "service_account", "project_id": "acme-billing", "private_key_id": "1", "private_key": private.decode(),
        "client_email": "finops@acme-billing.iam.gserviceaccount.com", "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    })  # fmt: skip


def test_a_key_is_read_from_a_file_of_the_workspace(tmp_path: Path, key: str) -> None:
    (tmp_path / "key.json").write_text(key)
    found, project = credentials(source(credentials="file:key.json"), tmp_path)
    assert identity(found) == "finops@acme-billing.iam.gserviceaccount.com"
    assert project == "acme-billing"


def test_a_key_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("FINOPS_GCP", key)
    found, _ = credentials(source(credentials="env:FINOPS_GCP"), Path())
    assert identity(found) == "finops@acme-billing.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("token", "where", "kind"),
    [
        ("urn:ietf:params:oauth:token-type:jwt", {"file": "/var/run/token"}, "identity_pool"),
        ("urn:ietf:params:aws:token-type:aws4_request",
         {"environment_id": "aws1", "regional_cred_verification_url": "https://sts.{region}.amazonaws.com"}, "aws"),
    ],
)  # fmt: skip
def test_a_workload_identity_configuration_is_no_secret_and_read_alike(
    tmp_path: Path, token: str, where: dict[str, str], kind: str
) -> None:
    stated = {
        "type": "external_account", "subject_token_type": token, "credential_source": where,
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "token_url": "https://sts.googleapis.com/v1/token",
        "service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
        "finops@acme-billing.iam.gserviceaccount.com:generateAccessToken",
    }  # fmt: skip
    (tmp_path / "identity.json").write_text(json.dumps(stated))
    found, _ = credentials(source(credentials="file:identity.json"), tmp_path)
    assert type(found).__module__ == f"google.auth.{kind}"
    assert identity(found) == "finops@acme-billing.iam.gserviceaccount.com"


def test_a_service_account_is_acted_as(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("FINOPS_GCP", key)
    reader = "reader@acme-data.iam.gserviceaccount.com"
    found, project = credentials(source(credentials="env:FINOPS_GCP", impersonate=reader), Path())
    assert identity(found) == reader
    assert project == "acme-data"


def test_nobody_for_an_emulator() -> None:
    found, project = credentials(source(anonymous=True), Path())
    assert (identity(found), project) == ("nobody (anonymous)", "")


@pytest.mark.parametrize("content", ["no json", "[]", "{}", '{"type": "service_account", "private_key": "sesame"}'])
def test_what_is_no_key_is_not_quoted(monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setenv("FINOPS_GCP", content)
    with pytest.raises(ConfigError) as caught:
        credentials(source(credentials="env:FINOPS_GCP"), Path())
    assert "holds no credentials of Google Cloud" in caught.value.what
    assert "sesame" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_without_any_credentials_the_command_to_log_in_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(Trouble) as caught:
        credentials(source(), Path())
    assert caught.value.outcome is Outcome.EXPIRED
    assert "gcloud auth application-default login" in caught.value.next_step


def error(kind: type[exceptions.GoogleAPICallError], message: str, reason: str = "") -> exceptions.GoogleAPICallError:
    return kind(message, errors=[{"reason": reason}] if reason else [])


@pytest.mark.parametrize(
    ("what", "outcome", "next_step"),
    [
        (error(exceptions.Forbidden, "Permission bigquery.tables.getData denied on table t", "accessDenied"), Outcome.DENIED,
         "Grant the identity bigquery.tables.getData (roles/bigquery.dataViewer has it) on table t."),
        (error(exceptions.Forbidden, "User does not have bigquery.jobs.create permission in project p", "accessDenied"), Outcome.DENIED,
         "Grant the identity bigquery.jobs.create (roles/bigquery.jobUser has it)."),
        (error(exceptions.PermissionDenied, "The caller does not have permission"), Outcome.DENIED,
         "Grant the identity bigquery.tables.getData (roles/bigquery.dataViewer has it) on table t."),
        (error(exceptions.Forbidden, "BigQuery API has not been used in project 1 before or it is disabled. Enable it by visiting "
         "https://console.developers.google.com/apis/api/bigquery.googleapis.com/overview", "accessNotConfigured"), Outcome.DENIED,
         "Enable the API: 'gcloud services enable bigquery.googleapis.com'."),
        (error(exceptions.Forbidden, "slow down", "rateLimitExceeded"), Outcome.FAILED, "deadline"),
        (error(exceptions.Forbidden, "enough for today", "quotaExceeded"), Outcome.FAILED, "quota"),
        (error(exceptions.TooManyRequests, "slow down"), Outcome.FAILED, "deadline"),
        (error(exceptions.ServiceUnavailable, "not now"), Outcome.FAILED, "deadline"),
        (exceptions.RetryError("Timeout of 2.0s exceeded", error(exceptions.BadGateway, "not now")), Outcome.FAILED, "deadline"),
        (concurrent.futures.TimeoutError(), Outcome.FAILED, "deadline"),
        (requests.ConnectionError("refused"), Outcome.FAILED, "deadline"),
        (error(exceptions.NotFound, "Not found: Table t"), Outcome.MISSING, "finops.toml"),
        (error(exceptions.Unauthorized, "Invalid Credentials"), Outcome.EXPIRED, "gcloud auth application-default login"),
        (auth_exceptions.RefreshError("invalid_grant: Token has been expired or revoked."), Outcome.EXPIRED, "gcloud auth"),
        (auth_exceptions.RefreshError("Unable to acquire impersonated credentials", '{"code": 403, "status": "PERMISSION_DENIED"}'),
         Outcome.DENIED, "Grant the identity iam.serviceAccounts.getAccessToken (roles/iam.serviceAccountTokenCreator has it)"),
        (error(exceptions.InternalServerError, "Query exceeded limit for bytes billed: 1.", "bytesBilledLimitExceeded"),
         Outcome.UNAPPROVED, "maximum_bytes_billed"),
        (error(exceptions.BadRequest, "Unrecognized name: cost", "invalidQuery"), Outcome.FAILED, "run it again"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)  # fmt: skip
def test_each_error_has_its_outcome_and_says_what_to_do(what: Exception, outcome: Outcome, next_step: str) -> None:
    trouble = as_trouble(what, where="t", permission="bigquery.tables.getData", resource="table t")
    assert trouble.outcome is outcome
    assert next_step in trouble.next_step
    assert trouble.where == "t"


def test_only_what_passes_is_tried_again() -> None:
    assert passing(error(exceptions.ServiceUnavailable, "not now"))
    assert passing(error(exceptions.Forbidden, "slow down", "rateLimitExceeded"))
    assert passing(requests.ConnectionError("reset"))
    assert passing(auth_exceptions.TransportError("no way to the token"))
    assert not passing(error(exceptions.Forbidden, "denied", "accessDenied"))
    assert not passing(error(exceptions.Forbidden, "enough for today", "quotaExceeded"))
    assert not passing(requests.exceptions.SSLError("a certificate of somebody else"))
    assert not passing(auth_exceptions.RefreshError("revoked"))


def test_a_secret_in_an_error_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINOPS_GCP", "open-sesame")
    source(credentials="env:FINOPS_GCP").credentials.reveal()
    trouble = as_trouble(error(exceptions.BadRequest, "what is open-sesame?"), where="t")
    assert "open-sesame" not in str(trouble)
