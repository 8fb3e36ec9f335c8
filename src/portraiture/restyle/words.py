"""Words of a sentence: normal spelling, content words, negation, ages in numbers, and the concepts
that words name literally.

sentence ─▶ clauses of content words, wanted or not ─longest phrases first─▶ concepts, words left
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from portraiture.engine.concepts.table import CONCEPTS
from portraiture.errors import ConceptError

_SPELLINGS = {
    "gray": "grey", "color": "colour", "colored": "coloured", "mustache": "moustache",
    "mustached": "moustached", "watercolor": "watercolour", "blonde": "blond", "make-up": "makeup",
    "grey-haired": "grey hair", "fair-haired": "blond hair", "eyeglasses": "glasses",
    "specs": "glasses", "spectacles": "glasses", "golden-haired": "blond hair", "wooden": "wood",
    "tattooed": "tattoo", "tattoos": "tattoo", "hairstyle": "hair", "haircut": "hair cut",
    "eyebrow": "brow", "eyebrows": "brows", "older": "old", "younger": "young", "elder": "old",
    "fatter": "fat", "thinner": "thin", "happier": "happy", "angrier": "angry", "sadder": "sad",
    "paler": "pale", "longer": "long", "shorter": "short", "curlier": "curly", "bigger": "big",
    "smaller": "small", "larger": "big", "large": "big", "huge": "big", "smile": "smiling",
    "smiles": "smiling", "beards": "beard", "kitty": "kitten", "redhaired": "red hair",
    "redheaded": "redhead", "longhaired": "long hair", "shorthaired": "short hair",
    "haired": "hair", "eyed": "eyes", "skinned": "skin", "nosed": "nose", "eared": "ears",
    "lipped": "lips",
}  # fmt: skip
_STOP = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "with",
        "in",
        "on",
        "at",
        "to",
        "as",
        "is",
        "are",
        "be",
        "am",
        "was",
        "i",
        "me",
        "my",
        "mine",
        "him",
        "his",
        "her",
        "hers",
        "them",
        "their",
        "it",
        "its",
        "this",
        "that",
        "these",
        "those",
        "he",
        "she",
        "they",
        "you",
        "your",
        "person",
        "people",
        "someone",
        "somebody",
        "man",
        "woman",
        "boy",
        "girl",
        "guy",
        "lady",
        "gentleman",
        "human",
        "face",
        "head",
        "portrait",
        "picture",
        "photo",
        "photograph",
        "image",
        "look",
        "looks",
        "looking",
        "like",
        "very",
        "quite",
        "really",
        "so",
        "more",
        "much",
        "some",
        "turn",
        "turned",
        "make",
        "makes",
        "made",
        "give",
        "gives",
        "put",
        "into",
        "from",
        "by",
        "for",
        "and",
        "or",
        "plus",
        "also",
        "but",
        "wearing",
        "wears",
        "wear",
        "has",
        "have",
        "having",
        "had",
        "style",
        "please",
        "want",
        "would",
        "can",
        "could",
        "version",
        "same",
        "if",
        "were",
        "become",
        "becoming",
        "becomes",
        "change",
        "changed",
        "transform",
        "transformed",
        "render",
        "draw",
        "show",
        "who",
        "which",
        "what",
        "just",
        "bit",
        "little",
        "rather",
        "completely",
        "totally",
        "character",
        "type",
        "kind",
    ]
)
_NOT = frozenset(
    [
        "not",
        "no",
        "without",
        "never",
        "isn't",
        "don't",
        "minus",
        "lacking",
        "sans",
        "remove",
        "off",
        "lose",
        "loses",
    ]
)
_ENDS = frozenset(["but", "with", "and", "wearing", "having", "plus", "yet"])
_NOUNS = frozenset(
    ["hair", "eyes", "beard", "nose", "lips", "ears", "glasses", "brows", "skin", "moustache"]
)
OPPOSITES = {
    "bearded": "shaven", "short_beard": "shaven", "long_beard": "shaven", "goatee": "shaven",
    "moustache": "shaven", "stubble": "shaven", "glasses": "no_glasses", "sunglasses": "no_glasses",
    "round_glasses": "no_glasses", "bald": "long_hair", "long_hair": "short_hair",
    "short_hair": "long_hair", "curly_hair": "straight_hair", "old": "young", "young": "old",
    "fat": "thin", "thin": "fat",
}  # fmt: skip
"""What a concept that is not wanted asks for instead."""
_NUMBERS = {
    word: number
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_AGE = re.compile(r"\b(\d{1,3}|[a-z]+)[ -]years?[ -]old\b")
_SEXES = (
    (re.compile(r"\b(?:a|into an?|as an?) (?:woman|lady|female)\b"), "feminine"),
    (re.compile(r"\b(?:a|into an?|as an?) (?:man|male|guy)\b"), "masculine"),
)


@dataclass
class Clause:
    """text: as it was written. words: its content. wanted: False after "not" and the like."""

    text: str
    words: list[str] = field(default_factory=list)
    wanted: bool = True


def normal(sentence: str) -> str:
    """Lower case, plain punctuation, British spelling."""
    text = sentence.lower().replace("’", "'").replace("'s ", " ")
    text = re.sub(r"(\w)-(haired|eyed|skinned|nosed|eared|lipped)\b", r"\1 \2", text)
    text = re.sub(r"[^a-z0-9',;.\- ]+", " ", text)
    text = re.sub(r"\bmake[- ]up\b", "makeup", text)
    text = re.sub(r"\bblack[- ]and[- ]white\b", "monochrome", text)
    text = re.sub(r"\b(?:without|with no|no) (?:any )?hair\b", "bald", text)
    text = re.sub(r"[a-z0-9'\-]+", lambda m: _SPELLINGS.get(m[0].strip("'-"), m[0]), text)
    return " ".join(text.split())


def affirmed(text: str) -> str:
    """The text without what stands between a negation and the next comma or "but"."""
    words = "|".join(sorted(map(re.escape, _NOT)))
    return re.sub(rf"\b(?:{words})\b.*?(?=\bbut\b|[,;.]|$)", " ", text)


def check_text(sentence: str) -> None:
    """Raises ConceptError on what no file can hold."""
    try:
        sentence.encode()
    except UnicodeEncodeError:
        raise ConceptError("The sentence has bytes that are no text; write it anew.") from None


def ages(text: str) -> tuple[str, list[str]]:
    """The text without ages in numbers, and the concepts of these ages."""
    found: list[str] = []

    def named(match: re.Match[str]) -> str:
        number = _NUMBERS.get(match[1], int(match[1]) if match[1].isdigit() else None)
        if number is None:
            return match[0]
        bounds = ((13, "child"), (20, "teenager"), (36, "young"), (60, "middle_aged"))
        found.append(next((name for most, name in bounds if number < most), "old"))
        return " "

    return _AGE.sub(named, text), found


def sexes(text: str) -> list[str]:
    """ "a woman" asks for one; "a bald man" does not."""
    return [name for pattern, name in _SEXES if pattern.search(text)]


def clauses(text: str) -> list[Clause]:
    """Parts of a sentence between commas, "with" and the like; the words after a negation are a
    clause of their own."""
    out: list[Clause] = []
    for part in re.split(r"[,;.]+", text):
        current = Clause("")
        for word in part.split():
            bare = word.strip("'-")
            if bare in _NOT:
                out.append(current)
                current = Clause("", wanted=False)
            elif bare in _ENDS or (bare == "in" and not current.wanted):
                out.append(current)
                together = bare in ("and", "plus") and not current.wanted
                current = Clause("", wanted=not together)
            current.text = f"{current.text} {word}".strip()
            if bare not in _STOP and bare not in _NOT and bare not in _ENDS:
                current.words += [stem(piece) for piece in bare.split("-") if piece]
        out.append(current)
    return [clause for clause in out if clause.words]


def stem(word: str) -> str:
    """A word without a plural's s."""
    if word in _NOUNS or word.endswith("ss") or len(word) < 4:
        return word
    return word[:-1] if word.endswith("s") and not word.endswith(("us", "is")) else word


