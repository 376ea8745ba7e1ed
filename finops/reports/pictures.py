"""A chart as a PNG, for mails: the page's geometry in fixed light colours, for no mail client draws SVG."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import vl_convert

from finops.errors import ConfigError
from finops.reports.charts import Chart
from finops.reports.contexts import Brand, Report
from finops.reports.contrast import readable
from finops.reports.html import render
from finops.reports.text import fitted

PAPER = "#fcfbf8"
LIGHT = {
    "tint-0": "#2c6493", "tint-1": "#bd6b1f", "tint-2": "#4f8a74", "tint-3": "#8c4669", "tint-4": "#b8962c",
    "tint-5": "#55609d", "tint-6": "#ab4c40", "tint-7": "#33879a", "tint-8": "#7d6a52", "tint-9": "#688f32",
    "tint-nobody": "#8e8b85", "tint-rest": "#c3bfb6", "tint-now": "#0d5a68",
}  # fmt: skip
"""The light colours of ``style.css``, by class."""
SCALE = 2
"""Pixels of the picture for each unit of the chart: sharp on a dense screen."""
_COLUMNS = 4
_LINE = 28
_LEGEND_TOP = 16
_NAME_COLUMNS = 19


@dataclass(frozen=True)
class Entry:
    """A name of the legend, and where it stands."""

    name: str
    colour: str
    x: int
    y: int
    width: int
    """What the name has room for."""


def colours(brand: Brand) -> dict[str, str]:
    """The colour of each class on light paper, the company's own among them."""
    own = dict(zip(brand.tint_of.values(), dict(brand.colours).values(), strict=True))
    return LIGHT | {tint: readable(colour, PAPER, 3.0) for tint, colour in own.items()}


def draw(report: Report, chart: Chart, overlay: Path | None = None) -> tuple[bytes, int]:
    """The chart with its legend as a PNG, and its height in the units in which it is ``chart.width`` wide.

    The same chart gives the same bytes: Latin letters come from a font inside the library, other scripts from the machine's fonts.
    """
    palette = colours(report.brand)
    legend = _legend(chart, palette)
    height = chart.height + _LEGEND_TOP + _LINE * -(-len(legend) // _COLUMNS)
    svg = render(
        report, "mail/chart.svg", overlay, chart=chart, colours=palette, legend=legend, height=height, paper=PAPER
    )
    return packed(vl_convert.svg_to_png(svg, scale=SCALE)), height


def logo(brand: Brand) -> dict[str, bytes]:
    """The company's logo as a file of a mail, which shows PNG and JPEG only; nothing if there is none.

    Raises:
        ConfigError: it is an SVG that cannot be drawn.
    """
    if not brand.logo:
        return {}
    kind, _, encoded = brand.logo.partition(";base64,")
    content = base64.b64decode(encoded)
    if kind.endswith("svg+xml"):
        try:
            return {"mail/logo.png": vl_convert.svg_to_png(content.decode(), scale=SCALE)}
        except (RuntimeError, UnicodeDecodeError) as error:
            raise ConfigError(
                "is no SVG that can be drawn, and mails show no SVG",
                where=brand.logo_file,
                next_step="Give [company] logo a PNG, or correct the SVG.",
            ) from error
    return {f"mail/logo.{kind.rpartition('/')[2]}": content}


def _legend(chart: Chart, palette: Mapping[str, str]) -> tuple[Entry, ...]:
    step = (chart.width - 8) // _COLUMNS
    return tuple(
        Entry(
            name=fitted(name, _NAME_COLUMNS),
            colour=palette.get(tint, LIGHT["tint-rest"]),
            x=8 + index % _COLUMNS * step,
            y=chart.height + _LEGEND_TOP + index // _COLUMNS * _LINE,
            width=step - 28,
        )
        for index, (name, tint) in enumerate(chart.legend)
    )


def packed(png: bytes) -> bytes:
    """The same picture, its pixels compressed for size: the library that draws compresses for speed."""
    head, pixels = b"", b""
    for kind, content in _chunks(png):
        if kind == b"IHDR":
            head = content
        elif kind == b"IDAT":
            pixels += content
    small = zlib.compress(zlib.decompress(pixels), 9)
    return png[:8] + b"".join(_chunk(*each) for each in ((b"IHDR", head), (b"IDAT", small), (b"IEND", b"")))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 8
    while place < len(png):
        (size,) = struct.unpack_from(">I", png, place)
        yield png[place + 4 : place + 8], png[place + 8 : place + 8 + size]
        place += 12 + size


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
