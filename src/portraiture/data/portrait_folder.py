"""Folders of portraits and of renders as labelled photos, for `tools/label_portraits.py`.

index.csv, labels.csv ─▶ Portrait ─find_faces, label_portrait─▶ LabelledPhoto
`portraiture synth --kind pictures` ─▶ people ─shrunk─▶ LabelledPhoto
Letters: A looks (`perception.looks.NAMES`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int8, UInt8
from numpy import ndarray
from PIL import Image

from portraiture.data.face_set import shrunk, shrunk_labels
from portraiture.data.label_portraits import label_portrait
from portraiture.data.labelled_photos import WHOLE, LabelledPhoto
from portraiture.engine.classes import BEARDS, HAIR_STYLES, glasses_class, lengths_of, only
from portraiture.engine.packs.dress import KEPT
from portraiture.engine.parameters import AvatarParameters
from portraiture.errors import DataError, PhotoError
from portraiture.media import read_image
from portraiture.people.synth_folder import complete_people, read_person
from portraiture.perception.looks import LOOKS, NAMES, Look
from portraiture.photo.align import fit_pose
from portraiture.photo.landmarks import find_faces
from portraiture.progress import SILENT, Progress, counted

EVERY = 10
"""Of sorted portraits, the last of so many is held out."""
STEEPEST = 0.8
"""Largest roll of a head in radians; labels need a face that is more or less upright."""
STUBBLE = 0.2
"""Value of the engine's stubble from which it shows."""


@dataclass(frozen=True)
class Portrait:
    """name: its id. person: who it is, "" if unknown. seen: annotations by column of
    labels.csv."""

    name: str
    photo: Path
    hair: Path
    person: str = ""
    seen: Mapping[str, str] = field(default_factory=dict)


def read_portraits(folder: Path) -> list[Portrait]:
    """The portraits of a folder by name: index.csv has their id, folder and, if known, person,
    labels.csv their looks, hair/ their soft hair masks. Raises DataError when a file is missing."""
    seen = {row.get("id", ""): row for row in _rows(folder / "labels.csv")}
    portraits = []
    for row in _rows(folder / "index.csv"):
        name = row["id"]
        photo = next((folder / row["folder"]).glob(f"{name}.*"), None)
        hair = folder / "hair" / f"{name}.png"
        if photo is None or not hair.exists():
            raise DataError(f"{folder} holds no photo {name} or no hair mask of it.")
        portraits.append(Portrait(name, photo, hair, row.get("person", ""), seen.get(name, {})))
    if not portraits:
        raise DataError(f"{folder / 'index.csv'} lists no portraits.")
    return sorted(portraits, key=lambda portrait: portrait.name)


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read; give a folder of portraits.") from error


def held_out(portraits: list[Portrait]) -> tuple[list[Portrait], list[Portrait]]:
    """Portraits to train on and held-out ones: every tenth by name. Nobody is in both: other
    portraits of people who are held out are in neither."""
    ordered = sorted(portraits, key=lambda portrait: portrait.name)
    held = ordered[EVERY - 1 :: EVERY]
    names, people = {p.name for p in held}, {p.person for p in held if p.person}
    return [p for p in ordered if p.name not in names and p.person not in people], held


def looks_from_row(row: Mapping[str, str]) -> Int8[ndarray, "A"]:
    """Looks of a row of labels.csv; -1 where it has no class of `LOOKS`."""
    return _looks({name: row.get(name) for name in NAMES})


def looks_from_parameters(
    parameters: Mapping[str, Any], *, dressed: bool = False
) -> Int8[ndarray, "A"]:
    """Looks of the engine's person (`AvatarParameters.to_dict`); -1 where they do not follow from
    the parameters, as hair under a hat. dressed: wears pieces of an asset pack, which may be hair
    (`engine.packs.dress`)."""
    style, beard = parameters["hair_style"], parameters["beard_style"]
    lengths = lengths_of(style, parameters["hair_line"], parameters["hair_length"])
    hidden = parameters["hat_style"] != "none" or (dressed and style not in KEPT)
    if beard == "none" and parameters["stubble"] >= STUBBLE:
        beard = "stubble"
    rim = float(parameters.get("glasses_rim", AvatarParameters.glasses_rim))
    return _looks({
        "hair": None if hidden else only(lengths),
        "form": None if hidden else only(HAIR_STYLES[style].forms),
        "beard": BEARDS[beard],
        "glasses": glasses_class(parameters["glasses_style"], rim),
    })  # fmt: skip


def _looks(classes: Mapping[Look, str | None]) -> Int8[ndarray, "A"]:
    found = np.full(len(NAMES), -1, np.int8)
    for k, name in enumerate(NAMES):
        value = classes.get(name)
        if value in LOOKS[name]:
            found[k] = LOOKS[name].index(value)
    return found


def labelled_portraits(
    portraits: Iterable[Portrait], progress: Progress = SILENT
) -> Iterator[LabelledPhoto]:
    """Label each portrait's largest face; those without a face, with a leaning one, or with a hair
    mask of another size are left out."""
    portraits = list(portraits)
    progress.stage("Label portraits", len(portraits))
    for portrait in counted(portraits, progress):
        labelled = _labelled(portrait)
        if labelled is not None:
            yield labelled


def _labelled(portrait: Portrait) -> LabelledPhoto | None:
    try:
        image = read_image(portrait.photo)
    except PhotoError:
        return None
    hair = _mask(portrait.hair)
    faces = find_faces(image)
    if not faces or hair.shape != image.shape[:2] or abs(fit_pose(faces[0]).roll) > STEEPEST:
        return None
    seen = portrait.seen
    found = label_portrait(
        image, faces[0], hair, bald=seen.get("hair") == "bald",
        bearded=seen.get("beard", "none") != "none",
        glasses=seen.get("glasses", "none") != "none",
    )  # fmt: skip
    return LabelledPhoto(found.image, found.labels, found.frame, looks_from_row(seen))


def _mask(path: Path) -> Float32[ndarray, "h w"]:
    return np.asarray(Image.open(path).convert("L"), np.float32) / np.float32(255.0)


def labelled_images(
    folder: Path, size: int, progress: Progress = SILENT
) -> Iterator[LabelledPhoto]:
    """Every view of every person of a `portraiture synth --kind pictures` folder, at `size` pixels.

    Raises DataError when it holds nobody or cannot be read.
    """
    people = complete_people(folder)
    if not people:
        raise DataError(f"{folder} holds no synthetic people; make some: portraiture synth.")
    progress.stage("Read pictures", len(people))
    for path in counted(people, progress):
        person = read_person(folder, int(path.stem))
        looks = looks_from_parameters(person.parameters, dressed=bool(person.assets))
        images: UInt8[ndarray, "V n n 3"] = shrunk(person.images, size)
        for image, labels in zip(images, shrunk_labels(person.segmentation, size), strict=True):
            yield LabelledPhoto(image, labels, np.array(WHOLE, np.float32), looks)
