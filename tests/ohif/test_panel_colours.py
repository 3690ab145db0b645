"""The panel's colours, by the contrast they are asked for."""

import re
from pathlib import Path

import pytest

from contrast import SHAPE_CONTRAST, TEXT_CONTRAST, contrast

STYLE = Path(__file__).resolve().parents[2] / "apps" / "ohif" / "panel" / "style.js"
COLOURS = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", STYLE.read_text()))


@pytest.mark.parametrize("behind", ["back", "card", "raised"])
@pytest.mark.parametrize("text", ["text", "muted", "accent", "warn", "bad"])
def test_text_stands_out(text: str, behind: str) -> None:
    assert contrast(COLOURS[text], COLOURS[behind]) >= TEXT_CONTRAST


@pytest.mark.parametrize("behind", ["primary", "accent", "good", "warm", "cool"])
def test_dark_text_stands_out_on_what_is_chosen(behind: str) -> None:
    assert contrast(COLOURS["back"], COLOURS[behind]) >= TEXT_CONTRAST


@pytest.mark.parametrize("shape", ["good", "warm", "cool", "accent"])
def test_bars_stand_out_of_their_tracks(shape: str) -> None:
    assert contrast(COLOURS[shape], COLOURS["raised"]) >= SHAPE_CONTRAST


@pytest.mark.parametrize("behind", ["back", "card", "raised"])
def test_edges_of_controls_stand_out(behind: str) -> None:
    assert contrast(COLOURS["edge"], COLOURS[behind]) >= SHAPE_CONTRAST
