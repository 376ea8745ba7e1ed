"""What AWS answers, said as a ``Trouble``: which outcome it is, and which permission, setting or command mends it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

from botocore import exceptions as sdk  # type: ignore[import-untyped]

from finops.collectors.aws.session import is_passing
from finops.collectors.interface import Outcome, Trouble
from finops.config.secrets import without_secrets

DENIED = frozenset(
    {"403", "AccessDenied", "AccessDeniedException", "AccessDeniedFault", "AllAccessDisabled", "AuthorizationError",
     "AuthorizationErrorException", "NotAuthorized", "UnauthorizedOperation", "UnauthorizedException"}
)  # fmt: skip
EXPIRED = frozenset(
    {"AuthFailure", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidAccessKeyId", "InvalidClientTokenId",
     "InvalidToken", "MissingAuthenticationToken", "RequestExpired", "SignatureDoesNotMatch", "TokenRefreshRequired",
     "UnrecognizedClientException"}
)  # fmt: skip
MISSING = frozenset(
    {"404", "NoSuchBucket", "NoSuchKey", "NotFound", "ResourceNotFoundException", "AWSOrganizationsNotInUseException"}
)
_SKEWED = frozenset({"RequestTimeTooSkewed", "RequestInTheFuture"})
_ELSEWHERE = frozenset(
    {"301", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
_NO_CREDENTIALS = (
    sdk.NoCredentialsError,
    sdk.NoAuthTokenError,
    sdk.PartialCredentialsError,
    sdk.CredentialRetrievalError,
    sdk.TokenRetrievalError,
    sdk.RefreshWithMFAUnsupportedError,
)
_REFUSED = re.compile(
    r"(?:User: (?P<who>\S+) is )?not authorized to perform: (?P<action>[\w-]+:\w+)(?: on resource: (?P<on>\S+))?"
)


def as_trouble(
    error: BaseException, *, where: str, action: str, resource: str, period: date | None = None, profile: str = ""
) -> Trouble:
    """An error of the SDK as a trouble; a trouble stays what it is.

    Args:
        where: the thing of the source: ``s3://acme-billing/exports``, ``account 111122223333``.
        action: the IAM action that the call needs: ``s3:ListBucket``.
        resource: the ARN that the action is needed on, or ``*``.
        profile: the configured profile, for the command that signs in again.
    """
    if isinstance(error, Trouble):
        return error
    if isinstance(error, sdk.ClientError):
        outcome, what, next_step = _answered(error.response, action, resource, profile)
    else:
        outcome, what, next_step = _not_answered(error, profile)
    return Trouble(outcome, without_secrets(what), where=where, next_step=without_secrets(next_step), period=period)


@contextmanager
def calling(where: str, action: str, resource: str, *, period: date | None = None, profile: str = "") -> Iterator[None]:
    """Turn what the SDK raises inside into a ``Trouble``."""
    try:
        yield
    except (sdk.BotoCoreError, sdk.ClientError) as error:
        raise as_trouble(
            error, where=where, action=action, resource=resource, period=period, profile=profile
        ) from error


def code_of(error: BaseException) -> str:
    """The error code that AWS answered with; empty where it did not answer."""
    response: Any = getattr(error, "response", None)
    return str((response.get("Error") or {}).get("Code", "")) if isinstance(response, dict) else ""


def _answered(response: dict[str, Any], action: str, resource: str, profile: str) -> tuple[Outcome, str, str]:
    error, meta = response.get("Error") or {}, response.get("ResponseMetadata") or {}
    code, message, status = str(error.get("Code", "")), _first_line(error), meta.get("HTTPStatusCode", 0)
    headers = meta.get("HTTPHeaders") or {}
    said = f"{code}: {message}" if message else code
    if code in EXPIRED:
        return Outcome.EXPIRED, f"the credentials are not accepted ({said})", _sign_in(profile)
    if code in _SKEWED:
        return Outcome.FAILED, f"the clock of this machine is wrong ({said})", "Set the clock, for example by NTP."
    if code in _ELSEWHERE or status == 301:
        region = headers.get("x-amz-bucket-region") or error.get("Region") or ""
        step = f'Write region = "{region}" in the source.' if region else "Write the bucket's region in the source."
        return Outcome.MISSING, f"the bucket is in {'region ' + region if region else 'another region'}", step
    if code in DENIED or status in (401, 403):
        return _denied(said, message, action, resource)
    if code in MISSING or status == 404:
        return Outcome.MISSING, f"is not there ({said})", "Compare the names in finops.toml with those at AWS."
    if is_passing(sdk.ClientError(response, "")):
        return (
            Outcome.FAILED,
            f"AWS went on failing ({said})",
            "Run it again later; `deadline` in the source gives it more time.",
        )
    return (
        Outcome.FAILED,
        f"AWS refused the call {action} ({said})",
        "Look the code up in the AWS documentation of this call.",
    )


def _first_line(error: dict[str, Any]) -> str:
    """AWS quotes the whole request below it where a signature is wrong, with the session's token."""
    return next(iter(str(error.get("Message", "")).strip().splitlines()), "")


