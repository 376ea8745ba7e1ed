"""The company's name, logo and colours, ready for a page."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path

from finops.errors import ConfigError
from finops.reports.contexts import Brand

LARGEST_LOGO = 200_000
_TYPES = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def brand(name: str, logo: Path | None, accent: str, colours: Mapping[str, str]) -> Brand:
    """What a page needs. Colours that are none (``mappings/teams.csv`` takes any text) are passed over.

    Raises:
        ConfigError: the logo is not there, too large, or no SVG, PNG or JPEG.
    """
    own = tuple(sorted((team, colour) for team, colour in colours.items() if _COLOUR.fullmatch(colour)))
    return Brand(name, _data(logo) if logo else "", str(logo or ""), accent, own)


def _data(logo: Path) -> str:
    kind = _TYPES.get(logo.suffix.lower())
    if kind is None:
        raise ConfigError("is no SVG, PNG or JPEG", where=str(logo), next_step="Give [company] logo another file.")
    if not logo.is_file():
        raise ConfigError("there is no such logo", where=str(logo), next_step="Correct [company] logo in finops.toml.")
    content = logo.read_bytes()
    if len(content) > LARGEST_LOGO:
        raise ConfigError(
            f"is larger than {LARGEST_LOGO // 1000} kB",
            where=str(logo),
            next_step="Every report carries it: make it smaller.",
        )
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
