"""The demo sitter, aligned and fitted once for all tests of the fit."""

from __future__ import annotations

import pytest
from skimage.data import astronaut

from portraiture.fit.run import Fitted, fit_photo
from portraiture.photo.align import align
from portraiture.types import Photo


@pytest.fixture(scope="session")
def photo() -> Photo:
    return align(astronaut())


@pytest.fixture(scope="session")
def plain(photo: Photo) -> Fitted:
    return fit_photo(photo)