def _denied(said: str, message: str, action: str, resource: str) -> tuple[Outcome, str, str]:
    found = _REFUSED.search(message)
    who = (found["who"] or "") if found else ""
    if found:
        denied = _trimmed(found["on"])
        resource = resource if not denied or fnmatchcase(denied, resource) else denied
        action = found["action"]
    who = _trimmed(who)
    to = f" to {who}" if who else " to the identity that finops runs as"
    hint = ""
    if action == "sts:AssumeRole":
        hint = " The role's trust policy has to name that identity, and external_id has to be the one it asks for."
    if "explicit deny" in message:
        hint += " A policy denies it explicitly: an Allow alone does not help."
    if "KMS" in message or action.startswith("kms:"):
        hint += " The object is encrypted with a KMS key: its key policy has to allow kms:Decrypt."
    return Outcome.DENIED, f"{action} is denied ({said})", f"Allow {action} on {resource}{to}.{hint}"


def _not_answered(error: BaseException, profile: str) -> tuple[Outcome, str, str]:
    name = type(error).__name__
    if isinstance(error, sdk.ProfileNotFound):
        return Outcome.MISSING, f"{error}", "Write a profile of ~/.aws/config in the source, or leave it out."
    if isinstance(error, (sdk.SSOError, sdk.TokenRetrievalError)) or "Login" in name:
        return Outcome.EXPIRED, f"the sign-in has run out ({error})", _sign_in(profile, sso=True)
    if isinstance(error, _NO_CREDENTIALS):
        return Outcome.EXPIRED, f"there are no credentials ({error})", _sign_in(profile)
    if isinstance(error, sdk.NoRegionError):
        return Outcome.MISSING, f"{error}", 'Write region = "…" in the source.'
    if isinstance(error, (sdk.ParamValidationError, ValueError)):
        return Outcome.FAILED, f"the call cannot be made: {error}", "Correct the value in finops.toml."
    if isinstance(error, sdk.SSLError):
        return Outcome.FAILED, f"{error}", "Set AWS_CA_BUNDLE to the certificates of your proxy, or fix the endpoint."
    if is_passing(error) or isinstance(error, OSError):
        step = "Check the network, the proxy and the endpoint; `deadline` in the source gives it more time."
        return Outcome.FAILED, f"AWS could not be reached ({error})", step
    return (
        Outcome.FAILED,
        f"{name}: {error}",
        "Run it again later; if it stays, it may be a fault of finops: report it.",
    )


def _sign_in(profile: str, *, sso: bool = False) -> str:
    if sso:
        return f"Run `aws sso login{' --profile ' + profile if profile else ''}`; unattended runs need a role or keys instead."
    if profile:
        return f"Renew the credentials of profile {profile}; with single sign-on: `aws sso login --profile {profile}`."
    return "Give credentials: AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, `aws sso login`, or an instance role."


def _trimmed(text: str | None) -> str:
    return (text or "").strip("\"'.,")
