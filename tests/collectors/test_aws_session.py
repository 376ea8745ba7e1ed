"""How AWS is reached: profiles, roles, endpoints, patience; and how what it answers is said."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore import exceptions as sdk

from finops.collectors.aws.session import client
from finops.collectors.aws.troubles import as_trouble, calling
from finops.collectors.interface import Outcome, Trouble
from finops.config.sources import AwsDataExport

from .fakes.aws import FakeAws

ROLE = "arn:aws:iam::222233334444:role/finops-read"


@pytest.fixture(scope="module")
def server() -> Iterator[FakeAws]:
    with FakeAws() as aws:
        yield aws


@pytest.fixture
def aws(server: FakeAws, monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    server.reset()
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return server


def source(**more: Any) -> AwsDataExport:
    return AwsDataExport(type="aws-data-export", export="cur2", **({"deadline": 5} | more))


def said(error: Exception, **more: str) -> Trouble:
    return as_trouble(error, where="s3://acme", action="s3:ListBucket", resource="arn:aws:s3:::acme", **more)


def answered(code: str, message: str = "", status: int = 400, **headers: str) -> sdk.ClientError:
    meta = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    return sdk.ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": meta}, "ListObjectsV2")


@pytest.mark.parametrize(
    ("error", "outcome", "step"),
    [
        (answered("AccessDenied", status=403), Outcome.DENIED, "Allow s3:ListBucket on arn:aws:s3:::acme to the identity"),
        (
            answered("AccessDenied", "User: arn:aws:iam::1:user/u is not authorized to perform: s3:ListBucket on resource: "
                     '"arn:aws:s3:::acme" because no identity-based policy allows the s3:ListBucket action', 403),
            Outcome.DENIED, "Allow s3:ListBucket on arn:aws:s3:::acme to arn:aws:iam::1:user/u.",
        ),
        (
            answered("AccessDenied", "User: u is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:k", 403),
            Outcome.DENIED, "Allow kms:Decrypt on arn:aws:kms:k to u. The object is encrypted with a KMS key",
        ),
        (answered("AccessDenied", "... with an explicit deny in a resource-based policy", 403), Outcome.DENIED, "an Allow alone"),
        (answered("403", "Forbidden", 403), Outcome.DENIED, "Allow s3:ListBucket"),
        (answered("ExpiredToken"), Outcome.EXPIRED, "Renew the credentials of profile billing"),
        (answered("InvalidClientTokenId", status=403), Outcome.EXPIRED, "aws sso login --profile billing"),
        (sdk.NoCredentialsError(), Outcome.EXPIRED, "billing"),
        (sdk.UnauthorizedSSOTokenError(), Outcome.EXPIRED, "Run `aws sso login --profile billing`"),
        (sdk.SSOTokenLoadError(error_msg="none"), Outcome.EXPIRED, "Run `aws sso login --profile billing`"),
        (sdk.ProfileNotFound(profile="x"), Outcome.MISSING, "~/.aws/config"),
        (answered("NoSuchBucket", status=404), Outcome.MISSING, "finops.toml"),
        (answered("PermanentRedirect", status=301, **{"x-amz-bucket-region": "eu-west-1"}), Outcome.MISSING, 'region = "eu-west-1"'),
        (answered("SlowDown", status=503), Outcome.FAILED, "deadline"),
        (answered("RequestTimeTooSkewed", status=403), Outcome.FAILED, "Set the clock"),
        (sdk.EndpointConnectionError(endpoint_url="https://x"), Outcome.FAILED, "Check the network"),
        (sdk.SSLError(endpoint_url="https://x", error="self-signed"), Outcome.FAILED, "AWS_CA_BUNDLE"),
        (answered("SomethingNew"), Outcome.FAILED, "AWS documentation"),
    ],
)  # fmt: skip
def test_every_error_has_an_outcome_and_a_next_step(error: Exception, outcome: Outcome, step: str) -> None:
    trouble = said(error, profile="billing")
    assert trouble.outcome is outcome
    assert step in trouble.next_step
    assert trouble.where == "s3://acme"


def test_a_trouble_stays_what_it_is() -> None:
    trouble = Trouble(Outcome.CHANGED, "is new")
    assert said(trouble) is trouble


def test_other_errors_pass_through() -> None:
    with pytest.raises(ZeroDivisionError), calling("here", "s3:GetObject", "*"):
        raise ZeroDivisionError


def test_a_client_is_made_once(aws: FakeAws) -> None:
    here = source()
    assert client(here, "s3") is client(here, "s3")
    assert client(here, "s3") is not client(here, "s3", region="eu-west-1")
    assert client(here, "s3") is not client(source(), "s3")
    assert aws.calls == []


def test_endpoints_of_the_source_come_before_those_of_the_environment(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    assert client(source(endpoints={"s3": aws.url}), "s3").list_buckets()["Buckets"] == []
    with pytest.raises(sdk.EndpointConnectionError):
        client(source(deadline=1), "s3").list_buckets()


def test_anonymous_sends_no_credentials(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    aws.put("acme", "a/b.csv", b"x")
    assert client(source(anonymous=True), "s3").list_objects_v2(Bucket="acme")["KeyCount"] == 1


def test_a_role_is_taken_on_once_and_again_before_it_runs_out(aws: FakeAws) -> None:
    """A long run outlives the hour for which a role is given."""
    lasting = client(source(role_arn=ROLE, external_id="acme"), "sts")
    for _ in range(3):
        assert lasting.get_caller_identity()["Arn"] == "arn:aws:sts::222233334444:assumed-role/finops-read/finops"
    assert len(aws.called("sts:AssumeRole")) == 1
    aws.calls.clear()
    aws.role_lasts = timedelta(seconds=30)
    fleeting = client(source(role_arn=ROLE), "sts")
    for _ in range(3):
        fleeting.get_caller_identity()
    assert len(aws.called("sts:AssumeRole")) >= 3


def test_one_source_takes_on_its_role_once_for_all_services(aws: FakeAws) -> None:
    here = source(role_arn=ROLE)
    client(here, "s3").list_buckets()
    client(here, "sts", deadline=1).get_caller_identity()
    assert len(aws.called("sts:AssumeRole")) == 1


def test_the_provider_is_obeyed_when_it_says_how_long_to_wait(aws: FakeAws) -> None:
    aws.throttle("s3:ListBuckets", 1, retry_after=2)
    began = time.monotonic()
    client(source(), "s3").list_buckets()
    assert time.monotonic() - began >= 2
    aws.throttle("s3:ListBuckets", 1, retry_after=60)
    began = time.monotonic()
    with pytest.raises(sdk.ClientError, match="SlowDown"):
        client(source(), "s3").list_buckets()
    assert time.monotonic() - began < 5, "a wait beyond the deadline is not begun"


def test_what_does_not_pass_by_itself_is_not_tried_again(aws: FakeAws) -> None:
    aws.deny("s3:ListBuckets")
    with pytest.raises(sdk.ClientError, match="AccessDenied"):
        client(source(), "s3").list_buckets()
    assert len(aws.calls) == 1


def test_nothing_is_tried_beyond_the_deadline_and_much_before_it(aws: FakeAws) -> None:
    aws.fail("sts:GetCallerIdentity", -1)
    began = time.monotonic()
    with pytest.raises(sdk.ClientError, match="InternalError"):
        client(source(deadline=3), "sts").get_caller_identity()
    assert 2.5 < time.monotonic() - began < 8
    assert len(aws.calls) > 3
