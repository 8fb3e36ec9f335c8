"""Writes a self-contained training folder: `portraiture train RECIPE … --bundle DIR`.

recipe, choices ─▶ DIR: train.py, bundle.json, code/, people.zip or images.zip, the user's weights
The target machine needs Python 3.12, torch, numba, numpy, scipy, safetensors, jaxtyping,
transformers, pillow and scikit-image, but not this package; `cli.bundle_run` runs there. Equal
inputs give equal folders.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from portraiture.adapt.images import IMAGES, is_prepared, pack_images
from portraiture.checkpoints import shipped
from portraiture.cli.choices import IN_IMAGE_SPACE, OWN_FILES, Choices, check_choices
from portraiture.data.labelled_photos import HELD
from portraiture.errors import OutputError, TrainingError
from portraiture.people.pack import pack_person, write_pack
from portraiture.people.pair_pack import pack_pair
from portraiture.people.pairs import load_pair, pairs_in, style_of
from portraiture.people.people_file import load_person, people_in
from portraiture.types import RecipeName

LIMIT = 40_000_000
"""Maximum size of a bundle, bytes."""
PEOPLE = 25_000_000
"""Maximum size of the people in it, bytes."""
OF_CLI = (
    "cli/__init__.py", "cli/avatar_recipes.py", "cli/choices.py", "cli/recipes.py",
    "cli/style_recipes.py", "cli/restyle_recipes.py", "cli/bundle_run.py",
)  # fmt: skip
"""Files of the command line to include; the others need packages that are absent there."""
START = """\
\"\"\"Runs the training that this folder was written for; see --help. No installation needed.\"\"\"

import os
import sys
import time
from pathlib import Path

BEGUN = time.monotonic()
HERE = Path(__file__).resolve().parent
CODE = next(at / "code" for at in (HERE, HERE.parent) if (at / "code").is_dir())
sys.path.insert(0, str(CODE))
os.environ["PYTHONPATH"] = str(CODE)
os.environ["PYTHONUNBUFFERED"] = "1"

if __name__ == "__main__":
    from portraiture.cli.bundle_run import main

    sys.exit(main(HERE, BEGUN))
