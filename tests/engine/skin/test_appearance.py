"""The learned mid frequencies of skin: the method on synthetic truth, the asset on what is known.

Properties: a low-rank field is recovered from random missing values; hidden halves are completed
better than by the mean; nothing changes the global tone; fields are symmetric and fade out; the
asset is small and knows what faces look like.
"""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from portraiture.engine.details import DETAIL_RANGE, DETAILS
from portraiture.engine.head import load_head
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import shape_head
from portraiture.engine.skin.appearance import (
    APPEARANCE_PATH,
    CHROMA,
    INDEPENDENT,
    LUMA,
    TO_CHANNELS,
    Grid,
    gather,
    load_appearance,
    mirror,
    save_appearance,
    split_detail,
    window_of,
)
from portraiture.engine.skin.layout import MASKS, anatomy
from portraiture.engine.skin.paint import paint_skin

TOOLS = Path(__file__).parents[3] / "tools"
MODEL = load_appearance()
SIZE = 512


@pytest.fixture(scope="module")
def position() -> np.ndarray:
    return anatomy(load_head(), SIZE).position[window_of(SIZE)]


def _expected(**known: float) -> np.ndarray:
    """(h, w, 3) luminance and chroma expected of a person."""
    usual = {"sex": 0.12, "age": 0.66, "skin_melanin": 0.2, "hair_melanin": 0.85}
    person = AvatarParameters(**(usual | known))  # type: ignore[arg-type]
    return MODEL.field(MODEL.expected(person), SIZE) @ TO_CHANNELS.T


def test_low_rank_values_are_recovered_from_random_missing_ones() -> None:
    learn = runpy.run_path(str(TOOLS / "appearance_em.py"))["learn_components"]
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((3, 400)) * np.array([[3.0], [2.0], [1.0]])
    clean = rng.standard_normal(400) + rng.standard_normal((150, 3)) @ basis
    values = clean + 0.3 * rng.standard_normal(clean.shape)
    seen = rng.random(clean.shape) < 0.6
    learned = learn(
        np.where(seen, values, 50.0).astype(np.float32), seen.astype(np.float32), 3, steps=25
    )
    axes = np.linalg.qr(basis.T)[0]
    outside = learned.basis - learned.basis @ axes @ axes.T
    assert np.linalg.norm(outside) < 0.03 * np.linalg.norm(learned.basis)
    assert learned.noise == pytest.approx(0.3, rel=0.05)
    error = (learned.mean + learned.coefficients @ learned.basis - clean)[~seen]
    assert np.sqrt((error**2).mean()) < 0.12


def test_solve_is_ridge_regression() -> None:
    """Against the normal equations of the stacked least-squares problem."""
    rng = np.random.default_rng(1)
    length = MODEL.basis.shape[1]
    expected = rng.normal(0.0, 0.3, len(MODEL.basis)).astype(np.float32)
    seen = MODEL.mean + rng.normal(0.0, 0.1, length).astype(np.float32)
    weight = rng.random(length).astype(np.float32)
    root = np.sqrt(INDEPENDENT * weight.astype(np.float64)) / MODEL.noise
    rows = np.concatenate([MODEL.basis.T * root[:, None], np.eye(len(expected))])
    right = np.concatenate([(seen - MODEL.mean) * root, expected])
    wanted = np.linalg.lstsq(rows, right, rcond=None)[0]
    np.testing.assert_allclose(MODEL.solve(seen, weight, expected), wanted, atol=2e-3)


