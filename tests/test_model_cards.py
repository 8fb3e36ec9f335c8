"""docs/models.md is what the cards say."""

from __future__ import annotations

from pathlib import Path

import model_cards
import pytest

PAGE = Path(__file__).parent.parent / "docs" / "models.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == model_cards.page()


def test_every_network_is_described() -> None:
    assert set(model_cards.WORDS) == {folder.name for folder in model_cards.WEIGHTS.iterdir()}


def test_a_figure_that_a_card_lacks_is_no_silent_gap() -> None:
    with pytest.raises(KeyError):
        model_cards.measured({"a": {"b": 1.0}}, {"a.c": "c"})
