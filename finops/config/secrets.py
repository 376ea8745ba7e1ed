"""Secrets are named in ``finops.toml``, never written there: ``env:NAME`` or ``file:PATH``."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from finops.errors import ConfigError

SHORTEST, SHORTEST_PART = 4, 8
"""Characters that a secret has, and a value within one, to be replaced in texts: what is shorter is no key, and part of words."""

_revealed: set[str] = set()
_SECRET_KEY = re.compile(
    r"(?:private|api)_key|(?:\w+_)?(?:secret|password)|(?:access|id|refresh|auth)_token", re.IGNORECASE
)
_SECRET_PARTS = (
    re.compile(r"(?:AccountKey|SharedAccessKey|SharedAccessSignature)=([^;\s]+)", re.IGNORECASE),
    re.compile(r"(?:^|[?&;=])sig=([^&;\s]+)", re.IGNORECASE),
)


class Secret:
    """Where a secret is to be found. It prints as its place and is read when it is used."""

    def __init__(self, place: str) -> None:
        kind, _, name = place.partition(":")
        if kind not in ("env", "file") or not name:
            raise ValueError("is no place of a secret: write env:NAME or file:PATH, and never the secret itself")
        self.place = place

    def reveal(self, folder: Path = Path()) -> str:
        """The secret.

        Args:
            folder: what a relative ``file:PATH`` starts from, the workspace.

        Raises:
            ConfigError: the variable is not set, the file is not there or empty.
        """
        kind, _, name = self.place.partition(":")
        if kind == "env":
            value = os.environ.get(name, "").strip()
            problem = f"the environment variable {name} is not set"
        else:
            path = folder / Path(name).expanduser()
            problem = f"the file {path} cannot be read or is empty"
            try:
                value = path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                value = ""
        if not value:
            raise ConfigError(problem, where=self.place, next_step="Put the secret there, or name another place.")
        _revealed.update(_hidden(value))
        return value

    def __repr__(self) -> str:
        return self.place

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.place == self.place

    def __hash__(self) -> int:
        return hash(self.place)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


def secrets_of(config: object) -> list[Secret]:
    """Every secret that a configuration names, in its order."""
    if isinstance(config, Secret):
        return [config]
    if isinstance(config, BaseModel | dict):
        inner = list(vars(config).values() if isinstance(config, BaseModel) else config.values())
        return [secret for each in inner for secret in secrets_of(each)]
    return [secret for each in config for secret in secrets_of(each)] if isinstance(config, list | tuple) else []


def without_secrets(text: str) -> str:
    """A text in which every secret that has been read in this process is ``***``: a provider may quote a key in an error.

    So is what is secret within one: the private key of a service account's JSON, the key of a connection string, the signature
    of a shared access signature.
    """
    for value in sorted(_revealed, key=len, reverse=True):
        text = text.replace(value, "***")
    return text


def _hidden(secret: str) -> Iterator[str]:
    """What must not be read anywhere: the secret, and the values within it that are secret by themselves."""
    if len(secret) >= SHORTEST:
        yield secret
    for part in (*_json_parts(secret), *(found for each in _SECRET_PARTS for found in each.findall(secret))):
        for form in (part, *part.splitlines(), unquote(part), quote(unquote(part), safe="")):
            if len(form) >= SHORTEST_PART and not form.startswith("-----"):
                yield form


def _json_parts(secret: str) -> Iterator[str]:
    """The values of a JSON object, however deep, whose keys say that they are secret."""
    try:
        left = [json.loads(secret)] if secret.startswith("{") else []
    except (ValueError, RecursionError):
        return
    while left:
        each = left.pop()
        if isinstance(each, dict):
            yield from (text for key, text in each.items() if isinstance(text, str) and _SECRET_KEY.fullmatch(key))
            left += each.values()
        elif isinstance(each, list):
            left += each
