"""Amazon SES, through its API (version 2)."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, Literal

import boto3  # type: ignore[import-untyped]
import botocore.session  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.credentials import (  # type: ignore[import-untyped]
    AssumeRoleCredentialFetcher,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import (  # type: ignore[import-untyped]
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    SSLError,
)

from finops.config.mail import Ses
from finops.config.secrets import without_secrets
from finops.delivery.outcome import FORCE, SENT, Envelope, Outcome, ServerTrouble

LIMIT = 40_000_000
"""Bytes that SES takes in one mail, the whole of it encoded."""
TRIES, WAIT = 5, 1.0
"""How often and how many seconds apart a mail is tried that came too fast: SES refuses it for certain, so nothing is sent twice."""
Answer = tuple[Literal["ok", "warning", "failed", "unknown"], str, str]
_TOO_FAST = ("TooManyRequestsException", "ThrottlingException", "Throttling")
_LATER = "The next 'finops send' or 'finops run' tries again."
_DENIED = (
    "AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "InvalidClientTokenId", "ExpiredToken",
    "ExpiredTokenException", "SignatureDoesNotMatch", "InvalidSignatureException", "NotAuthorized",
)  # fmt: skip


class SesService:
    """The service of ``[mail.ses]``. The SDK's own retries are off: after a broken connection they might send a mail twice."""

    def __init__(self, settings: Ses) -> None:
        self._settings = settings
        self.place = f"Amazon SES in {settings.region}"

    def limit(self) -> int | None:
        return LIMIT

    def send(self, envelope: Envelope) -> Outcome:
        request: dict[str, Any] = {
            "FromEmailAddress": envelope.sender,
            "Destination": {"ToAddresses": [envelope.recipient]},
            "Content": {"Raw": {"Data": envelope.content}},
        }
        if self._settings.configuration_set:
            request["ConfigurationSetName"] = self._settings.configuration_set
        for attempt in range(1, TRIES + 1):
            try:
                self._client.send_email(**request)
            except ClientError as error:
                code = error.response["Error"].get("Code", "")
                if code not in _TOO_FAST or attempt == TRIES:
                    return self._answer(error, envelope)
                time.sleep(WAIT * attempt)
            except (ReadTimeoutError, ConnectionClosedError) as error:
                return Outcome(
                    "unknown",
                    f"the connection to {self.place} ended before it answered: {_said(error)}",
                    f"It may or may not have arrived: ask the recipient. {FORCE}",
                )
            except BotoCoreError as error:
                raise self._trouble(error) from error
            else:
                return SENT
        raise AssertionError

    def close(self) -> None:
        """There is no connection to be closed."""

    def examine(self, sender: str) -> list[Answer]:
        """What SES says of the account and the sender: ``ok``, ``warning``, ``failed`` or ``unknown``; in words; what to do.

        Raises:
            ServerTrouble: it cannot be asked.
        """
        return [self._asked(self._account), self._asked(lambda: self._identity(sender))]

    def _asked(self, look: Callable[[], Answer]) -> Answer:
        try:
            return look()
        except ClientError as error:
            if error.response["Error"].get("Code") in ("AccessDeniedException", "AccessDenied"):
                return (
                    "unknown",
                    f"may not look: {_said(error)}",
                    "Sending works without, if ses:SendEmail and ses:SendRawEmail are allowed.",
                )
            raise ServerTrouble(
                f"{self.place}: {_said(error)}", "Check [mail.ses] region, profile and role_arn."
            ) from error
        except BotoCoreError as error:
            raise self._trouble(error) from error

    def _account(self) -> Answer:
        account = self._client.get_account()
        if not account.get("SendingEnabled", True):
            return "failed", f"{self.place}: sending is switched off for this account", "Ask AWS support why."
        if not account.get("ProductionAccessEnabled", True):
            return (
                "warning",
                f"{self.place}: the account is in the sandbox",
                "Only verified recipients get mail: ask for production access.",
            )
        return "ok", f"{self.place}: sending is on", ""

    def _identity(self, sender: str) -> Answer:
        for name in (sender, sender.rpartition("@")[2]):
            try:
                identity = self._client.get_email_identity(EmailIdentity=name)
            except ClientError as error:
                if error.response["Error"].get("Code") == "NotFoundException":
                    continue
                raise
            if identity.get("VerifiedForSendingStatus"):
                return "ok", f"{name} is verified", ""
        return "failed", f"{sender} is not verified in {self._settings.region}", "Verify it, or its domain, in SES."

    @cached_property
    def _client(self) -> Any:
        settings = self._settings
        base = botocore.session.Session(profile=settings.profile or None)
        if settings.role_arn:
            credentials = base.get_credentials()
            if credentials is None:
                raise NoCredentialsError
            fetcher = AssumeRoleCredentialFetcher(
                partial(base.create_client, region_name=settings.region),
                credentials,
                settings.role_arn,
                extra_args={"RoleSessionName": "finops-mail"},
            )
            base._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
        return boto3.Session(botocore_session=base, region_name=settings.region).client(
            "sesv2",
            endpoint_url=settings.endpoint or None,
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=60),
        )

    def _answer(self, error: ClientError, envelope: Envelope) -> Outcome:
        code, said = error.response["Error"].get("Code", ""), _said(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _DENIED:
            raise ServerTrouble(
                f"{self.place} denies it: {said}",
                "Allow ses:SendEmail and ses:SendRawEmail on the sender's identity, and check [mail.ses] profile or role_arn.",
            ) from None
        if code in ("AccountSuspendedException", "SendingPausedException"):
            raise ServerTrouble(
                f"{self.place} does not send for this account: {said}", "Look at the account's reputation in SES."
            ) from None
        if code in _TOO_FAST or code == "LimitExceededException":
            return Outcome("failed", f"{self.place} takes no more at the moment: {said}", _LATER)
        if code == "MailFromDomainNotVerifiedException" or "not verified" in said:
            return Outcome(
                "failed",
                f"not verified in {self._settings.region}: {said}",
                f"Verify {envelope.sender} in SES; in the sandbox {envelope.recipient} too, or ask for production access.",
            )
        if code == "NotFoundException":
            raise ServerTrouble(f"{self.place}: {said}", "Check [mail.ses] configuration_set.") from None
        if status >= 500:
            return Outcome(
                "unknown",
                f"{self.place} failed: {said}",
                f"It may or may not arrive. {FORCE}",
            )
        return Outcome("refused", f"{self.place} refused the mail: {said}", "Check the address in [[mail.recipients]].")

    def _trouble(self, error: BotoCoreError) -> ServerTrouble:
        said = _said(error)
        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            return ServerTrouble("there are no AWS credentials", "Set [mail.ses] profile, or what the SDK looks for.")
        if isinstance(error, SSLError):
            return ServerTrouble(
                f"the certificate of {self.place} is not to be trusted: {said}",
                "Is a proxy between? Set AWS_CA_BUNDLE.",
            )
        if isinstance(error, EndpointConnectionError | ConnectTimeoutError):
            return ServerTrouble(
                f"{self.place} cannot be reached: {said}", f"Check [mail.ses] region and endpoint. {_LATER}"
            )
        return ServerTrouble(f"{self.place}: {said}", "Check [mail.ses] region, profile and role_arn.")


def _said(error: Exception) -> str:
    response = getattr(error, "response", None)
    text = f"{response['Error'].get('Code')} {response['Error'].get('Message')}" if response else str(error)
    return without_secrets(" ".join(text.split()))[:300]
