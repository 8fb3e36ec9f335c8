"""LiftedGAN's networks, geometry, rasteriser and losses against the outputs of the published
program, with weights made by a formula under the published names (`../shared/fixtures`)."""

from __future__ import annotations

import json
import zlib
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from from_formula import filled, normal, outputs
from shared_data import SHARED
from torch import Tensor

from portraiture.convert.layouts import layout
from portraiture.convert.liftedgan import lifted_names
from portraiture.convert.stylegan2 import rosinality_names
from portraiture.lift import geometry, losses
from portraiture.lift.estimate import Lifted, generated, lift
from portraiture.lift.grid_mesh import Backend
from portraiture.lift.networks import VIEW, LiftConfig, LiftedNetworks
from portraiture.networks.faces2d import FacesConfig, FacesGenerator
from portraiture.perception.lresnet import LResNet18

FIXTURES = SHARED / "fixtures"
pytestmark = pytest.mark.skipif(
    not FIXTURES.exists(), reason="../shared/fixtures with the original program's outputs is absent"
)
BACKENDS: tuple[Backend, ...] = ("numba", "torch")


def error(found: Tensor, wanted: Tensor) -> float:
    assert found.shape == wanted.shape
    return float((found.detach() - wanted).abs().max())


@cache
def networks() -> LiftedNetworks:
    ours = lifted_names()
    found = LiftedNetworks(LiftConfig()).eval().requires_grad_(False)
    tensors = {
        ours[name]: value
        for name, value in filled("liftedgan_networks", dict(layout("liftedgan"))).items()
        if name in ours
    }
    found.load_state_dict(tensors)
    return found


@cache
def generator() -> FacesGenerator:
    found = FacesGenerator(FacesConfig(channel_base=4096)).eval().requires_grad_(False)
    groups = json.loads((FIXTURES / "liftedgan_networks.json").read_text())["names"]
    theirs = {n for group in groups.values() for n in group["names"] if n.startswith("generator.")}
    ours = rosinality_names({name.removeprefix("generator."): 0 for name in theirs})
    sizes = {name: tuple(value.shape) for name, value in found.state_dict().items()}
    shapes = {f"generator.{a}": sizes[b] for a, b in ours.items() if f"generator.{a}" in theirs}
    tensors = filled("liftedgan_networks", shapes)
    state = {ours[name.removeprefix("generator.")]: value for name, value in tensors.items()}
    missing, unknown = found.load_state_dict(state, strict=False)
    assert not unknown
    assert all("resample_filter" in name or name == "mapping.w_avg" for name in missing)
    return found


def test_each_network_gives_what_the_published_one_gives() -> None:
    wanted, w, net = outputs("liftedgan_networks"), normal("input.w", 2, 512), networks()
    light, view = net.light(w), net.view(w)
    assert error(light, wanted["light"]) < 1e-6
    assert error(view, wanted["view"]) < 1e-6
    assert error(net.manipulation.embed_style(w), wanted["embed_style"]) < 1e-5
    front = torch.cat([light[:, :2], torch.zeros(2, 2)], 1)
    assert error(net.manipulation.embed_light(front), wanted["embed_light"]) < 1e-5
    assert error(net.manipulation.embed_view(view), wanted["embed_view"]) < 1e-5
    assert error(net.manipulation(w, light, view), wanted["w_manipulated"]) < 1e-5


def test_the_slim_generator_and_its_last_features_are_the_published_ones() -> None:
    wanted, w = outputs("liftedgan_networks"), normal("input.w", 2, 512)
    assert error(generator().mapping(normal("input.z", 2, 512), None)[:, 0], wanted["mapped"]) == 0
    image, features = generated(generator(), w)
    assert error(image[:, :, ::4, ::4], wanted["image_fixed_noise"]) < 1e-4
    assert features.shape == (2, LiftConfig().features, 256, 256)


