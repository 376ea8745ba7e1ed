"""Can a colour be seen on another? WCAG's contrast, and the nearest colour that has enough of it."""

from __future__ import annotations


def contrast(one: str, other: str) -> float:
    """WCAG 2's contrast ratio of two ``#rrggbb`` colours, 1 to 21."""
    lower, higher = sorted((_luminance(one), _luminance(other)))
    return (higher + 0.05) / (lower + 0.05)


def readable(colour: str, page: str, least: float) -> str:
    """The colour itself, or mixed with as much white (on a dark page) or black (on a light one) as it takes."""
    target = 255 if _luminance(page) < 0.18 else 0
    for percent in range(0, 101, 2):
        mixed = "#" + "".join(
            f"{(channel * (100 - percent) + target * percent + 50) // 100:02x}" for channel in _channels(colour)
        )
        if contrast(mixed, page) >= least:
            return mixed
    return mixed


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(share: float) -> float:
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
