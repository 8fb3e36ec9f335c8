"""What encoder, alignment and detail give of one photo and of several, with random weights."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from invert_cases import ALIGN, ENCODER, encoder_of, generator_of, target_of
from PIL import Image
from recorded_progress import RecordedProgress

from portraiture.edit.directions import Direction, Directions
from portraiture.edit.run import edit
from portraiture.errors import CheckpointError, InversionError
from portraiture.head import Head
from portraiture.invert.encode import DetailConfig
from portraiture.invert.goae.refine import refine
from portraiture.invert.inversion import make_head
from portraiture.invert.method import encoder_method, optimiser_method
from portraiture.invert.weights import check_fit, save
from portraiture.models import Models
from portraiture.networks.goae_alignment import FeatureAlignment
from portraiture.networks.goae_encoder import GoaeEncoder
from portraiture.networks.goae_program import ProgramWay
from portraiture.weights import Card


def test_an_encoder_gives_w_and_an_alignment_features(folder: Path, models: Models) -> None:
    plain = encoder_of(folder, models)
    generator = plain.generator
    target = target_of(generator)
    found = plain.invert([target])
    assert found.features is None and found.residual is None
    assert torch.equal(found.planes, generator.planes(found.ws))
    small = torch.nn.functional.interpolate(target.crop, (32, 32), mode="bilinear", antialias=True)
    with torch.no_grad():
        expected = generator.backbone.mapping.w_avg + plain.encoder(small.clamp(-1, 1))
    assert torch.allclose(found.ws, expected)
    full = encoder_of(folder, models, alignment=True)
    refined = full.invert([target])
    assert torch.equal(refined.ws, found.ws)
    assert refined.features is not None and refined.visible is not None
    everywhere = replace(full, mixed="none").invert([target])
    assert everywhere.visible is not None
    assert (everywhere.visible == 1).all()


def test_detail_is_what_is_added_to_the_planes(folder: Path, models: Models) -> None:
    plain = encoder_of(folder, models)
    target = target_of(plain.generator)
    found = plain.invert([target])
    textured = replace(plain, detail=DetailConfig(silhouette=None, refinement=None))
    projected = textured.invert([target])
    assert projected.residual is not None and projected.residual.any()
    assert torch.allclose(projected.planes, found.planes + projected.residual)
    told = RecordedProgress()
    paths = {"network": folder / "small.safetensors", "weights": folder / "encoder"}
    whole = encoder_method(models, "goae+refine", **paths, refine_steps=2)
    refined = whole.invert([target], told)
    assert [name for name, _ in told.stages] == [
        "Encode", "Fit the silhouette", "Project the texture", "Refine the texture",
    ]  # fmt: skip
    assert (told.steps["Fit the silhouette"], told.steps["Refine the texture"]) == (8, 2)
    assert refined.residual is not None
    assert 0.0 < float((refined.residual - projected.residual).abs().max()) < 1.0
    with pytest.raises(InversionError, match="--refine-steps must be"):
        encoder_method(models, "goae+refine", **paths, refine_steps=-1)


def test_the_program_s_way_sees_the_photo_as_it_is(folder: Path, models: Models) -> None:
    """The encoder by PIL's own filter, the alignment with the photo's own background."""
    generator, way = generator_of(folder), ProgramWay()
    target = target_of(generator)
    how = encoder_of(folder, models, alignment=True, program=way)
    assert (how.mixed, how.program) == ("front", way)
    assert how.alignment is not None
    crop = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    small = np.asarray(Image.fromarray(crop).resize((32, 32), Image.Resampling.BICUBIC))
    with torch.no_grad():
        photo = torch.from_numpy(small.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1.0
        ws = generator.backbone.mapping.w_avg + how.encoder(photo)
        large = torch.nn.functional.interpolate(
            target.crop, (128, 128), mode="bilinear", antialias=True
        )
        expected = refine(
            generator, how.alignment, ws, large, target.camera, mixed="front", program=way
        )
    found = how.invert([target])
    assert torch.allclose(found.ws, ws, atol=1e-6)
    assert found.features is not None
    assert torch.allclose(found.features, expected.features, atol=1e-4)
    assert torch.allclose(found.planes, expected.planes, atol=1e-4)
    carried = replace(ALIGN, carried=True, mixing="convolution")
    save(FeatureAlignment(carried), folder / "carried", Card("goae-afa", {}))
    with pytest.raises(InversionError, match="compares images"):
        encoder_method(
            models, "aligned", network=folder / "small.safetensors", weights=folder / "encoder",
            alignment=folder / "carried", program=way,
        )  # fmt: skip


def test_several_photos_share_w_and_add_what_they_show(folder: Path, models: Models) -> None:
    generator = generator_of(folder)
    first, second = target_of(generator), target_of(generator, seed=1)
    how = encoder_of(folder, models, alignment=True)
    one, other, both = (how.invert(targets) for targets in ([first], [second], [first, second]))
    assert torch.allclose(both.ws, 0.5 * (one.ws + other.ws), atol=1e-5)
    assert both.features is not None
    assert len(both.features) == 2
    same = how.invert([first, first])
    assert torch.allclose(same.planes, one.planes, atol=1e-3)
    head = make_head(both, first, how)
    head.save(folder / "head.safetensors")
    again = Head.load(folder / "head.safetensors", network=how.network)
    assert again.photos == 2
    assert np.array_equal(again.render(yaw=0.2), head.render(yaw=0.2))
    step = Direction(torch.nn.functional.normalize(torch.ones(16), dim=0), 0.5)
    kept = edit(again, {"smile": 0.0}, directions=Directions({"smile": step}, {}, torch.zeros(1)))
    assert torch.allclose(kept.planes, again.planes, atol=5e-3)
    with pytest.raises(InversionError, match="takes one photo"):
        optimiser_method(models, "w", network=how.network).invert([first, second])
    for count in (0, 17):
        with pytest.raises(InversionError, match="16 photos"):
            how.invert([first] * count)


def test_two_threads_share_networks(folder: Path, models: Models) -> None:
    """Encoding and optimising at once, both give what they give alone."""
    network = folder / "small.safetensors"
    optimiser = optimiser_method(models, "pti", network=network, steps=3, rays=16)
    optimiser = replace(optimiser, config=replace(optimiser.config, samples=128))
    whole = encoder_method(
        models, "goae+refine", network=network, weights=folder / "encoder", refine_steps=2
    )
    target = target_of(whole.generator)
    alone = [one.invert([target]).planes for one in (whole, optimiser)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda one: one.invert([target]), (whole, optimiser) * 2))
    for k, found in enumerate(together):
        assert torch.equal(found.planes, alone[k % 2])
    assert all(p.grad is None for p in whole.generator.parameters())


def test_weights_for_another_generator_are_refused(folder: Path) -> None:
    generator = generator_of(folder)
    others = (
        GoaeEncoder(replace(ENCODER, rows=(1, 1, 2))),
        GoaeEncoder(replace(ENCODER, w_dim=32)),
        GoaeEncoder(replace(ENCODER, generator="0" * 64)),
        FeatureAlignment(replace(ALIGN, features=32)),
        FeatureAlignment(replace(ALIGN, size=32)),
    )
    check_fit(generator, GoaeEncoder(ENCODER), FeatureAlignment(ALIGN))
    for other in others:
        with pytest.raises(CheckpointError, match="not trained for this generator"):
            check_fit(generator, other)
