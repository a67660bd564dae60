"""The palette's contrast, light and dark: WCAG AA asks 4.5 to 1 of text and 3 to 1 of what a drawing says."""

import re
from itertools import product
from pathlib import Path

import pytest

from services.workbench import pages

CSS = (Path(pages.__file__).parent / "static" / "workbench.css").read_text(encoding="utf-8")
PALETTES = [
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
]
SCHEMES = {"light": PALETTES[0], "dark": PALETTES[1]}

TEXT = [
    *product(("ink", "soft", "accent", "amber", "red"), ("paper", "card")),
    ("soft", "track"),
    ("card", "accent"),
    ("accent", "accent-soft"),
    ("ink", "accent-soft"),
    ("soft", "accent-soft"),
    ("amber", "amber-soft"),
    ("soft", "amber-soft"),
    ("red", "red-soft"),
]
DRAWN = [(fill, ground) for fill in ("accent-fill", "red-fill") for ground in ("card", "track")]


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("colour", "ground"), TEXT)
def test_text_can_be_read(scheme: str, colour: str, ground: str) -> None:
    assert contrast(SCHEMES[scheme][colour], SCHEMES[scheme][ground]) >= 4.5


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("colour", "ground"), DRAWN)
def test_bars_stand_out(scheme: str, colour: str, ground: str) -> None:
    assert contrast(SCHEMES[scheme][colour], SCHEMES[scheme][ground]) >= 3
