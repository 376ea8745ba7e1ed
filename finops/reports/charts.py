"""Geometry of the bar chart, computed here so that a template only prints it. Lengths are in the SVG's own units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from finops.reports.money import format_money, format_number
from finops.reports.slugs import slugs

WIDTH = 760
HEIGHT = 320
_LEFT = 52
_TOP = 22
_BOTTOM = 28
_GAP = Decimal("0.28")


@dataclass(frozen=True)
class Segment:
    """One colour of a bar."""

    name: str
    tint: str
    y: str
    height: str
    text: str
    """What a pointer sees: ``ml-research, 19 Oct: USD 38,395``."""


@dataclass(frozen=True)
class Bar:
    """One bar: a week or a day."""

    x: str
    width: str
    middle: str
    label: str
    """Below the axis."""
    top: str
    """Where its value stands."""
    value: str
    """Its total in short, for the few bars that are labelled; else nothing."""
    is_current: bool
    is_partial: bool
    """Does it stand for a week that the ledger has only in part?"""
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Tick:
    """A line of the scale."""

    y: str
    label: str


@dataclass(frozen=True)
class Chart:
    """A stacked bar chart of one currency."""

    id: str
    """``weeks-usd``: fit for an id and for a file's name."""
    title: str
    description: str
    """What a screen reader says; the table below it has the numbers."""
    width: int
    height: int
    left: int
    tick_x: int
    """Where the scale's labels end."""
    label_y: int
    """The line of the bars' labels."""
    zero: str
    ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...]
    legend: tuple[tuple[str, str], ...]
    """Names with their colour classes, in the order of the stack from below."""


@dataclass(frozen=True)
class Column:
    """What a bar is made from."""

    label: str
    long_label: str
    values: Mapping[str, Decimal]
    """By name; a name that is missing has no part in it."""
    is_current: bool = False
    is_partial: bool = False


def stacked_bars(
    chart_id: str,
    title: str,
    description: str,
    currency: str,
    columns: Sequence[Column],
    names: Sequence[str],
    tints: Mapping[str, str],
    say: Callable[[Decimal], str] | None = None,
) -> Chart:
    """Bars of ``columns``, each stacked from ``names`` in order; amounts below zero hang below the axis.

    Values are money of ``currency``, unless ``say`` words them.
    """
    say = say or (lambda value: format_money(value, currency, places=0))
    highest = max((_above(column) for column in columns), default=Decimal(0))
    lowest = min((_below(column) for column in columns), default=Decimal(0))
    step = _step(highest - lowest)
    top = (highest / step).to_integral_value(ROUND_CEILING) * step if highest else step
    bottom = lowest
    unit = Decimal(HEIGHT - _TOP - _BOTTOM) / (top - bottom)
    slot = Decimal(WIDTH - _LEFT) / max(len(columns), 1)

    def y(value: Decimal) -> Decimal:
        return _TOP + (top - value) * unit

    ticks = []
    value = (bottom / step).to_integral_value(ROUND_CEILING) * step
    while value <= top:
        ticks.append(Tick(_at(y(value)), _short(value)))
        value += step
    bars = []
    for index, column in enumerate(columns):
        x = _LEFT + slot * index + slot * _GAP / 2
        width = slot * (1 - _GAP)
        bars.append(
            Bar(
                x=_at(x),
                width=_at(width),
                middle=_at(x + width / 2),
                label=column.label,
                top=_at(y(_above(column)) - 5),
                value=_short(sum(column.values.values(), Decimal(0))) if column.is_current and column.values else "",
                is_current=column.is_current,
                is_partial=column.is_partial,
                segments=_segments(column, names, tints, say, y),
            )
        )
    return Chart(
        slugs([chart_id])[chart_id],
        title, description, WIDTH, HEIGHT, _LEFT, _LEFT - 8, HEIGHT - 8, _at(y(Decimal(0))), tuple(ticks), tuple(bars),
        tuple((name, tints.get(name, "")) for name in names),
    )  # fmt: skip


def _segments(
    column: Column,
    names: Sequence[str],
    tints: Mapping[str, str],
    say: Callable[[Decimal], str],
    y: Callable[[Decimal], Decimal],
) -> tuple[Segment, ...]:
    up, down = Decimal(0), Decimal(0)
    segments = []
    for name in names:
        value = column.values.get(name)
        if not value:
            continue
        base = up if value > 0 else down
        upper, lower = y(max(base, base + value)), y(min(base, base + value))
        text = f"{name}, {column.long_label}: {say(value)}"
        segments.append(Segment(name, tints.get(name, ""), _at(upper), _at(lower - upper), text))
        if value > 0:
            up += value
        else:
            down += value
    return tuple(segments)


def _above(column: Column) -> Decimal:
    return sum((value for value in column.values.values() if value > 0), Decimal(0))


def _below(column: Column) -> Decimal:
    return sum((value for value in column.values.values() if value < 0), Decimal(0))


def _step(span: Decimal) -> Decimal:
    """1, 2 or 5 times a power of ten, so that three to six lines make the scale."""
    if span <= 0:
        return Decimal(1)
    rough = span / 4
    power = Decimal(1).scaleb(rough.adjusted())
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)


def _short(value: Decimal) -> str:
    """``20k``, ``1.5M``: a scale's labels only; the currency is in the chart's title."""
    for unit, letter in ((Decimal(10) ** 9, "bn"), (Decimal(10) ** 6, "M"), (Decimal(1000), "k")):
        if abs(value) >= unit:
            number = format_number(value / unit, 1)
            return f"{number.removesuffix('.0')}{letter}"
    return format_number(value, 0 if value == value.to_integral_value() or abs(value) >= 10 else 2)


def _at(length: Decimal) -> str:
    return f"{length:.1f}"
