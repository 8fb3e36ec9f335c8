"""docs/models.md is what the cards say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("model_cards", ROOT / "tools" / "model_cards.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "models.md").read_text() == tool().page()


def test_every_network_is_described() -> None:
    module = tool()
    assert set(module.WORDS) == {folder.name for folder in module.WEIGHTS.iterdir()}


def test_a_figure_that_a_card_lacks_is_no_silent_gap() -> None:
    with pytest.raises(KeyError):
        tool().measured({"a": {"b": 1.0}}, {"a.c": "c"})
