"""A company's colours can be read on every page."""

from __future__ import annotations

import re

import pytest

from finops.reports.branding import brand
from finops.reports.colours import tints
from finops.reports.contrast import contrast, readable

PAGES = {"light": ("#fcfbf8", "#f4f2ec", "#ffffff"), "dark": ("#14161a", "#1c1f24")}


def test_contrast_is_wcags() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)
    assert contrast("#ffffff", "#777777") == contrast("#777777", "#ffffff")


@pytest.mark.parametrize("colour", ["#ffee00", "#000000", "#ffffff", "#1f4f8f", "#808080", "#ff0000"])
def test_accent_and_teams_are_readable_on_light_dark_and_paper(colour: str) -> None:
    css = brand("", None, colour, {"vision": colour}).css
    light, dark = re.findall(r":root \{ (.*?) \}", css)
    for declared, pages in ((light, PAGES["light"]), (dark, PAGES["dark"])):
        values = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", declared))
        for page in pages:
            assert contrast(values["accent"], page) >= 4.5
            assert contrast(values["own-0"], page) >= 3


def test_a_colour_that_can_be_read_is_left_as_it_is() -> None:
    assert readable("#1f4f8f", "#f4f2ec", 4.5) == "#1f4f8f"


def test_what_is_no_colour_never_gets_into_the_style_sheet() -> None:
    look = brand("", None, "red;}</style>", {"search": "url(x)", "vision": "#12345g", "recsys": "#2f9e6e"})
    assert look.accent == ""
    assert look.colours == (("recsys", "#2f9e6e"),)
    assert "</style>" not in look.css
    assert "url" not in look.css


def test_a_team_has_its_colour_in_every_report() -> None:
    look = brand("", None, "", {"recsys": "#2f9e6e"})
    assert tints(["recsys", "vision"], look)["recsys"] == "tint-own-0"
    assert tints(["recsys"], look)["recsys"] == "tint-own-0"
    assert ".tint-own-0 { --tint: var(--own-0) }" in look.css
    assert tints(["vision", "search"])["vision"] == tints(["vision"])["vision"]
