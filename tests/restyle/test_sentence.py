"""Sentences find their concepts.

The table was written before the matcher was tuned; what it should reach is stated here, with the
sentence model where it is installed and with words alone everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from sentence_table import SENTENCES, UNKNOWN

from portraiture.engine.concepts.table import CONCEPTS
from portraiture.errors import ConceptError
from portraiture.restyle import sentence as module
from portraiture.restyle.embedder import installed_embedder, model_folder
from portraiture.restyle.sentence import read_sentence

WORDS_ALONE, WITH_MODEL = 0.75, 0.95
"""Least shares of sentences whose concepts are exactly right."""
needs_model = pytest.mark.skipif(model_folder() is None, reason="needs the extra text")


@pytest.fixture
def words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "installed_embedder", lambda: None)


def found(text: str) -> frozenset[str]:
    try:
        return frozenset(read_sentence(text).concepts)
    except ConceptError:
        return frozenset({"nothing"})


def wrong() -> list[tuple[str, frozenset[str], frozenset[str]]]:
    return [(t, wanted, found(t)) for t, wanted in SENTENCES if found(t) != wanted]


def test_words_alone_find_most(words_alone: None) -> None:
    missed = wrong()
    assert len(missed) <= (1.0 - WORDS_ALONE) * len(SENTENCES), missed


@needs_model
def test_the_model_finds_nearly_all() -> None:
    missed = wrong()
    assert len(missed) <= (1.0 - WITH_MODEL) * len(SENTENCES), missed


@needs_model
def test_nearly_all_that_names_nothing_is_refused_by_the_model() -> None:
    """A car in the desert is taken for camouflage."""
    assert sum(found(text) == {"nothing"} for text in UNKNOWN) >= len(UNKNOWN) - 1
    with pytest.raises(ConceptError, match="nearest are"):
        read_sentence("quarterly report")


def test_what_names_nothing_is_refused(words_alone: None) -> None:
    for text in (*UNKNOWN, "   ", "x" * 500):
        with pytest.raises(ConceptError):
            read_sentence(text)
    with pytest.raises(ConceptError, match=r"pip install 'portraiture\[text\]'"):
        read_sentence("quarterly report")


def test_the_message_names_the_nearest() -> None:
    def embed(sentences: Sequence[str]) -> torch.Tensor:
        """Nearest to "a goblin", but not near."""
        near = torch.tensor([0.3, 0.954])
        return torch.stack(
            [torch.tensor([1.0, 0.0]) if s == "a goblin" else near for s in sentences]
        ) @ torch.eye(2)

    with pytest.raises(ConceptError, match="nearest are"):
        read_sentence("zxqv", embedder=lambda s: embed(s) * (1.0 if len(s) > 1 else -1.0))


def test_every_phrase_finds_its_own_concept(words_alone: None) -> None:
    for concept in CONCEPTS.values():
        assert read_sentence(concept.phrase).concepts == (concept.name,), concept.phrase


def test_negation_is_honest(words_alone: None) -> None:
    assert read_sentence("an elf without a beard").concepts == ("elf", "shaven")
    reading = read_sentence("an elf but not smiling")
    assert reading.concepts == ("elf",)
    assert "smiling" in reading.notes[0]


def test_of_two_materials_the_latter_is_made(words_alone: None) -> None:
    reading = read_sentence("made of marble and made of gold")
    assert reading.concepts == ("gold",)
    assert "exclude" in reading.notes[0]


@needs_model
def test_the_encoder_is_that_of_transformers() -> None:
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    folder, ours = model_folder(), installed_embedder()
    assert folder is not None and ours is not None
    theirs = BertModel(BertConfig.from_json_file(str(folder / "config.json"))).eval()
    theirs.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    from tokenizers import Tokenizer

    coded = Tokenizer.from_file(str(folder / "tokenizer.json")).encode("an elderly gentleman")
    ids = [i for i, kept in zip(coded.ids, coded.attention_mask, strict=True) if kept]
    with torch.no_grad():
        hidden = theirs(torch.tensor([ids])).last_hidden_state.mean(1)
    expected = torch.nn.functional.normalize(hidden, dim=1)
    torch.testing.assert_close(ours(["an elderly gentleman", "x"])[:1], expected, atol=1e-5, rtol=0)


def test_what_is_only_denied_is_refused() -> None:
    for sentence in ("not an elf", "no xyzzy", "without a scar"):
        with pytest.raises(ConceptError, match="Nothing is left"):
            read_sentence(sentence, embedder=None)


def test_a_denied_sex_or_age_is_not_asked_for() -> None:
    assert read_sentence("an elf, not a woman").concepts == ("elf",)
    assert "old" not in read_sentence("an elf, not 70 years old").concepts
    assert read_sentence("without any hair").concepts == ("bald",)


def test_a_bearded_woman_and_a_child_are_both_made() -> None:
    assert set(read_sentence("a woman with a beard").concepts) == {"feminine", "bearded"}
    assert read_sentence("a child, old").concepts == ("old",)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ConceptError, match="no text"):
        read_sentence("an elf\udcff")
