"""What heads put on: where it is added, and for whom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from portraiture.checkpoints import fingerprint, load_generator, shipped
from portraiture.convert.store import Card, write_weights
from portraiture.edit import edit
from portraiture.errors import CheckpointError, EditError
from portraiture.head import Head, rounded
from portraiture.models.eg3d import TriPlaneGenerator
from portraiture.worn import save_worn, worn_planes


@pytest.fixture(scope="module")
def heads() -> TriPlaneGenerator:
    if not {"heads", "glasses"} <= shipped().keys():
        pytest.skip("no weights are shipped")
    return load_generator("heads")


@pytest.fixture(scope="module")
def head(heads: TriPlaneGenerator) -> Head:
    """The mean person."""
    ws = heads.backbone.mapping.w_avg.expand(1, heads.num_ws, -1)
    with torch.no_grad():
        planes = heads.planes(ws)
    camera = torch.zeros(1, 25)
    return rounded(Head(ws, planes, camera, "heads", fingerprint(heads), "w"))


def test_boxes_come_back_where_they_were(heads: TriPlaneGenerator, tmp_path: Path) -> None:
    size = heads.config.plane_size
    planes = torch.zeros(1, 3, heads.config.plane_features, size, size)
    boxes = [(3, 5, 7, 11), (0, 0, size, 2), (size - 4, size - 6, 4, 6)]
    for plane, (top, left, height, width) in enumerate(boxes):
        planes[0, plane, :, top : top + height, left : left + width] = 1.0 + plane
    save_worn(planes, boxes, tmp_path / "hat", Card("worn", {"generator": "me"}))
    assert torch.equal(worn_planes(str(tmp_path / "hat"), heads, "me"), planes)
    with pytest.raises(EditError, match="shipped"):
        worn_planes(str(tmp_path / "hat"), heads, "somebody else")


def test_what_is_nothing_worn_is_refused(heads: TriPlaneGenerator, tmp_path: Path) -> None:
    write_weights(tmp_path / "x", {"plane0": torch.zeros(1, 2, 2)}, Card("worn", {"boxes": []}))
    with pytest.raises(CheckpointError, match="nothing that a head can wear"):
        worn_planes(str(tmp_path / "x"), heads, "")


def test_glasses_darken_the_rims_and_leave_the_rest(head: Head) -> None:
    """Mouth, chin and hair stay; between and around the eyes something dark appears; taken off
    again, the head is what it was."""
    worn = edit(head, {"glasses": 1.0})
    before, after = head.render(), worn.render()
    change = np.abs(before.astype(float) - after).max(-1)
    rows = change.max(1)
    assert rows.max() > 80.0
    middle = int(np.argmax(change.mean(1)))
    assert 0.3 * len(rows) < middle < 0.6 * len(rows)
    assert rows[int(0.68 * len(rows)) :].max() < 12.0
    assert after[change > 60.0].mean() < before[change > 60.0].mean()
    assert worn.painted is not None
    assert torch.equal(worn.ws, head.ws)
    bare = edit(worn, {"glasses": -1.0})
    assert np.abs(bare.render().astype(float) - before).max() <= 3.0


def test_glasses_stay_on_through_other_edits(head: Head) -> None:
    worn = edit(head, {"glasses": 1.0})
    older, both = edit(worn, {"age": 1.0}), edit(head, {"glasses": 1.0, "age": 1.0})
    assert older.painted is not None
    assert torch.equal(older.painted, worn.painted)  # type: ignore[arg-type]
    assert torch.allclose(older.planes, both.planes, atol=0.05)
    assert not torch.allclose(older.planes, edit(head, {"age": 1.0}).planes, atol=0.05)


def test_a_tuned_head_may_wear_glasses(head: Head) -> None:
    """It is known by the weights that were tuned, not by those that came out."""
    name = "decoder.net.2.bias"
    changed = dict(head.network.state_dict())[name].half() + 0.01
    tuned = replace(head, tuned={name: changed})
    assert edit(tuned, {"glasses": 1.0}).painted is not None
