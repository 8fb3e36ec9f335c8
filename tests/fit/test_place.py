"""The outline is stretched by its factor from eye to eye, however the head is rolled."""

from __future__ import annotations

import numpy as np
import pytest

from portraiture.engine.landmarks import CONTOUR, LEFT_EYE, RIGHT_EYE
from portraiture.fit.place import WIDER, widened
from portraiture.types import Photo


@pytest.mark.parametrize("roll", [0.0, 0.7])
def test_only_the_outline_is_stretched_and_only_across(photo: Photo, roll: float) -> None:
    c, s = np.cos(roll), np.sin(roll)
    turn = np.array([[c, -s], [s, c]])
    landmarks = photo.landmarks.astype(np.float64)
    plain, rolled = widened(landmarks), widened(landmarks @ turn.T)
    np.testing.assert_allclose(rolled, plain @ turn.T, atol=1e-9)
    rest = np.setdiff1d(np.arange(478), CONTOUR)
    np.testing.assert_array_equal(plain[rest], landmarks[rest])
    across = landmarks[[*LEFT_EYE]].mean(0) - landmarks[[*RIGHT_EYE]].mean(0)
    across /= np.linalg.norm(across)
    up = np.array([-across[1], across[0]])
    before, after = (p[[*CONTOUR]] - p[[*CONTOUR]].mean(0) for p in (landmarks, plain))
    np.testing.assert_allclose(after @ across, WIDER * (before @ across), atol=1e-9)
    np.testing.assert_allclose(after @ up, before @ up, atol=1e-9)
