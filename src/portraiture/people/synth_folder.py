"""Write folders of synthetic people (`portraiture synth`).

    synth.json                the settings; a run with the same settings resumes an earlier one
    dataset.json              EG3D's list of images and cameras (`data.folders`)
    images/00012_3.png        view 3 of person 12
    depth/00012_3.png         16 bit: distance along the ray in 1/10,000 EG3D units, 0: background
    segmentation/00012_3.png  8 bit: `types.Segment`
    landmarks/00012.npy       (V, 478, 2) float32, pixels
    people/00012.json         parameters, expressions, lights, cameras; written last

A person is complete once its JSON exists; dataset.json lists only complete people.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray
from PIL import Image

from portraiture.errors import DataError, OutputError
from portraiture.media import atomic_path, write_image
from portraiture.paths import check_folder
from portraiture.people.synthetic import SynthConfig, SynthPerson, SynthView, synth_person
from portraiture.processes import in_processes
from portraiture.progress import SILENT, Progress
from portraiture.render.light_record import light_record

DEPTH_STEPS = 10_000
"""Quantisation steps of the depth images per EG3D unit."""
FOLDERS = ("images", "depth", "segmentation", "landmarks", "people")
NAMED_BY_FIVE_DIGITS = 100_000


def synth(
    out: Path,
    config: SynthConfig,
    people: int,
    *,
    first: int = 0,
    workers: int = 1,
    progress: Progress = SILENT,
) -> int:
    """Render the people `first` … `first + people - 1` into `out`; existing ones are kept.

    Each person does not depend on `people` or `workers`. workers: number of processes, with one
    thread each. Returns the number of people in the folder.
    Raises DataError when `out` holds people of other settings, OutputError when it is not writable.
    """
    if people < 1 or first < 0 or first + people > NAMED_BY_FIVE_DIGITS or workers < 1:
        raise DataError(
            f"People must be 1 to {NAMED_BY_FIVE_DIGITS} and workers at least 1, not {people} and"
            f" {workers}."
        )
    _claim(out, config)
    wanted = range(first, first + people)
    missing = [k for k in wanted if not _json_path(out, k).exists()]
    progress.stage("Render people", len(wanted))
    progress.step(len(wanted) - len(missing))
    try:
        in_processes(partial(_make_one, out, config), missing, workers, progress)
    finally:
        count = write_labels(out)
    return count


def _make_one(out: Path, config: SynthConfig, index: int) -> int:
    write_person(out, index, synth_person(config, index))
    return index


def _claim(out: Path, config: SynthConfig) -> None:
    """Create the folders with synth.json, or check an existing one against it."""
    settings = asdict(config) | {"asset_folder": str(config.asset_folder or "")}
    path = out / "synth.json"
    check_folder(out)
    try:
        for name in FOLDERS:
            (out / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {out} cannot be made; give another --out.") from error
    if path.exists() and _read_json(path) != settings:
        raise DataError(f"{out} holds people of other settings; give another --out.")
    if not path.exists():
        with atomic_path(path) as partial:
            partial.write_text(json.dumps(settings, indent=1) + "\n")


def write_person(out: Path, index: int, person: SynthPerson) -> None:
    """Write one person's files, each atomically, the JSON last."""
    for k, view in enumerate(person.views):
        name = f"{index:05d}_{k}.png"
        write_image(out / "images" / name, view.image)
        write_image(out / "segmentation" / name, view.truth.segmentation)
        _write_16_bit(out / "depth" / name, view.truth.depth)
    with atomic_path(out / "landmarks" / f"{index:05d}.npy") as partial, partial.open("wb") as file:
        np.save(file, np.stack([view.truth.landmarks for view in person.views]))
    record = {
        "parameters": person.parameters.to_dict(),
        "assets": list(person.assets),
        "unit_m": person.unit_m,
        "views": [_view_record(view) for view in person.views],
    }
    with atomic_path(_json_path(out, index)) as partial:
        partial.write_text(json.dumps(record) + "\n")


def _view_record(view: SynthView) -> dict[str, Any]:
    return {
        "camera": view.truth.camera.tolist(),
        "yaw": view.yaw,
        "pitch": view.pitch,
        "expression": dict(view.expression),
        "light": light_record(view.light),
    }


def _write_16_bit(path: Path, depth: Float32[ndarray, "n n"]) -> None:
    steps = np.clip(np.round(depth * DEPTH_STEPS), 0, 65535).astype(np.uint16)
    with atomic_path(path) as partial:
        Image.fromarray(steps).save(partial, "PNG")


def write_labels(out: Path) -> int:
    """Write dataset.json for the complete people of `out`; returns their number."""
    labels: list[list[Any]] = []
    paths = complete_people(out)
    for path in paths:
        views = _read_json(path)["views"]
        labels += [[f"images/{path.stem}_{k}.png", v["camera"]] for k, v in enumerate(views)]
    with atomic_path(out / "dataset.json") as partial:
        partial.write_text(json.dumps({"labels": labels}) + "\n")
    return len(paths)


def complete_people(out: Path) -> list[Path]:
    """The JSON files of the complete people, in order."""
    return sorted((out / "people").glob("[0-9]*.json"))


def _json_path(out: Path, index: int) -> Path:
    return out / "people" / f"{index:05d}.json"


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read; delete it to render it again.") from error


@dataclass(frozen=True)
class PersonFiles:
    """Images of one person as stored in a folder, without depth. parameters: as in the JSON.
    assets: names of the pack pieces worn."""

    images: UInt8[ndarray, "V n n 3"]
    segmentation: UInt8[ndarray, "V n n"]
    landmarks: Float32[ndarray, "V 478 2"]
    parameters: dict[str, Any]
    assets: tuple[str, ...]


def read_person(out: Path, index: int) -> PersonFiles:
    """Read a complete person. Raises DataError when files are missing or damaged."""
    record = _read_json(_json_path(out, index))
    stems = [f"{index:05d}_{k}.png" for k in range(len(record["views"]))]
    try:
        images = [np.asarray(Image.open(out / "images" / name)) for name in stems]
        segments = [np.asarray(Image.open(out / "segmentation" / name)) for name in stems]
        landmarks = np.load(out / "landmarks" / f"{index:05d}.npy", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"Person {index} of {out} is damaged; delete its JSON.") from error
    return PersonFiles(
        np.stack(images), np.stack(segments), landmarks, record["parameters"],
        tuple(record["assets"]),
    )  # fmt: skip
