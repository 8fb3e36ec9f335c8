"""Learned mid frequencies of skin albedo: brows, folds, lids, bags, the edges of the lips.

parameters ─▶ what is expected of sex, age and colouring ┐
           ─▶ details (residuals, standard normal) ──────┴─▶ coefficients ─basis─▶ field of log RGB
field + procedural skin without its own mid frequencies ─▶ albedo (`skin.paint`)

A probabilistic PCA with missing data (Tipping and Bishop 1999; learned by
``tools/learn_appearance.py`` from portraits, see NOTICE) of log albedo less its blur. Luminance has
a grid of 384² over the texture, chroma one of 192². Components are symmetric or antisymmetric about
the middle of the face, so that one half is stored, in 8 bits a component.

Dimension letters: K components, P covariates, D numbers of a field (luminance, then two of chroma,
inside their masks), h, w: the window of the texture that contains the face, at the asked size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from numpy import ndarray
from scipy.ndimage import gaussian_filter

from portraiture.engine.details import DETAIL_RANGE, DETAILS
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.skin.layout import BLUR

APPEARANCE_PATH = Path(__file__).parents[2] / "assets" / "appearance.npz"

INDEPENDENT = 0.004
"""Share of a face's texels that count as independent evidence: neighbouring ones err alike, and the
components were learned from few faces. Least error on hidden parts of held-out faces."""

COVARIATES = ("sex", "age", "skin_melanin", "hair_melanin")
"""Parameters that the expected field depends on linearly, within the range of the data."""


@dataclass(frozen=True)
class Grid:
    """A grid of size² cells over the texture, of which the face's window is used: first and past
    last row and column; the columns are symmetric."""

    size: int
    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the window."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]


LUMA = Grid(384, (36, 239), (72, 312))
CHROMA = Grid(192, (18, 120), (36, 156))

TO_CHANNELS = np.array([[1 / 3, 1 / 3, 1 / 3], [1, -1, 0], [0, 1, -1]], np.float32)
"""From log RGB to luminance, red-green and green-blue."""
TO_RGB = np.linalg.inv(TO_CHANNELS.astype(np.float64)).astype(np.float32)


def window_of(size: int) -> tuple[slice, slice]:
    """Rows and columns of the face's window in a texture of `size`² (a multiple of 128)."""
    return slice(12 * size // 128, 80 * size // 128), slice(24 * size // 128, 104 * size // 128)


@dataclass(frozen=True, eq=False)
class Appearance:
    """The learned model. The arrays are shared: do not modify them.

    luma, chroma: symmetric masks of the two grids. fade: strength of the model on LUMA, 0 at the
    border of its mask. mean: (D,). basis: (K, D), scaled so that residuals are standard normal.
    even: (K,) whether a component is symmetric. slopes: (K, P) coefficients per unit of the
    covariates less `centre`, which are clipped to [low, high]. noise: standard deviation of what
    the components do not explain.
    """

    luma: Bool[ndarray, "a b"]
    chroma: Bool[ndarray, "c d"]
    fade: Float32[ndarray, "a b"]
    mean: Float32[ndarray, "D"]
    basis: Float32[ndarray, "K D"]
    even: Bool[ndarray, "K"]
    slopes: Float32[ndarray, "K P"]
    centre: Float32[ndarray, "P"]
    low: Float32[ndarray, "P"]
    high: Float32[ndarray, "P"]
    noise: float

    @property
    def inside(self) -> Bool[ndarray, "E"]:
        """Which numbers of fields over the whole windows of both grids the model has."""
        return np.concatenate([self.luma.ravel(), self.chroma.ravel(), self.chroma.ravel()])

    def expected(self, parameters: AvatarParameters) -> Float32[ndarray, "K"]:
        """Coefficients expected of a person's sex, age and colouring."""
        values = np.array([getattr(parameters, name) for name in COVARIATES], np.float32)
        return self.slopes @ (np.clip(values, self.low, self.high) - self.centre)

    def coefficients(self, parameters: AvatarParameters) -> Float32[ndarray, "K"]:
        """Coefficients of a person, details included."""
        value = np.array([parameters.detail.get(name, 0.5) for name in DETAILS], np.float32)
        return self.expected(parameters) + DETAIL_RANGE * (2.0 * value - 1.0)

    def field(
        self, coefficients: Float[ndarray, "K"], size: int = 1024
    ) -> Float32[ndarray, "h w 3"]:
        """Log RGB to add to low frequencies in the window of a texture of `size`², faded out at the
        border of the model."""
        flat = self.mean + np.asarray(coefficients, np.float32) @ self.basis
        return self.spread(flat, size) * self.strength(size)[..., None]

    def spread(self, flat: Float[ndarray, "D"], size: int) -> Float32[ndarray, "h w 3"]:
        """Interpolate the numbers of a field to log RGB in the window, without fading."""
        counts = np.cumsum([self.luma.sum(), self.chroma.sum()])
        planes = []
        for grid, mask, values in zip(
            (LUMA, CHROMA, CHROMA),
            (self.luma, self.chroma, self.chroma),
            np.split(flat, counts),
            strict=True,
        ):
            plane = np.zeros(grid.shape, np.float32)
            plane[mask] = values
            planes.append(_resample(plane, grid, size))
        return np.stack(planes, axis=-1) @ TO_RGB.T

    def strength(self, size: int) -> Float32[ndarray, "h w"]:
        """How far the model replaces the procedural mid frequencies, in [0, 1]."""
        return _strength(self, size)

    def solve(
        self,
        seen: Float[ndarray, "D"],
        weight: Float[ndarray, "D"],
        expected: Float[ndarray, "K"],
    ) -> Float32[ndarray, "K"]:
        """Most probable coefficients given visible texels (ridge regression with the residuals'
        standard normal prior around `expected`).

        weight: visibility in [0, 1].
        """
        scaled = self.basis * (INDEPENDENT * weight)
        precision = scaled @ self.basis.T / self.noise**2 + np.eye(len(self.basis))
        left = seen - self.mean - expected @ self.basis
        step = np.linalg.solve(precision.astype(np.float64), scaled @ left / self.noise**2)
        return (expected + step).astype(np.float32)


def split_detail(
    log_rgb: Float[ndarray, "s s 3"], usable: Float[ndarray, "s s"]
) -> tuple[Float32[ndarray, "h w 3"], Float32[ndarray, "h w 3"]]:
    """Split the window of a log albedo into low frequencies (blurred over usable texels) and the
    rest. usable: in [0, 1], skin that is neither the mouth's inside nor an eye socket."""
    size = log_rgb.shape[0]
    rows, columns = window_of(size)
    block = size // 256
    small = (log_rgb * usable[..., None]).reshape(256, block, 256, block, 3).mean((1, 3))
    share = usable.reshape(256, block, 256, block).mean((1, 3))
    sigma = BLUR * 256
    low = gaussian_filter(small, (sigma, sigma, 0), truncate=3.0)
    low /= np.maximum(gaussian_filter(share, sigma, truncate=3.0), 1e-3)[..., None]
    grid = Grid(256, (0, 256), (0, 256))
    planes = [_resample(low[..., c].astype(np.float32), grid, size) for c in range(3)]
    smooth = np.stack(planes, axis=-1)
    return smooth, (log_rgb[rows, columns] - smooth).astype(np.float32)


def gather(window: Float[ndarray, "h w C"], grid: Grid, size: int) -> Float32[ndarray, "a b C"]:
    """Average a window of a texture of `size`² on a grid's cells (Gaussian footprint)."""
    down = _downsampling(grid, size)
    return np.einsum("ah,hwc,bw->abc", down[0], window, down[1], optimize=True)


@lru_cache(maxsize=8)
def _downsampling(grid: Grid, size: int) -> tuple[ndarray, ndarray]:
    rows, columns = window_of(size)
    sides = []
    for part, window in ((grid.rows, rows), (grid.columns, columns)):
        cells = (np.arange(*part) + 0.5) * (size / grid.size)
        at = np.arange(window.start, window.stop) + 0.5
        reach = 0.45 * size / grid.size
        weights = np.exp(-0.5 * ((at[None] - cells[:, None]) / reach) ** 2)
        sides.append((weights / weights.sum(1, keepdims=True)).astype(np.float32))
    return sides[0], sides[1]


@lru_cache(maxsize=8)
def _upsampling(grid: Grid, size: int) -> tuple[ndarray, ndarray]:
    """Matrices of cubic interpolation (Keys 1981, a = -1/2) from a grid's rows and columns to those
    of the window."""
    rows, columns = window_of(size)
    sides = []
    for part, window in ((grid.rows, rows), (grid.columns, columns)):
        at = (np.arange(window.start, window.stop) + 0.5) * (grid.size / size) - 0.5
        away = np.abs(at[:, None] - np.arange(*part)[None])
        near = 1.0 - 2.5 * away**2 + 1.5 * away**3
        far = 2.0 - 4.0 * away + 2.5 * away**2 - 0.5 * away**3
        weights = np.where(away < 1.0, near, np.where(away < 2.0, far, 0.0))
        sides.append((weights / weights.sum(1, keepdims=True)).astype(np.float32))
    return sides[0], sides[1]


def _resample(plane: Float32[ndarray, "a b"], grid: Grid, size: int) -> Float32[ndarray, "h w"]:
    rows, columns = _upsampling(grid, size)
    return rows @ plane @ columns.T


@lru_cache(maxsize=8)
def _strength(model: Appearance, size: int) -> Float32[ndarray, "h w"]:
    return np.clip(_resample(model.fade, LUMA, size), 0.0, 1.0)


def save_appearance(model: Appearance, path: Path) -> None:
    """Save a model for `load_appearance`: the left half of each field, 8 bits a number."""
    half = _left(model.luma, model.chroma)
    left = np.concatenate([model.mean[None], model.basis])[:, half]
    scale = np.maximum(np.abs(left).max(1, keepdims=True), 1e-9) / 127.0
    np.savez_compressed(
        path,
        luma=np.packbits(model.luma),
        chroma=np.packbits(model.chroma),
        fade=(model.fade * 255.0 + 0.5).astype(np.uint8),
        fields=np.round(left / scale).astype(np.int8),
        scale=scale.astype(np.float32),
        names=np.array([*COVARIATES, *DETAILS]),
        **{name: getattr(model, name) for name in ("even", "slopes", "centre", "low", "high")},
        noise=np.float32(model.noise),
    )


@lru_cache(maxsize=1)
def load_appearance(path: Path = APPEARANCE_PATH) -> Appearance:
    """Load the packaged model. Raises ValueError if it was learned for other parameters."""
    with np.load(path, allow_pickle=False) as file:
        if [str(name) for name in file["names"]] != [*COVARIATES, *DETAILS]:
            raise ValueError(f"{path.name} was learned for other parameters; learn it again")
        arrays = {name: file[name] for name in file.files if name != "names"}
    luma, chroma = (
        np.unpackbits(arrays[name])[: np.prod(grid.shape)].reshape(grid.shape).astype(bool)
        for name, grid in (("luma", LUMA), ("chroma", CHROMA))
    )
    even = arrays["even"]
    parity = np.where(np.concatenate([[True], even]), 1.0, -1.0)[:, None].astype(np.float32)
    left = arrays["fields"] * arrays["scale"]
    half = _left(luma, chroma)
    full = np.empty((len(left), len(half)), np.float32)
    full[:, half] = left
    full[:, mirror(luma, chroma)[half]] = parity * left
    return Appearance(
        luma=luma,
        chroma=chroma,
        fade=arrays["fade"].astype(np.float32) / 255.0,
        mean=full[0],
        basis=full[1:],
        even=even,
        slopes=arrays["slopes"],
        centre=arrays["centre"],
        low=arrays["low"],
        high=arrays["high"],
        noise=float(arrays["noise"]),
    )


def mirror(luma: Bool[ndarray, "a b"], chroma: Bool[ndarray, "c d"]) -> Int[ndarray, "D"]:
    """Index in a field of each number's mirror image; the masks are symmetric."""
    parts, first = [], 0
    for mask in (luma, chroma, chroma):
        index = np.full(mask.shape, -1)
        index[mask] = first + np.arange(mask.sum())
        parts.append(index[:, ::-1][mask])
        first += int(mask.sum())
    return np.concatenate(parts)


def _left(luma: ndarray, chroma: ndarray) -> Bool[ndarray, "D"]:
    """Numbers of a field in the left half of the texture."""
    sides = [np.broadcast_to(np.arange(m.shape[1]) < m.shape[1] // 2, m.shape)[m] for m in
             (luma, chroma, chroma)]  # fmt: skip
    return np.concatenate(sides)
