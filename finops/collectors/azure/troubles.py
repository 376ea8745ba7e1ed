"""What Azure answers when it does not answer: as a ``Trouble`` with the setting or role that mends it."""

from __future__ import annotations

from finops.collectors.interface import Outcome, Trouble

ROLE = "Storage Blob Data Reader"

_EXPIRED = "The credentials are refused: renew the shared access signature or key, or sign in again (az login)."
_BY_CODE = {
    "AuthenticationFailed": (Outcome.EXPIRED, "did not accept the credentials", _EXPIRED),
    "InvalidAuthenticationInfo": (Outcome.EXPIRED, "did not accept the credentials", _EXPIRED),
    "NoAuthenticationInformation": (
        Outcome.EXPIRED,
        "asks for credentials and got none",
        "Set sas, account_key or connection_string for the source, or sign in with az login, and take away anonymous.",
    ),
    "AuthorizationPermissionMismatch": (
        Outcome.DENIED,
        "does not let this identity read",
        f"Give the identity the role '{ROLE}' on the container; a role takes up to ten minutes to hold.",
    ),
    "InsufficientAccountPermissions": (
        Outcome.DENIED,
        "does not let this identity read",
        f"Give the identity the role '{ROLE}' on the container.",
    ),
    "AuthorizationServiceMismatch": (
        Outcome.DENIED,
        "does not let this shared access signature read blobs",
        "Make one for the blob service (ss=b).",
    ),
    "AuthorizationResourceTypeMismatch": (
        Outcome.DENIED,
        "does not let this shared access signature list or read",
        "Make one for containers and objects (srt=co).",
    ),
    "AuthorizationFailure": (
        Outcome.DENIED,
        "does not let this machine in",
        "Allow the machine's network in the storage account's firewall ('Networking').",
    ),
    "KeyBasedAuthenticationNotPermitted": (
        Outcome.DENIED,
        "takes no account keys",
        f"Take account_key away and give the machine's identity the role '{ROLE}', or use a user delegation SAS.",
    ),
    "PublicAccessNotPermitted": (Outcome.DENIED, "asks for credentials", "Take anonymous away from the source."),
    "ContainerNotFound": (Outcome.MISSING, "has no such container", "Check the source's container."),
    "ContainerBeingDeleted": (Outcome.MISSING, "is being deleted", "Check the source's container."),
    "AccountIsDisabled": (Outcome.DENIED, "is disabled", "Enable the storage account in the Azure portal."),
    "ConditionNotMet": (
        Outcome.INCOMPLETE,
        "was replaced while it was being read",
        "The next run reads the new version.",
    ),
    "BlobNotFound": (
        Outcome.INCOMPLETE,
        "was removed while it was being read",
        "The next run looks again; Azure replaces the runs of an export that overwrites.",
    ),
    "BlobArchived": (
        Outcome.DENIED,
        "is in the archive tier, which cannot be read",
        "Rehydrate the blob to the hot or cool tier.",
    ),
}


def as_trouble(error: Exception, where: str, deadline: float) -> Trouble:
    """An error of the SDK as a ``Trouble``. No text of the provider's is passed on: it may quote a signature."""
    from azure.core import exceptions
    from azure.identity import CredentialUnavailableError

    code, status = error_code(error), status_of(error)
    if code in _BY_CODE:
        outcome, what, next_step = _BY_CODE[code]
        return Trouble(outcome, what, where=where, next_step=next_step)
    if isinstance(error, CredentialUnavailableError):
        return Trouble(
            Outcome.EXPIRED,
            "no Azure credentials were found on this machine",
            where=where,
            next_step="Sign in with az login, use a managed identity, or set sas, account_key or connection_string.",
        )
    if isinstance(error, exceptions.ClientAuthenticationError) or status == 401:
        return Trouble(Outcome.EXPIRED, "did not accept the credentials", where=where, next_step=_EXPIRED)
    if status == 403:
        return Trouble(
            Outcome.DENIED,
            f"was denied ({code or status})",
            where=where,
            next_step=f"Give the identity the role '{ROLE}' on the container.",
        )
    if status == 404:
        return Trouble(Outcome.MISSING, "is not there", where=where, next_step="Check account and container.")
    if is_passing(error):
        reason = f"answered {code or status}" if status else "could not be reached"
        return Trouble(
            Outcome.FAILED,
            f"{reason} for {deadline:g} seconds",
            where=where,
            next_step="Run again later; check the account's name and the network, or raise the source's deadline.",
        )
    reason = f"answered {code or status}" if status else f"could not be asked ({type(error).__name__})"
    return Trouble(Outcome.FAILED, reason, where=where, next_step="Check the source's account and credentials.")


def is_passing(error: BaseException) -> bool:
    """Does it go away by itself: throttled, 5xx, a connection that broke?"""
    from azure.core import exceptions

    if isinstance(error, exceptions.ServiceRequestError | exceptions.ServiceResponseError):
        return True
    if isinstance(error, exceptions.IncompleteReadError | exceptions.DecodeError):
        return True
    return status_of(error) in (408, 429, 500, 502, 503, 504)


def seconds_asked(error: BaseException) -> float:
    """How long the service asks to wait; 0 where it doesn't say."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return float(headers.get("Retry-After", 0))
    except ValueError:
        return 0.0


def error_code(error: BaseException) -> str:
    """Azure's own name of the error."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def status_of(error: BaseException) -> int:
    """The HTTP status; 0 where there was no answer."""
    return int(getattr(error, "status_code", None) or 0)
