"""The controls of the avatar tab: every parameter once, grouped as a person thinks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from portraiture.engine.actions import ACTIONS
from portraiture.engine.classes import HAIR_COLOURS
from portraiture.engine.details import DETAILS
from portraiture.engine.parameters import CONTINUOUS, DISCRETE, describe
from portraiture.engine.shapes import SHAPES
from portraiture.engine.style.recipes import STYLES
from portraiture.export.expressions import VRM_PRESETS
from portraiture.studio.previews import shape_names

Control = dict[str, Any]
MOODS = ("happy", "surprised", "sad", "angry", "relaxed", "aa", "oh", "blink")
MOOD_TITLES = {"aa": "“Ah”", "oh": "“Oh”"}

LABELS = {
    "sex": ("Build", "masculine", "feminine"),
    "age": ("Age", "12 years", "90 years"),
    "muscle": ("Muscle", "slight", "strong"),
    "weight": ("Weight", "lean", "heavy"),
    "african": ("African ancestry", "", ""),
    "asian": ("Asian ancestry", "", ""),
    "caucasian": ("Caucasian ancestry", "", ""),
    "skin_melanin": ("Tone", "pale", "dark"),
    "skin_haemoglobin": ("Redness", "sallow", "ruddy"),
    "skin_undertone": ("Undertone", "cool", "warm"),
    "skin_freckles": ("Freckles", "none", "many"),
    "skin_pores": ("Pores", "smooth", "deep"),
    "skin_wrinkles": ("Wrinkles", "none", "deep"),
    "skin_shine": ("Shine", "matte", "oily"),
    "lip_redness": ("Lips", "skin coloured", "red"),
    "cheek_blush": ("Blush", "none", "strong"),
    "under_eye": ("Under the eyes", "clear", "dark"),
    "stubble": ("Beard shadow", "none", "dark"),
    "iris_melanin": ("Iris", "blue or grey", "brown"),
    "iris_green": ("Green", "blue", "green"),
    "iris_size": ("Iris size", "small", "large"),
    "pupil_size": ("Pupil size", "small", "large"),
    "limbal_ring": ("Ring of the iris", "faint", "dark"),
    "lash_length": ("Lashes", "short", "long"),
    "hair_length": ("Length", "short", "long"),
    "hair_volume": ("Volume", "flat", "full"),
    "hair_curl": ("Curl", "straight", "curly"),
    "hair_parting": ("Parting", "left", "right"),
    "hair_line": ("Hairline", "low", "receding"),
    "hair_fringe": ("Fringe", "none", "full"),
    "hair_melanin": ("Darkness", "blond", "black"),
    "hair_redness": ("Red", "ash", "ginger"),
    "hair_grey": ("Grey", "none", "all"),
    "hair_roots": ("Dark roots", "none", "strong"),
    "brow_thickness": ("Thickness", "thin", "thick"),
    "brow_density": ("Density", "sparse", "dense"),
    "brow_darkness": ("Darkness", "lighter", "darker"),
    "beard_length": ("Length", "short", "long"),
    "beard_density": ("Density", "sparse", "dense"),
    "beard_grey": ("Grey", "none", "all"),
    "glasses_size": ("Size", "small", "large"),
    "glasses_rim": ("Rim", "wire", "bold"),
    "glasses_tone": ("Frame", "black", "gold or clear"),
    "glasses_tint": ("Lenses", "clear", "dark"),
}
"""Label of a continuous parameter and of its ends."""

ENDS = {
    "cheek_trans_up": ("Cheeks, height", "lower", "higher"),
    "chin_jaw_drop": ("Jaw corners", "high", "dropped"),
    "chin_height": ("Chin, height", "short", "tall"),
    "chin_prominent": ("Chin, depth", "receding", "prominent"),
    "chin_width": ("Chin, width", "narrow", "wide"),
    "chin_cleft": ("Chin, cleft", "smooth", "cleft"),
    "chin_prognathism": ("Lower jaw", "back", "forward"),
    "ear_rot_forward": ("Ears, lean", "back", "forward"),
    "ear_trans_forward": ("Ears, place", "back", "forward"),
    "ear_shape_triangle": ("Ears, form", "pointed down", "triangular"),
    "ear_shape_round": ("Ears, roundness", "square", "round"),
    "ear_trans_up": ("Ears, height", "lower", "higher"),
    "ear_scale": ("Ears, size", "small", "large"),
    "ear_scale_vert": ("Ears, length", "short", "tall"),
    "ear_scale_depth": ("Ears, depth", "shallow", "deep"),
    "ear_wing": ("Ears, angle", "flat", "sticking out"),
    "eyebrows_angle_up": ("Brow ridge, slant", "down", "up"),
    "eyebrows_trans_up": ("Brow ridge, height", "lower", "higher"),
    "eyebrows_trans_forward": ("Brow ridge, depth", "back", "forward"),
    "eye_scale": ("Eyes, size", "small", "large"),
    "eye_trans_up": ("Eyes, height", "lower", "higher"),
    "eye_trans_out": ("Eyes, distance", "close together", "far apart"),
    "eye_bag": ("Eye bags, size", "small", "large"),
    "eye_bag_height": ("Eye bags, height", "short", "tall"),
    "eye_bag_out": ("Eye bags, depth", "flat", "bulging"),
    "eye_eyefold_up": ("Eyelid fold, height", "lower", "higher"),
    "eye_eyefold_angle_up": ("Eyelid fold, slant", "down", "up"),
    "forehead_trans_forward": ("Forehead, place", "back", "forward"),
    "forehead_scale_vert": ("Forehead, height", "short", "tall"),
    "forehead_nubian": ("Forehead, curve", "flat", "domed"),
    "head_trans_forward": ("Head, place", "back", "forward"),
    "head_trans_up": ("Head, height", "lower", "higher"),
    "head_scale_vert": ("Head, length", "short", "tall"),
    "head_scale_depth": ("Head, depth", "shallow", "deep"),
    "head_scale_horiz": ("Head, width", "narrow", "wide"),
    "head_fat": ("Face, fat", "lean", "fat"),
    "head_age": ("Face, age", "young", "old"),
    "mouth_angles_up": ("Mouth corners", "down", "up"),
    "mouth_trans_out": ("Mouth, sideways", "their right", "their left"),
    "mouth_trans_up": ("Mouth, height", "lower", "higher"),
    "mouth_trans_forward": ("Mouth, depth", "back", "forward"),
    "mouth_scale_horiz": ("Mouth, width", "narrow", "wide"),
    "mouth_scale_depth": ("Mouth, form", "flat", "protruding"),
    "mouth_lowerlip_height": ("Lower lip, height", "thin", "tall"),
    "mouth_lowerlip_volume": ("Lower lip, volume", "flat", "full"),
    "mouth_lowerlip_width": ("Lower lip, width", "narrow", "wide"),
    "mouth_upperlip_height": ("Upper lip, height", "thin", "tall"),
    "mouth_upperlip_volume": ("Upper lip, volume", "flat", "full"),
    "mouth_upperlip_width": ("Upper lip, width", "narrow", "wide"),
    "mouth_cupidsbow_width": ("Cupid’s bow, width", "narrow", "wide"),
    "neck_trans_forward": ("Neck, place", "back", "forward"),
    "neck_trans_up": ("Neck, height", "lower", "higher"),
    "neck_scale_vert": ("Neck, length", "short", "long"),
    "neck_scale_depth": ("Neck, depth", "shallow", "deep"),
    "neck_scale_horiz": ("Neck, width", "narrow", "wide"),
    "nose_nostrils_angle_up": ("Nostrils, slant", "down", "up"),
    "nose_nostrils_width": ("Nostrils, width", "narrow", "wide"),
    "nose_flaring": ("Nostrils, flare", "tight", "flaring"),
    "nose_trans_out": ("Nose, sideways", "their right", "their left"),
    "nose_trans_up": ("Nose, height", "lower", "higher"),
    "nose_trans_forward": ("Nose, place", "back", "forward"),
    "nose_scale_vert": ("Nose, length", "short", "long"),
    "nose_scale_horiz": ("Nose, width", "narrow", "wide"),
    "nose_scale_depth": ("Nose, depth", "shallow", "deep"),
    "nose_volume": ("Nose, volume", "small", "full"),
    "nose_compression_uncompress": ("Nose, stretch", "compressed", "stretched"),
    "nose_width1": ("Nose root, width", "narrow", "wide"),
    "nose_greek": ("Nose root, notch", "notched", "straight"),
    "nose_width3": ("Nose base, width", "narrow", "wide"),
    "nose_base_up": ("Nose base, height", "lower", "higher"),
    "nose_hump": ("Nose, hump", "without", "with"),
    "nose_point_up": ("Nose tip, angle", "down", "up"),
    "nose_point_width": ("Nose tip, width", "narrow", "wide"),
}
"""The same of shape changes whose description does not split into a label and two ends."""


def shape_label(name: str) -> tuple[str, str, str]:
    """Label and ends of a shape change."""
    if name in ENDS:
        return ENDS[name]
    before, _, high = SHAPES[name].partition(" to ")
    label, _, low = before.rpartition(" ")
    return label[:1].upper() + label[1:], low, high


def _range(name: str) -> Control:
    label, low, high = LABELS[name]
    return _slider(name, label, low, high, describe()[name])


def _shape(name: str) -> Control:
    label, low, high = shape_label(name)
    return _slider(f"shape:{name}", label, low, high, SHAPES[name])


def _slider(name: str, label: str, low: str, high: str, meaning: str) -> Control:
    moves = name in shape_names()
    return {
        "kind": "range", "name": name, "label": label, "low": low, "high": high,
        "meaning": meaning, "moves": moves,
    }  # fmt: skip


def _choice(name: str, label: str) -> Control:
    return {
        "kind": "choice", "name": name, "label": label, "pictures": True,
        "choices": [[choice, choice.replace("_", " ")] for choice in DISCRETE[name]],
    }  # fmt: skip


def _colour(stem: str, label: str) -> Control:
    names = [f"{stem}_{channel}" for channel in ("red", "green", "blue")]
    return {"kind": "colour", "name": stem, "label": label, "names": names}


def _swatches() -> Control:
    names = ("hair_melanin", "hair_redness", "hair_grey")
    values = {
        name.replace("_", " "): dict(zip(names, pigments, strict=True))
        for name, pigments in HAIR_COLOURS.items()
    }
    return {"kind": "swatches", "name": "hair_colour", "label": "Natural colours", "values": values}


def _section(title: str, controls: Sequence[Control]) -> dict[str, Any]:
    return {"title": title, "controls": list(controls)}


def _shapes(*prefixes: str) -> list[Control]:
    return [_shape(name) for name in SHAPES if name.startswith(prefixes)]


def _ranges(prefix: str) -> list[Control]:
    return [_range(name) for name in CONTINUOUS if name.startswith(prefix) and name in LABELS]


def groups() -> list[dict[str, Any]]:
    """Groups of sections of controls. Every parameter is in exactly one."""
    body = ("sex", "age", "weight", "muscle", "african", "asian", "caucasian")
    skin = ("lip_redness", "cheek_blush", "under_eye", "stubble")
    cuts = ("length", "volume", "curl", "parting", "line", "fringe")
    colours = ("melanin", "redness", "grey", "roots")
    eyes = ("iris_melanin", "iris_green", "iris_size", "pupil_size", "limbal_ring", "lash_length")
    details = [
        _slider(f"detail:{name}", f"Detail {int(name[-2:])}", "", "", meaning)
        for name, meaning in DETAILS.items()
    ]
    parts = [
        ("face", "Face", [
            _section("Person", [_range(name) for name in body]),
            _section("Head and forehead", _shapes("head_", "forehead_")),
            _section("Nose", _shapes("nose_")),
            _section("Mouth", _shapes("mouth_")),
            _section("Jaw and chin", _shapes("chin_")),
            _section("Cheeks", _shapes("cheek_")),
            _section("Ears", _shapes("ear_")),
            _section("Neck", _shapes("measure_neck", "neck_")),
        ]),
        ("skin", "Skin", [
            _section("Skin", [*_ranges("skin_"), *(_range(name) for name in skin)]),
            _section("Learned details", details),
        ]),
        ("hair", "Hair", [
            _section("Style", [_choice("hair_style", "Hair style")]),
            _section("Cut", [_range(f"hair_{name}") for name in cuts]),
            _section("Colour", [_swatches(), *(_range(f"hair_{name}") for name in colours)]),
        ]),
        ("brows", "Brows and beard", [
            _section("Brows", [_choice("brow_style", "Brow style"), *_ranges("brow_")]),
            _section("Beard", [_choice("beard_style", "Beard style"), *_ranges("beard_")]),
        ]),
        ("eyes", "Eyes", [
            _section("Colour and lashes", [_range(name) for name in eyes]),
            _section("Shape of the eyes", _shapes("eye_")),
            _section("Brow ridge", _shapes("eyebrows_")),
        ]),
        ("wear", "Glasses and clothes", [
            _section("Glasses", [_choice("glasses_style", "Glasses"), *_ranges("glasses_")]),
            _section("Hat", [_choice("hat_style", "Hat"), _colour("hat", "Colour of the hat")]),
            _section("Clothes", [
                _choice("neckline", "Clothes"), _colour("cloth", "Colour of the clothes"),
                _colour("shirt", "Shirt under a jacket"), _colour("tie", "Tie"),
            ]),
        ]),
    ]  # fmt: skip
    return [{"id": key, "title": title, "sections": sections} for key, title, sections in parts]


def panel() -> dict[str, Any]:
    """All that the page needs to build its controls."""
    moods = [[MOOD_TITLES.get(name, name.title()), VRM_PRESETS[name]] for name in MOODS]
    return {
        "groups": groups(),
        "styles": list(STYLES),
        "actions": list(ACTIONS),
        "moods": [["Neutral", {}], *moods],
    }


def names_of(control: Control) -> list[str]:
    """The edits' names that a control sets."""
    match control["kind"]:
        case "colour":
            return control["names"]
        case "swatches":
            return []
        case _:
            return [control["name"]]


def group_names(key: str) -> list[str]:
    """The edits' names in a group; none for an unknown one."""
    for group in groups():
        if group["id"] == key:
            controls = [one for section in group["sections"] for one in section["controls"]]
            return [name for control in controls for name in names_of(control)]
    return []