def test_a_person_is_lifted_as_by_the_published_program() -> None:
    wanted, w = outputs("liftedgan_networks"), normal("input.w", 2, 512)
    found = lift(generator(), networks(), w)
    assert error(found.w0, wanted["estimate_w0"]) < 1e-5
    assert error(found.neutral[:, :, ::4, ::4], wanted["estimate_canonical_image"]) < 1e-4
    assert error(found.depth[:, None, ::4, ::4], wanted["estimate_depth"]) < 1e-5
    shown = found.transformation[:, None, ::4, ::4]
    assert error(shown, wanted["estimate_transformation"]) < 1e-5
    albedo = found.albedo[:, :, ::4, ::4]
    scale = float(wanted["estimate_albedo"].abs().max())
    assert error(albedo, wanted["estimate_albedo"]) < 2e-5 * scale


@cache
def scene() -> tuple[Lifted, Tensor]:
    """The fixture's people, and an image to weigh gradients."""
    wanted = outputs("liftedgan_geometry64")
    empty = torch.zeros(2, 512)
    found = Lifted(
        empty, empty, wanted["light"], wanted["view"], wanted["canonical_image"],
        wanted["albedo"], wanted["depth"], wanted["transformation"],
    )  # fmt: skip
    return found, normal("input.cotangent", 2, 3, 64, 64)


def test_geometry_and_shading_are_the_published_ones() -> None:
    wanted, (person, _) = outputs("liftedgan_geometry64"), scene()
    terms = geometry.light_terms(person.light)
    assert error(terms.direction, wanted["light_direction"]) < 1e-6
    assert error(terms.ambient[:, None], wanted["ambient"]) < 1e-6
    assert error(terms.diffuse[:, None], wanted["diffuse"]) < 1e-6
    normals = geometry.normals_of(person.depth).movedim(-1, 1)
    assert error(normals[:, :, ::2, ::2], wanted["normals"]) < 1e-5
    assert error(geometry.shading_of(person.depth, terms), wanted["shading"]) < 1e-5
    assert error(person.canonical(), wanted["canonical_image"]) < 1e-5
    assert error(geometry.rotation_of(person.view), wanted["rotation"]) < 1e-6
    assert error(geometry.translation_of(person.view)[:, None], wanted["translation"]) < 1e-7
    vertices = geometry.vertices_of(person.depth)
    assert error(vertices.movedim(-1, 1)[:, :, ::2, ::2], wanted["grid_canonical"]) < 1e-6
    moved = geometry.moved(vertices, person.view, person.transformation)
    assert error(moved.movedim(-1, 1), wanted["vertices"]) < 1e-6
    image, raw = _unlit_scene()
    assert error(geometry.delighted(image, person.depth, terms), wanted["albedo"]) < 1e-4
    found = geometry.squashed_transformation(raw, person.depth)
    assert error(found, wanted["transformation"]) < 1e-5


def _unlit_scene() -> tuple[Tensor, Tensor]:
    y, x = np.meshgrid(np.linspace(-1, 1, 64), np.linspace(-1, 1, 64), indexing="ij")
    c, i = np.arange(3)[:, None, None], np.arange(2)[:, None, None, None]
    image = 0.6 * np.sin(3 * x + 2 * y + c + i) + 0.3 * np.cos(11 * x - 7 * y + 2 * c)
    coarse = 2.0 * normal("input.T", 2, 1, 8, 8) - 4.0
    raw = F.interpolate(coarse, (64, 64), mode="bilinear", align_corners=False)[:, 0]
    return torch.from_numpy(image).float(), raw


