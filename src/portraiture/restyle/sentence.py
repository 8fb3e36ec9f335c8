"""A sentence to the concepts that it names.

sentence ─words─▶ clauses ─phrases that are there literally─▶ concepts
                     └─what is left ─MiniLM─▶ nearest phrase of a concept, if near enough
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from jaxtyping import Float
from torch import Tensor

from portraiture.engine.concepts.change import conflicts
from portraiture.engine.concepts.table import CONCEPTS
from portraiture.errors import ConceptError
from portraiture.restyle.embedder import Embedder, installed_embedder
from portraiture.restyle.words import (
    OPPOSITES,
    affirmed,
    ages,
    check_text,
    clauses,
    literal,
    normal,
    sexes,
)

NEAR, NEAR_CLAUSE, NEAR_REST = 0.5, 0.56, 0.75
"""Least cosine at which words mean a concept's phrase: a whole sentence of which no word was known,
such a clause, and what is left of one."""
SHOWN = 3
"""Concepts that a message names."""
MOST_LETTERS = 400
INSTALL = "pip install 'portraiture[text]' makes other words understood as well"


@dataclass(frozen=True)
class Reading:
    """concepts: their names, in the order of the sentence. notes: sentences for the user, about
    what was left out."""

    concepts: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_sentence(sentence: str, *, embedder: Embedder | None = None) -> Reading:
    """The concepts that a sentence names.

    embedder: by default the sentence model of the extra text, where it is installed; without one,
    only words of the concepts' own phrases are known. Raises ConceptError where the sentence names
    nothing, or nothing that the engine can render; its message has the nearest concepts.
    """
    if not sentence.strip() or len(sentence) > MOST_LETTERS:
        raise ConceptError(
            f"Say in at most {MOST_LETTERS} letters what to make of the person, such as “an elf”."
        )
    embedder = embedder or installed_embedder()
    check_text(sentence)
    text = normal(sentence)
    wanted = [*ages(affirmed(text))[1], *sexes(affirmed(text))]
    text, _ = ages(text)
    notes: list[str] = []
    parts = clauses(text)
    read = [literal(clause.words) for clause in parts]
    if embedder is not None and not wanted and not any(names for names, _ in read):
        wanted += _by_meaning(_asked(text), NEAR, embedder)
    whole = bool(wanted)
    for clause, (names, rest) in zip(parts, read, strict=True):
        if embedder is not None and names and len(rest) > 1:
            names += _by_meaning(" ".join(rest), NEAR_REST, embedder)
        elif embedder is not None and not names and not (whole and clause.wanted):
            names += _by_meaning(_asked(clause.text), NEAR_CLAUSE, embedder)
        if clause.wanted:
            wanted += names
            continue
        for name in names:
            if name in OPPOSITES:
                wanted.append(OPPOSITES[name])
            else:
                notes.append(f"“{clause.text}”: {CONCEPTS[name].phrase} is left out.")
        if not names:
            notes.append(f"“{clause.text}” was not understood.")
    if not wanted and notes:
        raise ConceptError(f"Nothing is left to make: {' '.join(notes)}")
    if not wanted:
        raise ConceptError(_nothing(sentence, embedder))
    kept, dropped = _without_conflicts(list(dict.fromkeys(wanted)))
    notes += [
        f"{CONCEPTS[loser].phrase} and {CONCEPTS[winner].phrase} exclude each other; the latter"
        " is made."
        for loser, winner in dropped
    ]
    return Reading(tuple(kept), tuple(notes))


def _by_meaning(text: str, least: float, embedder: Embedder) -> list[str]:
    """The concept whose phrase is nearest to some words, if it is near enough."""
    (name, cosine), *_ = nearest(text, embedder)
    return [name] if cosine >= least else []


_LEADS = (
    "turn", "make", "give", "show", "render", "draw", "change", "transform", "into", "me", "him",
    "her", "them", "the", "person", "to", "look", "like", "as", "if", "but", "and", "not",
    "without", "no", "please", "this", "with",
)  # fmt: skip


def _asked(text: str) -> str:
    """A clause without the words that begin an order."""
    words = text.split()
    while len(words) > 1 and words[0].strip("',") in _LEADS:
        words = words[1:]
    return " ".join(words)


def nearest(text: str, embedder: Embedder) -> list[tuple[str, float]]:
    """All concepts with the cosine of their nearest phrase, the nearest first."""
    names, vectors = _phrase_vectors(embedder)
    cosines = (vectors @ embedder([text])[0]).tolist()
    best: dict[str, float] = {}
    for name, cosine in zip(names, cosines, strict=True):
        best[name] = max(cosine, best.get(name, -1.0))
    return sorted(best.items(), key=lambda item: -item[1])


@lru_cache(maxsize=2)
def _phrase_vectors(embedder: Embedder) -> tuple[tuple[str, ...], Float[Tensor, "P D"]]:
    """All phrases of all concepts as unit vectors."""
    pairs = [
        (concept.name, phrase)
        for concept in CONCEPTS.values()
        for phrase in (concept.phrase, *concept.others)
    ]
    return tuple(name for name, _ in pairs), embedder([phrase for _, phrase in pairs])


def _nothing(sentence: str, embedder: Embedder | None) -> str:
    """What to say of a sentence that names no concept."""
    if embedder is not None:
        close = [name for name, _ in nearest(sentence, embedder)[:SHOWN]]
    else:
        close = _similar(sentence)[:SHOWN]
    named = ", ".join(f"“{CONCEPTS[name].phrase}”" for name in close)
    hint = "" if embedder is not None else f"; {INSTALL}"
    return (
        f"“{sentence.strip()}” is too far from everything that the engine can render; nearest are"
        f" {named}; `portraiture restyle --list` shows all{hint}."
    )


def _similar(sentence: str) -> list[str]:
    """Concepts by the likeness of letters."""

    def score(name: str) -> float:
        concept = CONCEPTS[name]
        return max(
            SequenceMatcher(None, sentence.lower(), phrase.lower()).ratio()
            for phrase in (concept.phrase, *concept.others)
        )

    return sorted(CONCEPTS, key=score, reverse=True)


def _without_conflicts(names: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """The names without those that a later one excludes, and who excluded whom."""
    kept: list[str] = []
    dropped: list[tuple[str, str]] = []
    for name in names:
        for other in list(kept):
            if conflicts(CONCEPTS[other], CONCEPTS[name]):
                kept.remove(other)
                dropped.append((other, name))
        kept.append(name)
    return kept, dropped