"""


@dataclass(frozen=True)
class Bundled:
    """A written bundle. bytes: total size. people: number of people in it."""

    folder: Path
    bytes: int
    people: int


def write_bundle(recipe: RecipeName, choices: Choices, folder: Path) -> Bundled:
    """Write the bundle of a run.

    Raises OutputError when the folder is not empty, TrainingError when the bundle exceeds `LIMIT`,
    there are no people, or an option cannot be used with the recipe.
    """
    check_choices(recipe, choices)
    if folder.exists() and any(folder.iterdir()):
        raise OutputError(f"{folder} is not empty; give another --bundle.")
    folder.mkdir(parents=True, exist_ok=True)
    _copy_code(folder / "code" / "portraiture")
    plan = _copy_weights(recipe, choices, folder)
    count = 0
    if choices.data is not None and recipe in OWN_FILES:
        count = _copy_files(choices.data, OWN_FILES[recipe], folder / "data")
    elif choices.data is not None:
        room = min(PEOPLE, LIMIT - _size(folder) - 100_000)
        if is_prepared(choices.data):
            count = pack_images(choices.data, folder / IMAGES, limit_bytes=room)
        else:
            count, facts = _pack_data(choices.data, folder / "people.zip", room)
            plan |= facts
    (folder / "bundle.json").write_text(json.dumps(plan, indent=1) + "\n")
    (folder / "train.py").write_text(START)
    size = _size(folder)
    if size > LIMIT:
        raise TrainingError(f"The bundle would be {size:,} bytes; the limit is {LIMIT:,}.")
    return Bundled(folder, size, count)


def _copy_files(data: Path, pattern: str, target: Path) -> int:
    """Copy data whose files are packed already; how many match the pattern."""
    target.mkdir()
    for path in sorted(data.iterdir()):
        if path.suffix in (".npz", ".json") and not path.name.startswith("."):
            shutil.copyfile(path, target / path.name)
    return len(list(target.glob(pattern)))


def _pack_data(data: Path, path: Path, room: int) -> tuple[int, dict[str, Any]]:
    """Pack people or pairs; their number, and what they are. Raises TrainingError without any."""
    people, pairs = people_in(data), pairs_in(data)
    if pairs:
        first = load_pair(pairs[0])
        packed = (pack_pair(load_pair(one)) for one in pairs)
        facts: dict[str, Any] = {
            "views": len(first.rgb) - 1,
            "size": first.rgb.shape[1],
            "kind": "pairs",
        }
        facts["style"] = style_of(data)
        return write_pack(path, packed, limit_bytes=room), facts
    if not people:
        raise TrainingError(f"{data} holds no people; make some with portraiture synth.")
    person = load_person(people[0])
    kind = "latents" if person.scenes is None else "scenes"
    packed = (pack_person(load_person(one)) for one in people)
    facts = {"views": len(person.rgb), "size": person.rgb.shape[1], "kind": kind}
    return write_pack(path, packed, limit_bytes=room), facts


def _copy_code(target: Path) -> None:
    """Copy the modules that recipes import, and all assets but weights."""
    source = Path(__file__).resolve().parent.parent
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        name = inside.as_posix()
        code = path.suffix == ".py" and (name in OF_CLI or not name.startswith("cli/"))
        asset = name.startswith("assets/") and not name.startswith(
            ("assets/weights/", "assets/directions", "assets/report")
        )
        if path.is_file() and (code or asset):
            (target / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / inside)


def _copy_weights(recipe: RecipeName, choices: Choices, folder: Path) -> dict[str, Any]:
    """Copy the weights that the run reads; returns the contents of `bundle.json`.

    Shipped weights become packaged assets, the user's files lie beside train.py.
    """
    values = {k: v for k, v in asdict(choices).items() if k not in ("data", "steps")}
    needed, files = set(NEEDED[recipe]), []
    if choices.perceptual is None and recipe in IN_IMAGE_SPACE:
        needed.add("parser")
    own = ("encoder", "alignment", "i2t", "style", "planes", "styles")
    if recipe in own and choices.start is None:
        needed.add("heads")
    if recipe in ("lifted", "imitator", "faces-encoder") and choices.start is None:
        needed.add("faces2d")
    for name in ("start", "perceptual", "encoder", "photos"):
        given = values[name]
        if given is None:
            continue
        if str(given) in shipped():
            needed.add(str(given))
            values[name] = str(given)
            continue
        given = Path(given)
        if given.is_dir():
            shutil.copytree(given, folder / name, ignore=shutil.ignore_patterns(HELD))
            values[name] = name
        else:
            values[name] = f"{name}{given.suffix}"
            shutil.copyfile(given, folder / values[name])
        files.append(name)
    weights = Path(__file__).resolve().parent.parent / "assets" / "weights"
    for name in sorted(needed):
        shutil.copytree(
            weights / name, folder / "code" / "portraiture" / "assets" / "weights" / name
        )
    return {"recipe": recipe, "choices": values, "files": files}


NEEDED: dict[RecipeName, tuple[str, ...]] = {
    "supervised-heads": (),
    "supervised-faces": (),
    "adversarial-heads": (),
    "adversarial-faces": (),
    "lifted": ("identity-synthetic",),
    "imitator": ("identity-synthetic",),
    "faces-encoder": ("identity-synthetic",),
    "mapper": ("faces2d", "identity-synthetic", "parser"),
    "regressor": (),
    "identity": (),
    "parser": (),
    "portrait-parser": (),
    "attributes": ("faces2d",),
    "encoder": ("faces2d", "identity-synthetic", "parser"),
    "alignment": ("identity-synthetic", "parser"),
    "i2t": ("identity-synthetic", "parser"),
    "style": ("identity-synthetic", "parser"),
    "planes": (),
    "styles": (),
    "editor": (),
}
"""Shipped weights that a recipe reads with any options; encoder, alignment, i2t, style, planes and
styles also `heads`, and lifted, imitator and faces-encoder `faces2d`, without --start."""


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
