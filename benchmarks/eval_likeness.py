"""Avatars of portraits against their photos: likeness by an independent network, and choices.

    python benchmarks/eval_likeness.py FOLDER [--count 97] [--json-file F] [--sheet FILE.png]

FOLDER is laid out as `data.portrait_folder` reads it; of its portraits sorted by id, every tenth is
measured, which nothing shipped has learned from. Every render is compared with the photo by dlib's
face descriptor (a ResNet that nothing of ours has seen): distances are about 0.8 between strangers
and 0.17 to the mirrored photo, 0.6 is its usual threshold. found: share of renders whose nearest
among all photos is the sitter's. wide, tall: mean distances between outline landmarks of the render
at the photo's camera, as detected, over the photo's. Choices are compared with the folder's
annotations; photos and small ones stand apart, too. Needs the extra `likeness`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tyro
from bench_fit import crop, face_box, inside
from jaxtyping import Float, UInt8
from metric import Metric, Row, Skip, metrics_from
from numpy import ndarray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from tyro.conf import Positional

from portraiture.data.portrait_folder import STUBBLE, Portrait, held_out, read_portraits
from portraiture.engine.build import build_bust
from portraiture.engine.classes import hair_colour_name, lengths_of
from portraiture.engine.parameters import AvatarParameters
from portraiture.errors import PhotoError
from portraiture.fit.compare import window_camera
from portraiture.fit.run import Fitted, fit_photo
from portraiture.media import atomic_path, write_image
from portraiture.photo.align import align
from portraiture.photo.landmarks import find_faces
from portraiture.render.framing import portrait_camera
from portraiture.render.light import studio_light
from portraiture.render.mesh import render_bust
from portraiture.types import Bust, Camera, Light, Photo, as_uint8

SIZE = 384
GREY = (0.82, 0.83, 0.85)
WIDE = ((234, 454), (172, 397), (127, 356))
"""Landmarks on both sides of the face: at the cheeks, the jaw and the temples."""
TALL = ((2, 152),)
"""Below the nose, and the chin."""
NEAR: dict[str, tuple[str, ...]] = {
    "black": ("dark_brown", "grey"), "dark_brown": ("black", "brown", "grey"),
    "brown": ("dark_brown", "light_brown", "red", "grey"),
    "light_brown": ("brown", "blond", "red", "grey"), "blond": ("light_brown", "white", "red"),
    "red": ("brown", "light_brown", "blond"),
    "grey": ("white", "black", "dark_brown", "brown", "light_brown"), "white": ("grey", "blond"),
}  # fmt: skip
"""Classes of hair colour that are one step apart."""
EYES, MOUTH = (33, 133, 362, 263), (61, 291)
BALD, CURLY = ("bald", "horseshoe"), ("curly", "afro", "curly_medium", "curly_long")
CROPPED, CURLED = ("buzz", "receding", "horseshoe"), 0.6
"""Styles of whatever curl, and `hair_curl` from which they count as curly."""
GROUPS = (("bald", "receding"), ("buzz", "short"), ("medium",), ("long",))
"""Lengths of hair that are told apart, as in `eval_portrait_parser`."""
SUITS = ("suit_tie", "suit_open")
VIEWS = ("photo", "front", "turned", "bare")
ROWS = (
    Row("distance/photo", "likeness/dlib distance, photo's camera", "", "lower", 0.03),
    Row("distance/front", "likeness/dlib distance, neutral front", "", "lower", 0.03),
    Row("distance/turned", "likeness/dlib distance, turned by 40°", "", "lower", 0.03),
    Row("distance/bare", "likeness/dlib distance, without texture", "", "lower", 0.03),
    Row("found/bare", "likeness/found without texture", "%", "higher", 5.0, scale=100.0),
)


@dataclass(frozen=True)
class Sitter:
    """kind: the folder of the photo, photos or small ones. descriptor: of the photo. views:
    descriptors of the renders. ratios: wide and tall, render over photo. right: whether each choice
    is."""

    kind: str
    descriptor: Float[ndarray, "128"]
    views: Mapping[str, Float[ndarray, "128"]]
    ratios: Mapping[str, float]
    right: Mapping[str, bool]
    row: UInt8[ndarray, "s w 3"]


def main(
    folder: Positional[Path], *, count: int = 1000, sheet: Path | None = None,
    json_file: Path | None = None,
) -> None:  # fmt: skip
    """count: at most so many portraits, evenly over the ids. sheet: gets photo and views of all.
    json_file: gets the figures."""
    sitters = measured(folder, count)
    figures = summary(sitters)
    kinds = sorted({sitter.kind for sitter in sitters})
    apart = [summary([one for one in sitters if one.kind == kind]) for kind in kinds]
    table = Table("figure", "all", *kinds)
    for name, value in figures.items():
        values = (value, *(figure.get(name, float("nan")) for figure in apart))
        table.add_row(name, *(f"{one:.3f}" for one in values))
    Console().print(table)
    if sheet is not None:
        write_image(sheet, _grid([sitter.row for sitter in sitters]))
    if json_file is not None:
        with atomic_path(json_file) as part:
            part.write_text(json.dumps(figures, indent=1) + "\n")


def measure(folder: Path, *, count: int = 1000) -> list[Metric]:
    """Of what is shipped."""
    return metrics_from(summary(measured(folder, count)), ROWS)


def measured(folder: Path, count: int) -> list[Sitter]:
    """Fit and render the portraits that are held out."""
    held = held_out(read_portraits(folder))[1]
    count = min(count, len(held))
    chosen = [held[k] for k in np.linspace(0, len(held) - 1, count).astype(int)]
    sitters = []
    for portrait in track(chosen, description="Fit and compare"):
        try:
            photo = align(portrait.photo)
        except PhotoError as error:
            print(f"{portrait.name}: refused, {error}")
            continue
        sitters.append(sitter_of(portrait, photo, fit_photo(photo)))
    return sitters


def sitter_of(portrait: Portrait, photo: Photo, fitted: Fitted) -> Sitter:
    """Render and describe one avatar."""
    posed = build_bust(fitted.parameters, expression=fitted.expression, albedo=fitted.albedo)
    rest = build_bust(fitted.parameters, albedo=fitted.albedo)
    size = (photo.image.shape[0], photo.image.shape[1])
    box = inside(face_box(photo.landmarks, 0.5), size)
    own = Shot.of(posed, window_camera(fitted.camera, size, box), fitted.light)
    shots = {"photo": own}
    for name, bust, yaw in (
        ("front", rest, 0.0), ("turned", rest, 40.0), ("bare", build_bust(fitted.parameters), 0.0),
    ):  # fmt: skip
        shots[name] = Shot.of(bust, portrait_camera(bust, yaw=float(np.radians(yaw))))
    seen = Shot(
        crop(photo.image, box, SIZE), (photo.landmarks - box[:2]) * SIZE / (box[2] - box[0])
    )
    return Sitter(
        kind=portrait.photo.parent.name,
        descriptor=describe(seen),
        views={name: describe(shot) for name, shot in shots.items()},
        ratios=ratios(seen, own),
        right=right_choices(fitted.parameters, portrait.seen),
        row=np.concatenate([seen.image, *(shot.image for shot in shots.values())], 1),
    )


@dataclass(frozen=True)
class Shot:
    """An image and the face mesh's landmarks in it, pixels."""

    image: UInt8[ndarray, "s s 3"]
    points: Float[ndarray, "478 2"]

    @staticmethod
    def of(bust: Bust, camera: Camera, light: Light | None = None) -> Shot:
        """Of a render."""
        frame = render_bust(bust, camera, size=SIZE, light=light or studio_light(), background=GREY)
        return Shot(as_uint8(frame.rgba[..., :3]), frame.landmarks)


