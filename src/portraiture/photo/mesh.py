"""Predict 478 landmarks with mediapipe's "Attention Mesh", run in torch.

    image ─detect_faces─▶ rectangles ─crop, upright─▶ 192² ─network─▶ 468 points, face or not
                                                          └─▶ lips, eyes, irises refined

Grishchenko et al. 2020, "Attention Mesh: High-fidelity Face Mesh Prediction in Real-time".
Dimension letters: N faces.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray
from torch import Tensor

from portraiture.photo.crop import Rectangle, crop
from portraiture.photo.detect import Detection, detect_faces, overlaps
from portraiture.photo.graph import load
from portraiture.photo.threads import one_thread

Landmarks = Float32[ndarray, "478 3"]
MIN_PRESENCE = 0.5
_LARGER = 1.5
_SAME = 0.5
_LID = 16
"""Number of lid points, the first ones of an eye's region."""


@one_thread()
def face_landmarks(image: UInt8[ndarray, "h w 3"], most: int) -> list[Landmarks]:
    """Landmarks of up to `most` faces in an image, in the order of their detection; [] if none.

    Each face is (478, 3) float32: x and y in pixels (pixel centres at +0.5), z the depth relative
    to the head's centre in the same unit, smaller is nearer.
    """
    rectangles: list[Rectangle] = []
    for one in detect_faces(image, reach="short")[:most]:
        region = face_rectangle(one)
        rectangles = [other for other in rectangles if not _doubled(region, other)] + [region]
    if not rectangles:
        return []
    network = load("face_mesh")
    crops = torch.stack([crop(image, one, network.size, outside="edge") for one in rectangles])
    out = network(crops.permute(0, 3, 1, 2) / 255)
    present = (out["presence"].flatten().sigmoid() > MIN_PRESENCE).tolist()
    points = merged(out, network.regions).double().numpy() / network.size
    faces = []
    for one, inside, sure in zip(rectangles, points, present, strict=True):
        if sure:
            depth = inside[:, 2:] * one.size[0]
            faces.append(np.concatenate([one.to_image(inside[:, :2]), depth], 1, dtype=np.float32))
    return faces


def face_rectangle(face: Detection) -> Rectangle:
    """The upright square around a detected face that the network takes."""
    corners = face.box.reshape(2, 2)
    side = _LARGER * float((corners[1] - corners[0]).max())
    x, y = face.points[1] - face.points[0]
    return Rectangle(corners.mean(0), np.full(2, side), float(np.arctan2(y, x)))


def merged(out: dict[str, Tensor], regions: list[list[int]]) -> Float[Tensor, "N 478 3"]:
    """Combine the network's outputs: lips and eyes from the refined regions, depth from the mesh;
    an iris gets the mean depth of its lids."""
    lips, left, right = regions
    mesh = out["mesh"].view(-1, 468, 3).clone()
    for points, name in ((lips, "lips"), (left, "left_eye"), (right, "right_eye")):
        mesh[:, points, :2] = out[name].view(len(mesh), -1, 2)
    irises = []
    for points, name in ((left, "left_iris"), (right, "right_iris")):
        depth = mesh[:, points[:_LID], 2].mean(1).view(-1, 1, 1).expand(-1, 5, 1)
        irises.append(torch.cat([out[name].view(-1, 5, 2), depth], 2))
    return torch.cat([mesh, *irises], 1)


def _doubled(a: Rectangle, b: Rectangle) -> bool:
    """Whether two rectangles are of one face, ignoring their rotation."""
    boxes = [np.stack([one.centre - one.size / 2, one.centre + one.size / 2]) for one in (a, b)]
    return bool(overlaps(boxes[0], boxes[1][None])[0] > _SAME)
