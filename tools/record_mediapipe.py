"""Record what mediapipe itself answers, for ``tests/photo`` to compare with.

Needs mediapipe 0.10.21 (``pip install portraiture[convert-landmarks]``).

    python tools/record_mediapipe.py [--out tests/photo/mediapipe.npz]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray
from PIL import Image

from portraiture.photo.demo_photo import demo_photo

OUT = Path(__file__).parents[1] / "tests/photo/mediapipe.npz"
MASK_STEP = 16


def views(photo: ndarray) -> dict[str, ndarray]:
    """The images that are compared: as it is, wide with a face at the edge, turned, two faces."""
    turned = np.asarray(Image.fromarray(photo).rotate(30, Image.Resampling.BILINEAR))
    return {
        "whole": photo,
        "edge": photo[20:250, 160:511],
        "turned": turned,
        "two": np.concatenate([photo[:300, 80:380], photo[:300, 380:79:-1]], 1),
        "none": photo[300:, 300:],
    }


def landmarks(mesh: Any, image: ndarray) -> ndarray:
    """(N, 478, 3) in pixels."""
    found = mesh.process(np.ascontiguousarray(image)).multi_face_landmarks or ()
    height, width = image.shape[:2]
    faces = [[(p.x * width, p.y * height, p.z * width) for p in face.landmark] for face in found]
    return np.array(faces, np.float32).reshape(-1, 478, 3)


def detections(finder: Any, image: ndarray) -> ndarray:
    """(N, 17): score, box, six points, in pixels."""
    found = finder.process(np.ascontiguousarray(image)).detections or ()
    rows = []
    for one in found:
        box = one.location_data.relative_bounding_box
        corners = [(box.xmin, box.ymin), (box.xmin + box.width, box.ymin + box.height)]
        points = corners + [(p.x, p.y) for p in one.location_data.relative_keypoints]
        rows.append([one.score[0], *(np.array(points) * image.shape[1::-1]).ravel()])
    return np.array(rows, np.float32).reshape(-1, 17)


def record() -> dict[str, ndarray]:
    """Everything that is compared, by name of the view and of the network."""
    from mediapipe.python.solutions.face_detection import FaceDetection
    from mediapipe.python.solutions.face_mesh import FaceMesh
    from mediapipe.python.solutions.selfie_segmentation import SelfieSegmentation

    mesh = FaceMesh(static_image_mode=True, max_num_faces=10, refine_landmarks=True)
    short, full = (FaceDetection(0.5, model_selection=i) for i in (0, 1))
    selfie = SelfieSegmentation(model_selection=0)
    recorded = {}
    for name, image in views(np.asarray(Image.open(demo_photo()).convert("RGB"))).items():
        recorded[f"{name}.mesh"] = landmarks(mesh, image)
        recorded[f"{name}.short"] = detections(short, image)
        recorded[f"{name}.full"] = detections(full, image)
        mask = selfie.process(np.ascontiguousarray(image)).segmentation_mask
        recorded[f"{name}.person"] = np.asarray(mask, np.float32)[::MASK_STEP, ::MASK_STEP]
    return recorded


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT)
    np.savez_compressed(parser.parse_args().out, **record())


if __name__ == "__main__":
    main()
