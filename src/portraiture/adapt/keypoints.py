"""Keypoints of a generator's heads in space, by any detector of keypoints in images.

ws ─G_s, frontal─▶ image ─K_d─▶ pixels ─depth─▶ X(w)
The paper's K_d sees an image of G_s for every camera that is tried; here the keypoints of one
frontal image are lifted by its depth and projected, which is the same up to what turning hides.
[ours] Letters: N samples, L keypoints, R side of an image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from portraiture.adapt.cameras import Cameras, align_angles, align_pivot
from portraiture.adapt.shared_points import align_with_shape
from portraiture.camera import eg3d_orbit, split_eg3d, to_eg3d
from portraiture.errors import TrainingError
from portraiture.meshing.head_mesh import pixels_of
from portraiture.metrics.landmarks import detect_face
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.faces2d import FacesGenerator
from portraiture.photo.align import mean_face
from portraiture.progress import SILENT, Progress, counted
from portraiture.triplane.sampling import rays_through
from portraiture.types import as_uint8

Detector = Callable[[UInt8[ndarray, "R R 3"]], Float[ndarray, "L 2"] | None]
"""K_d: pixels of an EG3D crop's keypoints, or None where there is no face."""
DETECTED_SIDE = 256
"""Side to which images are enlarged before detection."""
FEWEST = 8
"""Samples without which no distribution is fitted."""


def keypoint_weights() -> Float[Tensor, "L"]:
    """How rigid each landmark is; zero on the outline and the irises (`photo.align.mean_face`)."""
    return torch.from_numpy(mean_face()[1].copy()).float()


def image_keypoints(
    image: Float[Tensor, "1 3 R R"], detector: Detector = detect_face
) -> Float[Tensor, "L 2"] | None:
    """Keypoints, in [0, 1], of an image in [-1, 1]."""
    if image.shape[-1] < DETECTED_SIDE:
        size = (DETECTED_SIDE, DETECTED_SIDE)
        image = F.interpolate(image, size, mode="bicubic", align_corners=False)
    pixels = as_uint8(pixels_of(image))
    found = detector(pixels)
    return None if found is None else torch.from_numpy(found / len(pixels)).float()


@torch.no_grad()
def head_keypoints(
    generator: TriPlaneGenerator, ws: Float[Tensor, "1 N D"], detector: Detector = detect_face
) -> Float[Tensor, "L 3"] | None:
    """X(w): the keypoints of the frontal image of ws, lifted to space by its depth; EG3D units."""
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(0.0, 0.0))).to(ws)[None]
    shown = generator.synthesize(ws, camera, deterministic=True)
    found = image_keypoints(shown.image, detector)
    if found is None:
        return None
    at = (2.0 * found - 1.0).to(ws)[None, :, None]
    depth = F.grid_sample(shown.depth, at, align_corners=False, padding_mode="border")[0, 0, :, 0]
    origins, directions = rays_through(found.to(ws)[None], *split_eg3d(camera))
    return (origins[0] + depth[:, None] * directions[0]).cpu()


def cameras_of_keypoints(
    generator: TriPlaneGenerator, seen: Sequence[Float[Tensor, "L 2"]], *,
    detector: Detector = detect_face, asked: int | None = None,
) -> Cameras:  # fmt: skip
    """Cameras of images alone, whose keypoints in [0, 1] are compared with those of the mean head w̄
    of G_s, which takes on the style's average shape meanwhile (`shared_points`); pivot and radius
    are EG3D's. [ours: without a 2D generator] asked: of how many images faces were looked for.
    Raises TrainingError."""
    points = head_keypoints(generator, mean_ws(generator), detector)
    if points is None:
        raise TrainingError("The generator's mean head has no face; another one cannot be adapted.")
    _check_count(len(seen), len(seen) if asked is None else asked)
    start = Cameras(((0.0, 0.0),))
    angles, _ = align_with_shape(
        points, torch.stack(list(seen)), keypoint_weights(),
        pivot=start.pivot, radius=start.radius,
    )  # fmt: skip
    return _with_angles(start, angles)


@torch.no_grad()
def cameras_of_generators(
    generator: TriPlaneGenerator, faces: FacesGenerator, latents: Float[Tensor, "N Z"], *,
    detector: Detector = detect_face, progress: Progress = SILENT,
) -> Cameras:  # fmt: skip
    """Cameras of a 2D generator of the target domain (section 3.1): (c', r') between the mean heads
    of both, then (θ', φ') between samples of the same w.

    G_2D of the paper shares W with G_s. Ours share what z says of a person and have a mapping each;
    latents are the person's part, to which G_2D's own numbers (camera and light) are sampled.
    [ours] Raises TrainingError where too few faces are found.
    """
    own = faces.config.z_dim - generator.config.z_dim
    if own < 0:
        raise TrainingError("The 2D generator's latents are not those of the 3D generator.")
    like = next(generator.parameters())
    start = _mean_cameras(generator, faces, detector)
    points, seen = [], []
    rng = torch.Generator().manual_seed(len(latents))
    progress.stage("Align the cameras", len(latents))
    for z in counted(latents.split(1), progress):
        scene = torch.randn(1, own, generator=rng)
        image = faces.images(faces.mapping(torch.cat([z, scene], 1).to(like), None))
        x = head_keypoints(generator, generator.mapping(z.to(like), None), detector)
        y = image_keypoints(image, detector)
        if x is not None and y is not None:
            points.append(x)
            seen.append(y)
    _check_count(len(seen), len(latents))
    return _aligned(start, torch.stack(points), torch.stack(seen))


def _mean_cameras(
    generator: TriPlaneGenerator, faces: FacesGenerator, detector: Detector
) -> Cameras:
    """Pivot and radius from the mean heads; EG3D's where the mean image shows no face."""
    mean = faces.mapping.w_avg.expand(1, faces.num_ws, -1)
    points = head_keypoints(generator, mean_ws(generator), detector)
    seen = image_keypoints(faces.images(mean), detector)
    if points is None or seen is None:
        return Cameras(((0.0, 0.0),))
    pivot, radius = align_pivot(points, seen, keypoint_weights())
    return Cameras(((0.0, 0.0),), pivot, radius)


def _aligned(
    start: Cameras, points: Float[Tensor, "N L 3"], seen: Float[Tensor, "N L 2"]
) -> Cameras:
    angles = align_angles(points, seen, keypoint_weights(), pivot=start.pivot, radius=start.radius)
    return _with_angles(start, angles)


def _with_angles(start: Cameras, angles: Float[Tensor, "N 2"]) -> Cameras:
    return replace(start, angles=tuple((float(a), float(b)) for a, b in angles.tolist()))


def mean_ws(generator: TriPlaneGenerator) -> Float[Tensor, "1 N D"]:
    """The mean head's ws, w̄."""
    return generator.backbone.mapping.w_avg.expand(1, generator.num_ws, -1)


def _check_count(found: int, asked: int) -> None:
    if found < FEWEST:
        raise TrainingError(
            f"Faces were found in {found} of {asked} images, and a style needs {FEWEST} at least;"
            " use portraits that show faces."
        )