def content(phrase: str) -> tuple[str, ...]:
    """The stems of a phrase's content words."""
    return tuple(word for clause in clauses(normal(phrase)) for word in clause.words)


@lru_cache(maxsize=1)
def phrases() -> dict[tuple[str, ...], str]:
    """Content words of all phrases to their concepts; earlier concepts win."""
    table: dict[tuple[str, ...], str] = {}
    for concept in CONCEPTS.values():
        named = concept.name.replace("_", " ")
        for phrase in (named, concept.phrase, *concept.others):
            table.setdefault(content(phrase), concept.name)
    table.pop((), None)
    return table


def literal(words: list[str]) -> tuple[list[str], list[str]]:
    """Concepts whose phrases are among these words, longest first, and the words that are left.
    "long black hair" has both "long hair" and "black hair"."""
    table = phrases()
    longest = max(map(len, table))
    left: list[str | None] = list(words)
    found: list[tuple[int, str]] = []
    for length in range(min(longest, len(words)), 0, -1):
        for first in range(len(words) - length + 1):
            piece = left[first : first + length]
            name = table.get(tuple(piece)) if None not in piece else None  # type: ignore[arg-type]
            if name is not None and not _before_noun(left, first, length):
                found.append((first, name))
                left[first : first + length] = [None] * length
        if length == 2:
            found += _described(words, left, table)
    return [name for _, name in sorted(found)], [word for word in left if word is not None]


def _before_noun(left: list[str | None], first: int, length: int) -> bool:
    """Whether a single adjective describes hair, eyes and the like, which `_described` reads."""
    after = left[first + length] if first + length < len(left) else None
    return length == 1 and after in _NOUNS and (left[first], after) in phrases()


def _described(
    words: list[str], left: list[str | None], table: dict[tuple[str, ...], str]
) -> Iterable[tuple[int, str]]:
    """Adjectives before hair, eyes and the like, however many."""
    for at, word in enumerate(words):
        if word not in _NOUNS:
            continue
        used = False
        for before in range(at - 1, max(at - 5, -1), -1):
            name = table.get((words[before], word))
            if words[before] in _NOUNS:
                break
            if left[before] is not None and name is not None:
                left[before], used = None, True
                yield before, name
        if used or left[at] is None:
            left[at] = None
