"""Who finops is at Google Cloud: application default credentials, a key from a secret place, a service account acted as."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from finops.collectors.gcp.troubles import ACT_AS, as_trouble
from finops.collectors.interface import Permission
from finops.config.secrets import Secret
from finops.errors import ConfigError

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
"""What the identity may do is said by its roles, not by the scope."""


class Access(Protocol):
    """The settings that say how Google Cloud is reached: those of ``GcpAccess``, and of a files source at ``gs://``."""

    @property
    def credentials(self) -> Secret | None: ...
    @property
    def impersonate(self) -> str: ...
    @property
    def anonymous(self) -> bool: ...
    @property
    def endpoints(self) -> dict[str, str]: ...


def credentials(source: Access, folder: Path, scopes: Sequence[str] = (SCOPE,)) -> tuple[Any, str]:
    """The credentials, as google-auth has them, and the project they belong to, which may be empty.

    Args:
        source: credentials (else the application default ones), impersonate, anonymous.
        folder: the workspace, which a relative ``file:PATH`` starts from.

    Raises:
        Trouble: ``expired``: there are none.
        ConfigError: the secret is not there, or is no JSON of credentials.
    """
    if source.anonymous:
        from google.auth.credentials import AnonymousCredentials

        return AnonymousCredentials(), ""  # type: ignore[no-untyped-call]
    found, project = _own(source.credentials, folder, scopes)
    if source.impersonate:
        found = _acting_as(source, found, scopes)
        project = source.impersonate.partition("@")[2].partition(".")[0] or project
    if source.endpoints or os.environ.get("STORAGE_EMULATOR_HOST"):
        _ask_nobody_else(found)
    return found, project


def identity(found: Any) -> str:
    """Who the credentials are, for ``finops doctor``: an e-mail address where they state one."""
    for name in ("target_principal", "service_account_email", "signer_email", "account"):
        stated = getattr(found, name, "")
        if isinstance(stated, str) and stated and stated != "default":
            return stated
    return {"AnonymousCredentials": "nobody (anonymous)"}.get(
        type(found).__name__, "your application default credentials"
    )


def acting_as(source: Access) -> Sequence[Permission]:
    """What the calling identity needs to act as the service account; nothing where none is configured."""
    if not source.impersonate:
        return []
    return [Permission(ACT_AS, f"service account {source.impersonate}", "to act as it")]


def _own(secret: Secret | None, folder: Path, scopes: Sequence[str]) -> tuple[Any, str]:
    import google.auth
    from google.auth.exceptions import GoogleAuthError

    if secret is None:
        try:
            found, project = google.auth.default(scopes=list(scopes))
        except GoogleAuthError as error:
            raise as_trouble(error, where="Google Cloud") from error
        return found, project or ""
    try:
        stated = json.loads(secret.reveal(folder))
        return _of_json(stated, scopes), stated.get("project_id") or ""
    except (ValueError, TypeError, KeyError, AttributeError, GoogleAuthError):
        # without its cause, which may quote the key
        raise ConfigError(
            "holds no credentials of Google Cloud",
            where=secret.place,
            next_step="Put the JSON of a service account's key or of a workload identity configuration there.",
        ) from None


def _of_json(stated: dict[str, Any], scopes: Sequence[str]) -> Any:
    """Credentials of the kinds that need no program to be run."""
    from google.auth import aws, identity_pool
    from google.oauth2 import credentials as user
    from google.oauth2 import service_account

    kinds: dict[str, Any] = {
        "service_account": service_account.Credentials.from_service_account_info,
        "external_account": identity_pool.Credentials.from_info,
        "authorized_user": user.Credentials.from_authorized_user_info,
    }
    make = kinds[stated["type"]]
    if stated.get("subject_token_type") == "urn:ietf:params:aws:token-type:aws4_request":
        make = aws.Credentials.from_info
    return make(stated, scopes=list(scopes))


def _ask_nobody_else(found: Any) -> None:
    """After each new token google-auth asks iamcredentials.googleapis.com, in the background, in which locations the account
    may be used (``allowedLocations``), and sends the token along; it can go without the answer.

    Where the source names endpoints, nothing else is to be asked. The library has no switch for it, but does not ask until a
    time that copies of the credentials take over. Other versions of it may have no such time.
    """
    with suppress(AttributeError, TypeError, ValueError):
        found._rab_manager._data = found._rab_manager._data._replace(cooldown_expiry=datetime.max)


def _acting_as(source: Access, own: Any, scopes: Sequence[str]) -> Any:
    from google.auth import impersonated_credentials

    base = source.endpoints.get("iamcredentials", "").rstrip("/")
    path = f"/v1/projects/-/serviceAccounts/{source.impersonate}:generateAccessToken"
    return impersonated_credentials.Credentials(  # type: ignore[no-untyped-call]
        source_credentials=own,
        target_principal=source.impersonate,
        target_scopes=list(scopes),
        iam_endpoint_override=base + path if base else None,
    )