@pytest.mark.parametrize("backend", BACKENDS)
def test_images_are_those_of_the_published_rasterizer(backend: Backend) -> None:
    """Save for pixels that lie exactly on the edge of two triangles, the corners among them."""
    wanted, (person, _) = outputs("liftedgan_geometry64"), scene()
    still, far = torch.zeros(2, VIEW), wanted["view_far"]
    cases = {
        "image": person.render(backend=backend),
        "image_identity": person.render(view=still, whole=True, backend=backend),
        "image_mirrored": person.mirrored().render(backend=backend),
        "image_no_T": person.render(view=far, whole=True, backend=backend),
    }
    for name, found in cases.items():
        wrong = (found.image - wanted[name]).abs().amax(1) > 2e-4
        assert wrong.sum() <= 6, name
    depth = cases["image"].depth
    assert ((depth - wanted["image_depth"]).abs() > 1e-4).sum() <= 4
    assert (cases["image"].triangle != wanted["pix_to_face"]).sum() <= 4
    assert (cases["image"].mask[:, 0] != wanted["mask"]).sum() <= 4


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_are_those_of_the_published_rasterizer(backend: Backend) -> None:
    """Away from the border, where the transformation is 0 and a gradient that is 0 but for rounding
    decides what the contour clip drops, and from the corners' pixels on edges."""
    wanted, (person, weight) = outputs("liftedgan_geometry64"), scene()
    depth, albedo, transformation, view = (
        x.clone().requires_grad_()
        for x in (person.depth, person.albedo, person.transformation, person.view)
    )
    empty = torch.zeros(2, 512)
    leaf = Lifted(empty, empty, person.light, view, empty, albedo, depth, transformation)
    (leaf.render(backend=backend).image * weight).sum().backward()
    assert depth.grad is not None and albedo.grad is not None
    assert transformation.grad is not None and view.grad is not None
    inner = np.s_[:, 4:-4, 4:-4]
    scale = float(wanted["grad_depth"].abs().max())
    assert error(depth.grad[inner], wanted["grad_depth"][inner]) < 1e-4 * scale
    assert error(albedo.grad[:, :, ::2, ::2], wanted["grad_albedo"]) < 1e-3
    assert error(view.grad, wanted["grad_view"]) < 1e-4 * float(wanted["grad_view"].abs().max())
    found, truth = transformation.grad[:, None, 4:-4, 4:-4], wanted["grad_transformation"]
    assert error(found, truth[:, :, 4:-4, 4:-4]) < 1e-4 * float(truth.abs().max())


def _smooth(phase: float) -> Tensor:
    y, x = np.meshgrid(np.linspace(-1, 1, 64), np.linspace(-1, 1, 64), indexing="ij")
    c, i = np.arange(3)[:, None, None], np.arange(2)[:, None, None, None]
    image = 0.6 * np.sin(4 * x + 3 * y + c + phase + i) + 0.3 * np.cos(13 * x - 9 * y + c * phase)
    return torch.from_numpy(image).float()


VGG = ((0, 3, 64), (2, 64, 64), (5, 64, 128), (7, 128, 128), (10, 128, 256), (12, 256, 256),
       (14, 256, 256), (17, 256, 512), (19, 512, 512), (21, 512, 512))  # fmt: skip
"""Number, inputs and outputs of VGG-16's convolutions up to relu4_3."""


@cache
def _vgg() -> list[tuple[int, Tensor, Tensor]]:
    return [
        (
            k,
            normal(f"vgg16.features.{k}.weight", b, a, 3, 3) * (2.0 / (9 * a)) ** 0.5,
            0.1 * normal(f"vgg16.features.{k}.bias", b),
        )
        for k, a, b in VGG
    ]


def _vgg_features(images: Tensor) -> list[Tensor]:
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    x, found = (
        (0.5 * images + 0.5 - mean) / torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1),
        [],
    )
    for k, weight, bias in _vgg():
        x = F.max_pool2d(x, 2) if k in (5, 10, 17) else x
        x = F.relu(F.conv2d(x, weight, bias, padding=1))
        found += [x] if k in (7, 14, 21) else []
    return found


