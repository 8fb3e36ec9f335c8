"""What the shipped networks know, on a few people of the engine whom none has seen.

Each is held against the engine's own numbers: depth and colours for the generators, classes for the
parser, who is who for the identity network; the encoder against the mean person, and the alignment
against the encoder. Bounds lie some way off what was measured, so that only a broken file fails.
Generators and identity network learned the engine's people before their skin had learned details.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.data import astronaut
from torch import Tensor

from portraiture.checkpoints import load_generator, load_image_generator
from portraiture.engine.landmarks import LEFT_BROW, RIGHT_BROW
from portraiture.evaluate.inversion import (
    MetricNetworks,
    held_out_person,
    score_view,
    target_of_view,
)
from portraiture.invert.inversion import Inversion
from portraiture.invert.method import encoder_method
from portraiture.meshing.head_mesh import pixels_of
from portraiture.metrics.depth import depth_error_mm
from portraiture.metrics.extractors import identity_synthetic
from portraiture.metrics.perceptual import perceptual_synthetic
from portraiture.metrics.psnr import face_mask, psnr
from portraiture.models import default_models
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.people.latent import sample_latents
from portraiture.people.people import render_scenes
from portraiture.people.people_file import PersonViews
from portraiture.people.scene import SCENE_SIZE
from portraiture.perception.looks import LOOKS
from portraiture.perception.weights import load_identity, load_parser, load_portrait_parser
from portraiture.photo.align import align
from portraiture.types import Segment

YAWS = (0.0, 0.5)
COUNT = 3


@pytest.fixture(scope="module")
def generator() -> TriPlaneGenerator:
    return load_generator("heads")


@pytest.fixture(scope="module")
def people(generator: TriPlaneGenerator) -> list[PersonViews]:
    return [held_out_person(k, YAWS, generator.config.image_size) for k in range(COUNT)]


@pytest.fixture(scope="module")
def metrics() -> MetricNetworks:
    parser = load_parser()
    return MetricNetworks(
        load_portrait_parser(), perceptual_synthetic(parser), identity_synthetic(load_identity())
    )


def _images(people: list[PersonViews]) -> Tensor:
    """(people, views, 3, R, R) in [-1, 1]."""
    pixels = np.stack([person.rgb for person in people])
    return torch.from_numpy(pixels).permute(0, 1, 4, 2, 3).float() / 127.5 - 1.0


@torch.no_grad()
def test_heads_draws_the_person_of_a_latent(
    generator: TriPlaneGenerator, people: list[PersonViews]
) -> None:
    depths, ratios = [], []
    for person in people:
        camera = torch.from_numpy(person.cameras[:1])
        ws = generator.mapping(torch.from_numpy(person.z)[None], camera)
        shown = generator.synthesize(ws, camera)
        mask = face_mask(person.segmentation[0])
        ratios.append(psnr(pixels_of(shown.image), person.rgb[0] / 255.0, mask=mask))
        truth, inside = person.depth[0][::2, ::2], mask[::2, ::2] & (person.depth[0][::2, ::2] > 0)
        found = shown.depth[0, 0].numpy()
        depths.append(depth_error_mm(found, truth, unit_m=person.unit_m, mask=inside))
    assert np.mean(ratios) > 20.5
    assert np.mean(depths) < 3.0


@torch.no_grad()
def test_faces2d_draws_the_person_the_camera_and_the_light_of_a_latent() -> None:
    painter = load_image_generator("faces2d")
    scenes = np.zeros((2, SCENE_SIZE), np.float32)
    scenes[1, 0] = 1.0
    person = render_scenes(sample_latents(1, 2)[0], scenes, size=painter.config.size)
    z = torch.from_numpy(np.stack([person.image_latent(k) for k in range(2)]))
    images = painter.images(painter.mapping(z, None))
    ratios = [
        psnr(pixels_of(image[None]), person.rgb[k] / 255.0, mask=face_mask(person.segmentation[k]))
        for k, image in enumerate(images)
    ]
    assert min(ratios) > 21.0


def test_the_parser_finds_the_classes(people: list[PersonViews]) -> None:
    labels = load_parser().segment(_images(people).flatten(0, 1)).numpy()
    truth = np.concatenate([person.segmentation for person in people])
    assert (labels == truth).mean() > 0.85


@torch.no_grad()
def test_the_portrait_parser_finds_classes_of_renders_and_of_a_photo(
    people: list[PersonViews],
) -> None:
    parser = load_portrait_parser()
    found, _ = parser.read(_images(people).flatten(0, 1))
    truth = np.concatenate([person.segmentation for person in people])
    assert (found.argmax(1).numpy() == truth).mean() > 0.9
    photo = align(astronaut())
    crop = torch.from_numpy(photo.crop.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1.0
    pixels, looks = parser.read(crop)
    at = photo.landmarks.astype(float) @ photo.crop_from_image[:2, :2].T
    at += photo.crop_from_image[:2, 2]
    classes = pixels[0].argmax(0).numpy()
    expected: dict[Segment, tuple[int, ...]] = {
        Segment.LEFT_EYE: (468,), Segment.RIGHT_EYE: (473,), Segment.NOSE: (1,),
        Segment.SKIN: (50,), Segment.LEFT_BROW: RIGHT_BROW, Segment.RIGHT_BROW: LEFT_BROW,
    }  # fmt: skip
    for segment, loop in expected.items():
        column, row = at[[*loop]].mean(0).astype(int)
        assert classes[row, column] == segment
    names = {name: LOOKS[name][int(scores.argmax())] for name, scores in looks.items()}
    assert names["glasses"] == "none" and names["beard"] == "none" and names["sex"] == "f"
    assert names["hair"] in ("short", "medium") and names["form"] == "wavy"


def test_the_identity_network_tells_people_apart(
    people: list[PersonViews], metrics: MetricNetworks
) -> None:
    embedded = metrics.identity.extract(_images(people).flatten(0, 1)).unflatten(0, (COUNT, -1))
    similar = embedded[:, 0] @ embedded[:, 1].mT
    same = similar.diagonal()
    other = similar[~torch.eye(COUNT, dtype=torch.bool)]
    assert float(same.mean()) > float(other.mean()) + 0.15


@torch.no_grad()
def test_the_encoder_finds_the_person_and_the_alignment_what_it_leaves(
    generator: TriPlaneGenerator, people: list[PersonViews], metrics: MetricNetworks
) -> None:
    alone = encoder_method(default_models(), "aligned", aligned=False)
    whole = encoder_method(default_models(), "aligned")
    scores = []
    for index, person in enumerate(people):
        target = target_of_view(person, 0, index, generator, metrics)
        mean = generator.backbone.mapping.w_avg.expand(1, generator.num_ws, -1)
        nobody = Inversion(mean, generator.planes(mean), target.camera, generator)
        found = [nobody, *(how.invert([target]) for how in (alone, whole))]
        scores.append([score_view(one, person, (0, 0), metrics, 0.0) for one in found])
    ratios = np.mean([[s.psnr for s in row] for row in scores], axis=0)
    similar = np.mean([[s.identity for s in row] for row in scores], axis=0)
    # The encoder learned the engine's older looks: it was 2 dB better than nobody on those.
    assert ratios[1] > ratios[0] + 1.0 and similar[1] > 0.6
    assert ratios[2] > ratios[1] + 0.5 and similar[2] > similar[1] + 0.05