def test_a_hidden_half_is_completed_better_than_by_the_mean() -> None:
    rng = np.random.default_rng(2)
    left = MODEL.inside[: LUMA.shape[0] * LUMA.shape[1]].reshape(LUMA.shape)
    columns = np.nonzero(left)[1]
    rest = [np.nonzero(MODEL.chroma)[1] + LUMA.shape[1]] * 2
    hidden = np.concatenate([columns < LUMA.shape[1] // 2, *(r % 240 < 60 for r in rest)])
    zero = np.zeros(len(MODEL.basis), np.float32)
    errors = []
    for _ in range(10):
        truth = rng.standard_normal(len(MODEL.basis)) @ MODEL.basis
        seen = MODEL.mean + truth + rng.normal(0.0, MODEL.noise, truth.shape)
        found = MODEL.solve(seen, (~hidden).astype(np.float32), zero) @ MODEL.basis
        errors.append([((found - truth)[hidden] ** 2).mean(), (truth[hidden] ** 2).mean()])
    completed, mean = np.mean(errors, axis=0)
    assert completed < 0.3 * mean


def test_saving_keeps_a_model_to_8_bits(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    save_appearance(MODEL, path)
    again = load_appearance.__wrapped__(path)
    step = np.abs(MODEL.basis).max(1, keepdims=True) / 127.0
    assert (np.abs(again.basis - MODEL.basis) <= 0.51 * step).all()
    np.testing.assert_array_equal(again.luma, MODEL.luma)
    np.testing.assert_array_equal(again.slopes, MODEL.slopes)


def test_the_asset_is_small_and_symmetric() -> None:
    assert APPEARANCE_PATH.stat().st_size < 2e6
    flip = mirror(MODEL.luma, MODEL.chroma)
    np.testing.assert_array_equal(MODEL.mean[flip], MODEL.mean)
    sign = np.where(MODEL.even, 1.0, -1.0)[:, None]
    np.testing.assert_array_equal(MODEL.basis[:, flip], sign * MODEL.basis)
    assert (np.diff((MODEL.basis**2).sum(1)) < 0.0).mean() > 0.9
    assert np.abs(MODEL.slopes[~MODEL.even]).max() == 0.0


def test_fields_fade_out_before_the_windows_border() -> None:
    field = MODEL.field(3.0 * np.ones(len(MODEL.basis)), SIZE)
    border = np.concatenate([field[0], field[-1], field[:, 0], field[:, -1]])
    assert np.abs(border).max() < 1e-3


def test_details_do_not_change_the_global_tone() -> None:
    """Each component, and the mean, averages to nothing over the face."""
    inside = MODEL.strength(SIZE) > 0.9
    for coefficients in [np.zeros(len(MODEL.basis)), *2.0 * np.eye(len(MODEL.basis))[:12]]:
        assert np.abs(MODEL.field(coefficients, SIZE)[inside].mean(0)).max() < 0.04


def test_painted_details_change_the_face_alone_and_by_what_the_field_says() -> None:
    shape = shape_head(AvatarParameters())
    plain = AvatarParameters()
    changed = replace(plain, detail={"detail_01": 0.8})
    before, after = (paint_skin(p, shape, size=SIZE).albedo.astype(float) for p in (plain, changed))
    window = window_of(SIZE)
    outside = np.ones((SIZE, SIZE), bool)
    outside[window] = False
    np.testing.assert_array_equal(before[outside], after[outside])
    step = np.zeros(len(DETAILS))
    step[0] = DETAIL_RANGE * 0.6
    wanted = MODEL.field(step, SIZE) - MODEL.field(np.zeros(len(step)), SIZE)
    linear = [((x[window] / 255 + 0.055) / 1.055) ** 2.4 for x in (before, after)]
    got = np.log(linear[1]) - np.log(linear[0])
    clear = (before[window].min(2) > 90) & (after[window].min(2) > 90)
    np.testing.assert_allclose(got[clear], wanted[clear], atol=0.04)


def test_splitting_keeps_the_sum_and_takes_flat_colour_for_low() -> None:
    rng = np.random.default_rng(3)
    image = rng.normal(-1.0, 0.2, (SIZE, SIZE, 3)).astype(np.float32)
    usable = (rng.random((SIZE, SIZE)) < 0.9).astype(np.float32)
    low, detail = split_detail(image, usable)
    np.testing.assert_allclose(low + detail, image[window_of(SIZE)], atol=1e-5)
    flat_low, flat_detail = split_detail(np.full_like(image, -0.7), usable)
    np.testing.assert_allclose(flat_low, -0.7, atol=2e-3)
    assert np.abs(flat_detail).max() < 2e-3


@pytest.mark.parametrize("grid", [LUMA, CHROMA])
def test_gathering_a_plane_gives_its_values_at_the_cells(grid: Grid) -> None:
    rows, columns = window_of(1024)
    x = np.arange(columns.start, columns.stop) + 0.5
    y = np.arange(rows.start, rows.stop) + 0.5
    plane = (0.3 * x[None] - 0.2 * y[:, None])[..., None].astype(np.float32)
    cells = (np.arange(*grid.rows) + 0.5) * 1024 / grid.size
    across = (np.arange(*grid.columns) + 0.5) * 1024 / grid.size
    wanted = 0.3 * across[None] - 0.2 * cells[:, None]
    got = gather(plane, grid, 1024)[..., 0]
    np.testing.assert_allclose(got[3:-3, 3:-3], wanted[3:-3, 3:-3], atol=0.02)


def test_the_asset_knows_brows_lips_and_folds(position: np.ndarray) -> None:
    x, y, z = np.abs(position[..., 0]), position[..., 1], position[..., 2]
    front = z > -40.0
    brow = front & (np.abs(x - 30.0) < 6.0) & (np.abs(y - 13.0) < 2.0)
    above = front & (np.abs(x - 30.0) < 6.0) & (np.abs(y - 26.0) < 3.0)
    lips = anatomy(load_head(), SIZE).masks[(*window_of(SIZE), MASKS.index("lips"))] > 240
    lips &= MODEL.strength(SIZE) > 0.9
    cheek = front & (np.abs(x - 38.0) < 8.0) & (np.abs(y + 36.0) < 8.0)
    man, woman, old = _expected(), _expected(sex=0.88), _expected(age=0.77)
    for field in (man, woman, old):
        assert field[brow, 0].mean() < field[above, 0].mean() - 0.25
        assert field[lips, 1].mean() > field[cheek, 1].mean() + 0.03
    assert woman[lips, 1].mean() > man[lips, 1].mean() + 0.02
    assert old[brow, 0].mean() > man[brow, 0].mean() + 0.05
    fold = front & (np.abs(x - 27.0) < 3.0) & (np.abs(y + 53.0) < 4.0)
    assert old[fold, 0].mean() < man[fold, 0].mean() - 0.02
