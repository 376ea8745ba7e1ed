"""The company's name, logo and colours, ready for a page."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path

from finops.errors import ConfigError
from finops.reports.contexts import Brand
from finops.reports.contrast import readable

LARGEST_LOGO = 200_000
_TYPES = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LIGHT, _DARK = "#f4f2ec", "#1c1f24"
"""``--raised`` in ``style.css``, the background that is nearest to the ink: what is readable on it is so on the page too."""
_TEXT, _GRAPHIC = 4.5, 3.0
"""The contrast that WCAG 2.2 AA wants of text and of graphics."""


def brand(name: str, logo: Path | None, accent: str, colours: Mapping[str, str]) -> Brand:
    """What a page needs. Colours that are none (``mappings/teams.csv`` takes any text) are passed over.

    Raises:
        ConfigError: the logo is not there, too large, or no SVG, PNG or JPEG.
    """
    own = tuple(sorted((team, colour) for team, colour in colours.items() if _COLOUR.fullmatch(colour)))
    ours = accent if _COLOUR.fullmatch(accent) else ""
    return Brand(name, _data(logo) if logo else "", str(logo or ""), ours, own, _css(ours, [each for _, each in own]))


def _css(accent: str, colours: list[str]) -> str:
    """Rules to go after ``style.css``: the accent and the teams' colours, each readable on light and on dark pages."""
    if not accent and not colours:
        return ""
    light, dark = ("; ".join(_variables(accent, colours, page)) for page in (_LIGHT, _DARK))
    classes = "\n".join(f".tint-own-{each} {{ --tint: var(--own-{each}) }}" for each in range(len(colours)))
    return f":root {{ {light} }}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n{classes}"


def _variables(accent: str, colours: list[str], page: str) -> list[str]:
    own = [f"--own-{index}: {readable(each, page, _GRAPHIC)}" for index, each in enumerate(colours)]
    if not accent:
        return own
    text = readable(accent, page, _TEXT)
    return [f"--accent: {text}", f"--now: {text}", *own]


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
