"""Secrets are named in ``finops.toml``, never written there: ``env:NAME`` or ``file:PATH``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from finops.errors import ConfigError

_revealed: set[str] = set()


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
        _revealed.add(value)
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


def without_secrets(text: str) -> str:
    """A text in which every secret that has been read in this process is ``***``: a provider may quote a key in an error."""
    for value in sorted(_revealed, key=len, reverse=True):
        text = text.replace(value, "***")
    return text
