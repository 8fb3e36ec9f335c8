from __future__ import annotations

import numpy as np
import torch

from portraiture.perception.cut_out import cut_out
from portraiture.perception.weights import load_portrait_parser
from portraiture.photo.align import align
from portraiture.photo.demo_photo import demo_photo


def test_the_background_is_white_and_the_face_is_the_photos() -> None:
    photo = align(demo_photo())
    cut = (
        cut_out(photo.crop, load_portrait_parser(), torch.device("cpu"))[0].permute(1, 2, 0).numpy()
    )
    own = photo.crop.astype(np.float32) / 127.5 - 1.0
    assert np.abs(cut - own)[200:400, 180:330].max() < 0.05
    assert cut[330:370, 495:].min() > 0.9