class Dlib(NamedTuple):
    """The library and two of its networks."""

    library: Any
    points: Any
    descriptor: Any


@lru_cache(maxsize=1)
def _dlib() -> Dlib:
    """Read from the files of face-recognition-models: importing it needs an old setuptools. Raises
    Skip."""
    spec = find_spec("face_recognition_models")
    if find_spec("dlib") is None or spec is None or spec.origin is None:
        raise Skip("the extra likeness is not installed.")
    library, models = import_module("dlib"), Path(spec.origin).parent / "models"
    points = str(models / "shape_predictor_5_face_landmarks.dat")
    descriptor = str(models / "dlib_face_recognition_resnet_model_v1.dat")
    return Dlib(
        library,
        library.shape_predictor(points),
        library.face_recognition_model_v1(descriptor),
    )


def describe(shot: Shot) -> Float[ndarray, "128"]:
    """dlib's face descriptor. The box that its detector would find is derived from the landmarks:
    descriptors differ by .02 in the median."""
    dlib = _dlib()
    eyes, mouth = (shot.points[[*k]].mean(0) for k in (EYES, MOUTH))
    reach = float(np.linalg.norm(mouth - eyes))
    centre, half = eyes + 0.55 * (mouth - eyes), 1.15 * reach
    corners = np.round([*(centre - half), *(centre + half)]).astype(int).tolist()
    image = np.ascontiguousarray(shot.image)
    face = dlib.points(image, dlib.library.rectangle(*corners))
    return np.array(dlib.descriptor.compute_face_descriptor(image, face))


