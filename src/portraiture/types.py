"""Frozen records that travel between the parts of Portraiture, with their frames and units.

World: right-handed, y up, the face looks along +z, the person's left is +x, metres.
Camera: OpenCV (x right, y down, z forward); transforms are named ``T_world_cam`` (camera to world).
Images: float32 in [0, 1], sRGB, unless a field says otherwise.
Dimension letters: V vertices, F triangles, H height, W width, J joints, L landmarks (478).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

import numpy as np
from jaxtyping import Float, Float16, Float32, Int, UInt8
from numpy import ndarray

MaterialKind = Literal["skin", "hair", "eye", "mouth", "cloth", "glass", "plain"]
AlphaMode = Literal["opaque", "mask", "blend"]
Style = Literal[
    "natural", "pixar", "cartoon", "caricature", "comic", "sketch", "oil", "watercolour"
]  # fmt: skip
Licence = Literal["private", "vrm-public", "cc-by", "cc0"]
DeviceName = Literal["auto", "cpu", "cuda", "mps"]
RecipeName = Literal[
    "supervised-heads",
    "supervised-faces",
    "adversarial-heads",
    "adversarial-faces",
    "lifted",
    "imitator",
    "faces-encoder",
    "mapper",
    "regressor",
    "identity",
    "parser",
    "portrait-parser",
    "attributes",
    "encoder",
    "alignment",
    "i2t",
    "style",
    "planes",
    "styles",
    "editor",
]
"""Of `portraiture train`."""
LiftLoss = Literal["flip", "perturb", "identity", "rank"]
"""Losses of the recipe lifted that can be left out."""
BridgePart = Literal["stylization", "relaxation"]
"""Parts of AgileAvatar's cascade that the recipe mapper can do without."""
StylePart = Literal[
    "alignment", "density", "delta", "background", "similarity", "unconditional", "link", "warp"
]
"""Parts of 3DAvatarGAN that the recipe style can do without."""
StylePreset = Literal["tiny", "cpu", "gpu", "paper"]
"""Presets of the recipe style."""
Preset = Literal["tiny", "cpu", "polish", "gpu", "gpu-polish", "paper"]
"""Sizes and lengths of a recipe; not every recipe has all."""
Shading = Literal["natural", "soft", "toon", "ink", "paint", "pencil", "wash"]
Finish = Literal["lit", "toon", "ink"]
"""How files show a material: lit by the application, in flat tones, or so with an ink outline."""
KeyShape = Literal["square", "round", "window"]
"""Outlines of a key light; a window has glazing bars."""


class Segment(IntEnum):
    """The 19 classes of CelebAMask-HQ. Left and right are those of the image, as in CelebA."""

    BACKGROUND = 0
    SKIN = 1
    NOSE = 2
    GLASSES = 3
    LEFT_EYE = 4
    RIGHT_EYE = 5
    LEFT_BROW = 6
    RIGHT_BROW = 7
    LEFT_EAR = 8
    RIGHT_EAR = 9
    MOUTH = 10
    UPPER_LIP = 11
    LOWER_LIP = 12
    HAIR = 13
    HAT = 14
    EARRING = 15
    NECKLACE = 16
    NECK = 17
    CLOTH = 18


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    T_world_cam: (4, 4) camera-to-world, rotation and translation only, metres.
    intrinsics: (3, 3), normalised by image size: x_pixel = W * (fx * X/Z + cx), likewise y with H.
    """

    T_world_cam: Float[ndarray, "4 4"]
    intrinsics: Float[ndarray, "3 3"]


@dataclass(frozen=True)
class Material:
    """A physically based material (glTF metallic-roughness) plus what our renderer adds.

    base_color: (H, W, 4) uint8 sRGB + alpha.
    normal: (H, W, 3) uint8 tangent-space normal map in glTF's convention (+y up in v-up texture
        space), or None for flat.
    roughness: (H, W) uint8 linear, or None for ``roughness_factor`` alone.
    kind: which shading the renderer uses. finish: how exporters present it.
    """

    kind: MaterialKind
    base_color: UInt8[ndarray, "h w 4"]
    normal: UInt8[ndarray, "h w 3"] | None = None
    roughness: UInt8[ndarray, "h w"] | None = None
    roughness_factor: float = 1.0
    metallic: float = 0.0
    alpha_mode: AlphaMode = "opaque"
    alpha_cutoff: float = 0.5
    double_sided: bool = False
    finish: Finish = "lit"


@dataclass(frozen=True)
class Morph:
    """A sparse morph target: ``vertices[indices] + weight * deltas``."""

    indices: Int[ndarray, "K"]
    deltas: Float32[ndarray, "K 3"]


@dataclass(frozen=True)
class Part:
    """One mesh with one material.

    vertices: (V, 3) world metres, neutral expression. Vertices are split at UV seams.
    faces: (F, 3) int32, counter-clockwise seen from outside.
    normals: (V, 3) unit, smooth across UV seams.
    uv: (V, 2), origin at the lower left of the texture (v up). For hair cards v runs along the
        strand, 1 at the root.
    segment: (F,) uint8, a `Segment` per triangle.
    joints, weights: (V, 4) indices into the skeleton and weights that sum to 1.
    morphs: ARKit name to displacement; names that do not move this part are absent.
    """

    name: str
    vertices: Float32[ndarray, "V 3"]
    faces: Int[ndarray, "F 3"]
    normals: Float32[ndarray, "V 3"]
    uv: Float32[ndarray, "V 2"]
    material: Material
    segment: UInt8[ndarray, "F"]
    joints: Int[ndarray, "V 4"]
    weights: Float32[ndarray, "V 4"]
    morphs: Mapping[str, Morph] = field(default_factory=dict)


@dataclass(frozen=True)
class Skeleton:
    """Joints in topological order; ``parents[0] == -1``. heads: (J, 3) world metres, rest pose."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    heads: Float32[ndarray, "J 3"]


