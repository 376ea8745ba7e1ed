"""What every kind of source in ``finops.toml`` has."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from finops.config.section import Section


class Source(Section):
    """What every source takes."""

    type: str
    """The kind of source."""
    endpoints: dict[str, str] = {}
    """Other addresses for a provider's services: ``{ s3 = "https://…" }``; for private endpoints and emulators."""
    anonymous: bool = False
    """Send no credentials. For emulators."""
    deadline: Annotated[int, Field(gt=0)] = 300
    """Seconds after which a call that is throttled or fails again and again is given up."""

    services: ClassVar[frozenset[str]] = frozenset()
    """Whose addresses ``endpoints`` may give. Another name would be passed over, and the provider itself sent the key."""

    @property
    def format(self) -> str:
        """The one format that is looked for; empty: detected."""
        return ""

    @field_validator("endpoints")
    @classmethod
    def _known_services(cls, value: dict[str, str]) -> dict[str, str]:
        for name, address in value.items():
            if name not in cls.services:
                raise ValueError(f"'{name}' is no service of this source; it asks {', '.join(sorted(cls.services))}")
            if name not in GRPC and not address.startswith(("http://", "https://")):
                raise ValueError(f"the address of '{name}' must begin with http:// or https://")
        return value


GRPC = frozenset({"cloudbilling", "bigquerystorage"})
"""Services whose address is ``host:port``."""