def ratios(photo: Shot, render: Shot) -> dict[str, float]:
    """Width and height of the render's face over the photo's, as the landmark network sees both, in
    inter-ocular distances; empty where it finds none."""
    found = [find_faces(shot.image) for shot in (photo, render)]
    if not all(found):
        return {}
    sizes = []
    for faces in found:
        points = faces[0][:, :2]
        iod = np.linalg.norm(points[[33, 133]].mean(0) - points[[362, 263]].mean(0))
        sizes.append([
            np.mean([np.linalg.norm(points[a] - points[b]) for a, b in pairs]) / iod
            for pairs in (WIDE, TALL)
        ])  # fmt: skip
    return dict(zip(("wide", "tall"), np.divide(sizes[1], sizes[0]).tolist(), strict=True))


def right_choices(found: AvatarParameters, seen: Mapping[str, str]) -> dict[str, bool]:
    """Whether the avatar has what the annotations say, for each that they know."""
    style = found.hair_style
    lengths = set(lengths_of(style, found.hair_line, found.hair_length))
    right = {
        "bald": (style in BALD) == (seen["hair"] == "bald"),
        "length": any(seen["hair"] in group and set(group) & lengths for group in GROUPS),
        "beard": (found.beard_style != "none" or found.stubble >= STUBBLE)
        == (seen["beard"] != "none"),
        "suit": (found.neckline in SUITS) == (seen["clothes"] in SUITS),
        "glasses": (found.glasses_style != "none") == (seen["glasses"] != "none"),
    }
    if seen["hair"] != "bald":
        curls = seen["form"] in ("curly", "afro")
        curly = style in CURLY or (style in CROPPED and found.hair_curl > CURLED)
        right["curls"] = curly == curls
        right |= {"curls_recalled": curly} if curls else {}
        name = hair_colour_name(found.hair_melanin, found.hair_redness, found.hair_grey)
        right["colour"] = name == seen["colour"]
        right["colour_near"] = right["colour"] or name in NEAR.get(seen["colour"], ())
    return right


def summary(sitters: list[Sitter]) -> dict[str, float]:
    """Medians and shares over the sitters."""
    photos = np.array([sitter.descriptor for sitter in sitters])
    if not sitters:
        raise Skip("no portrait could be aligned.")
    figures = {"portraits": float(len(sitters))}
    for view in VIEWS:
        renders = np.array([sitter.views[view] for sitter in sitters])
        gaps = np.linalg.norm(renders[:, None] - photos[None], axis=-1)
        figures[f"distance/{view}"] = float(np.median(np.diag(gaps)))
        figures[f"found/{view}"] = float((gaps.argmin(1) == np.arange(len(sitters))).mean())
    for name in ("wide", "tall"):
        values = [sitter.ratios[name] for sitter in sitters if sitter.ratios]
        figures[f"ratio/{name}"] = float(np.median(values))
    for name in sorted({name for sitter in sitters for name in sitter.right}):
        values = [sitter.right[name] for sitter in sitters if name in sitter.right]
        figures[f"right/{name}"] = float(np.mean(values))
    return figures


def _grid(rows: list[UInt8[ndarray, "s w 3"]]) -> UInt8[ndarray, "h v 3"]:
    """Two sitters side by side."""
    if len(rows) % 2:
        rows = [*rows, np.zeros_like(rows[0])]
    return np.concatenate([np.concatenate(rows[k : k + 2], 1) for k in range(0, len(rows), 2)], 0)


if __name__ == "__main__":
    tyro.cli(main)