@dataclass(frozen=True)
class Bust:
    """A built person: everything that a renderer or an exporter needs, and nothing of the engine.

    parts: opaque parts first, the skin part is named ``"skin"``.
    expression: ARKit weights in [0, 1] that renderers apply; exporters keep the parts neutral and
        write the morph targets.
    landmarks: (478, 3) world positions of mediapipe's landmarks on the *expressed* skin and eyes.
    """

    parts: tuple[Part, ...]
    skeleton: Skeleton
    expression: Mapping[str, float]
    landmarks: Float32[ndarray, "478 3"]

    def part(self, name: str) -> Part:
        """The part called `name`. Raises KeyError."""
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(name)


@dataclass(frozen=True)
class Environment:
    """What reflections show of a light: the surroundings without the key light, and its shape.

    radiance: (32, 64, 3) linear half floats, equirectangular; the first row is up, the middle
        columns are +z (before the face), columns further right are towards +x.
    key_size: tangent of half the angle that the key light subtends. key_shape: its outline.
    """

    radiance: Float16[ndarray, "32 64 3"]
    key_size: float = 0.12
    key_shape: KeyShape = "square"

    def __post_init__(self) -> None:
        if self.radiance.shape != (32, 64, 3) or not np.isfinite(self.radiance).all():
            raise ValueError("An environment has 32 x 64 finite radiances of three channels.")


@dataclass(frozen=True)
class Light:
    """Light in linear radiance: ambient spherical harmonics and one key light.

    ambient: (9, 3) real SH coefficients of incoming radiance (order 2, RGB), world frame.
    key_direction: (3,) unit vector towards the light, world frame.
    key_color: (3,) irradiance of the key light on a surface facing it, divided by pi (so a white
        facing Lambertian surface gets this radiance).
    environment: the image whose projection `ambient` is, for reflections; None: reflections show
        what can be recovered from `ambient`.
    """

    ambient: Float[ndarray, "9 3"]
    key_direction: Float[ndarray, "3"]
    key_color: Float[ndarray, "3"]
    environment: Environment | None = None


@dataclass(frozen=True)
class Frame:
    """What the mesh renderer returns.

    rgba: (H, W, 4) float32 in [0, 1], sRGB, straight (not premultiplied) alpha.
    depth: (H, W) float32 metres along the camera's z, inf where nothing is.
    normal: (H, W, 3) unit, world frame, zero where nothing is.
    segmentation: (H, W) uint8 `Segment`.
    uv: (H, W, 2) of the visible part, zero where nothing is.
    part: (H, W) int16 index into ``bust.parts``, -1 where nothing is.
    landmarks: (478, 2) pixel coordinates (x right, y down, pixel centres at +0.5).
    """

    rgba: Float32[ndarray, "h w 4"]
    depth: Float32[ndarray, "h w"]
    normal: Float32[ndarray, "h w 3"]
    segmentation: UInt8[ndarray, "h w"]
    uv: Float32[ndarray, "h w 2"]
    part: Int[ndarray, "h w"]
    landmarks: Float32[ndarray, "478 2"]


@dataclass(frozen=True)
class Quality:
    """How usable a photo is.

    face_px: longer side of the landmarks' box in the original photo, pixels.
    sharpness: variance of the Laplacian of the crop's luminance (0 to 255 scale) at 256².
    exposure: mean luminance of the face in [0, 1].
    yaw, pitch, roll: head pose in radians (yaw > 0: turned to the person's left).
    occlusion: share in [0, 1] of the face that seems covered.
    glasses: probability-like hint in [0, 1].
    notes: plain sentences for the user.
    """

    face_px: float
    sharpness: float
    exposure: float
    yaw: float
    pitch: float
    roll: float
    occlusion: float
    glasses: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Photo:
    """An aligned photo.

    image: (H, W, 3) uint8 sRGB, upright (EXIF applied).
    crop: (512, 512, 3) uint8, EG3D-style square crop.
    landmarks: (478, 2) pixel coordinates in `image`.
    landmarks_depth: (478,) mediapipe's relative depth in pixels of `image` (smaller is nearer).
    crop_from_image: (3, 3) homogeneous pixel transform, image to crop.
    camera: camera of the crop in EG3D's world (see `portraiture.camera`).
    """

    image: UInt8[ndarray, "h w 3"]
    crop: UInt8[ndarray, "s s 3"]
    landmarks: Float32[ndarray, "478 2"]
    landmarks_depth: Float32[ndarray, "478"]
    crop_from_image: Float[ndarray, "3 3"]
    camera: Camera
    quality: Quality
    name: str = ""


def as_uint8(image: np.ndarray) -> np.ndarray:
    """Float image in [0, 1] to uint8, rounded and clamped; uint8 passes through."""
    if image.dtype == np.uint8:
        return image
    return (np.clip(image, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