def test_losses_are_the_published_ones() -> None:
    wanted, a, b = outputs("liftedgan_losses"), _smooth(0.0), _smooth(0.4)
    y, x = np.meshgrid(np.linspace(-1, 1, 64), np.linspace(-1, 1, 64), indexing="ij")
    mask = torch.tensor(np.stack([x * x + y * y < 0.7, x > -0.2])[:, None], dtype=torch.float32)
    leaf = b.clone().requires_grad_()
    masked = losses.perceptual_loss(leaf, a, _vgg_features, mask)
    masked.backward()
    assert leaf.grad is not None
    found = {
        "perceptual": losses.perceptual_loss(b, a, _vgg_features),
        "perceptual_masked": masked.detach(),
        "l1": losses.masked_mean((b - a).abs(), None),
        "l1_masked": losses.masked_mean((b - a).abs(), mask),
        "image_loss": losses.image_loss(b, a, _vgg_features),
        "symmetric": losses.image_loss(b, a, _vgg_features, mask)
        + 0.8 * losses.image_loss(b.flip(3), a, _vgg_features, mask),
    }
    for name, value in found.items():
        assert abs(float(value) - float(wanted[name])) < 1e-5, name
    scale = float(wanted["grad_perceptual_masked"].abs().max())
    found = leaf.grad[:, :, ::2, ::2]  # a maximum that is tied may pass to its neighbour
    assert error(found, wanted["grad_perceptual_masked"]) < 5e-3 * scale


def test_regularisers_are_the_published_ones() -> None:
    wanted = outputs("liftedgan_losses")
    albedo = _smooth(1.0) + 0.2 * normal("input.albedo", 2, 3, 64, 64)
    depth = outputs("liftedgan_geometry64")["depth"]
    residual = losses.albedo_residual(albedo, depth)
    assert error(residual, wanted["albedo_residual"]) < 1e-5
    assert abs(float(losses.albedo_rank(albedo, depth)) - float(wanted["albedo_rank"])) < 1e-4
    w, mean = normal("input.styles", 64, 512), 0.1 * normal("input.mu", 1, 512)[0]
    precision = losses.style_precision(w)
    assert abs(float(precision) - float(wanted["w_sigma_inv"])) < 1e-6
    found = losses.style_loss(w[:4], mean, precision)
    assert abs(float(found) - float(wanted["style_reg"])) < 1e-6
    kernel = geometry.blur_kernel(albedo)
    assert error(kernel[:, None] * kernel, wanted["blur_kernel"]) < 1e-7
    leaf = torch.zeros(2, 24, 24, requires_grad=True)
    geometry.contour_clipped(leaf).backward(wanted["clip_in"])
    assert leaf.grad is not None
    assert error(leaf.grad, wanted["clip_out"]) == 0


def test_perturbed_views_and_lights_are_the_published_ones() -> None:
    wanted = outputs("liftedgan_losses")
    seed = zlib.crc32(b"input.uniform")
    uniform = torch.from_numpy(np.random.default_rng(seed).random((4, 3)).astype(np.float32))
    view = losses.perturbed_view(uniform)
    assert error(view, wanted["perturbed_view"]) < 1e-6
    assert error(60.0 * view[:, :3], wanted["perturbed_angles"]) < 1e-4
    light = torch.tanh(0.7 * normal("input.light4", 4, 4))
    found = losses.perturbed_light(light, torch.Generator().manual_seed(0))
    assert sorted(found[:, :2].tolist()) == sorted(light[:, :2].tolist())
    assert sorted(found[:, 2:].tolist()) == sorted(light[:, 2:].tolist())


def test_the_face_embedding_is_the_published_one() -> None:
    network = LResNet18().eval()
    shapes = {f"embedding.{k}": tuple(v.shape) for k, v in network.state_dict().items()}
    tensors = filled("liftedgan_losses", shapes, key="embedding names")
    own = {name.removeprefix("embedding."): value for name, value in tensors.items()}
    network.load_state_dict(own, strict=False)
    noise = (0.3 * normal("input.faces", 2, 3, 256, 256)).clamp(-1.0, 1.0)
    faces = 0.3 * noise + 0.6 * F.interpolate(_smooth(0.0), scale_factor=4.0)
    with torch.no_grad():
        found = network(F.avg_pool2d(faces, 2))
    assert error(found, outputs("liftedgan_losses")["embedding"]) < 1e-4
