"""The table of restyling: its scores on results whose scores are known, and every method once."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from edit_cases import hashed
from patch_features import Blocks
from recorded_progress import RecordedProgress
from restyle_cases import Tinted, random_head, solid_generator, tinted, untrained_planes
from torch import Tensor

from portraiture.errors import CancelledError, RestyleError
from portraiture.evaluate.restyle import (
    StyleScores,
    bench_styles,
    inconsistency,
    mean_scores,
    rows_as_json,
    score_style,
)
from portraiture.evaluate.restyle_methods import (
    EditedInversion,
    FewShotTuning,
    OnePass,
    PerView,
    Subject,
    ablations,
    shown_from,
)
from portraiture.evaluate.text_score import ClipScore, DenoisingGain, load_clip_score
from portraiture.metrics.extractors import FeatureExtractor
from portraiture.networks.instruction_unet import InstructionUNet, InstructionUNetConfig
from portraiture.restyle.diffusion import kept_signal, v_of
from portraiture.restyle.few_shot import cameras_at
from portraiture.restyle.fine_tune import TINY
from portraiture.restyle.modulation import ModulationLayers

COLOURED = FeatureExtractor("colour", lambda images: images.mean((2, 3)))
CAMERAS = cameras_at([(yaw, 0.0) for yaw in (-0.2, 0.0, 0.2)])


@dataclass(frozen=True)
class Redness:
    """Mean red less mean blue."""

    name: str = "redness"

    def score(self, images: Tensor, original: Tensor, prompt: str) -> float:
        return float((images[:, 0] - images[:, 2]).mean())


class Flickering(Tinted):
    """Every second image is made negative."""

    def edit(self, images: Tensor, prompt: str, **options: object) -> Tensor:
        signs = torch.tensor([1.0, -1.0]).repeat(len(images))[: len(images)]
        return images * signs[:, None, None, None]


def subject_of(seed: int = 0) -> tuple:
    generator = solid_generator()
    return generator, Subject(*random_head(generator, seed))


def test_scores_of_the_subject_itself_and_of_a_tint() -> None:
    generator, subject = subject_of()
    plain = shown_from(generator, subject, CAMERAS)
    same = score_style(plain, plain, CAMERAS, "red", Redness(), COLOURED, plain.images)
    assert same.identity == pytest.approx(1.0, abs=1e-5) and same.truth > 90.0
    red = PerView(Tinted()).restyle(generator, subject, "red", CAMERAS)
    assert torch.equal(red.depth, plain.depth)
    found = score_style(red, plain, CAMERAS, "red", Redness(), COLOURED)
    assert found.text == pytest.approx(0.5 * same.text + 1.0, abs=1e-4)
    assert found.truth != found.truth, "there is no truth"
    wanted = torch.cosine_similarity(red.images.mean((2, 3)), plain.images.mean((2, 3)), dim=1)
    assert found.identity == pytest.approx(float(wanted.mean()), abs=1e-5)
    assert found.inconsistency == pytest.approx(0.5 * same.inconsistency, rel=1e-3)


def test_views_that_flicker_are_less_consistent() -> None:
    generator, subject = subject_of()
    plain = shown_from(generator, subject, CAMERAS)
    flickers = PerView(Flickering()).restyle(generator, subject, "red", CAMERAS)
    assert inconsistency(flickers, CAMERAS) > 2.0 * inconsistency(plain, CAMERAS)


def test_every_method_and_ablation_makes_a_row() -> None:
    generator, subject = subject_of()
    network = untrained_planes(generator)
    losses = replace(TINY.losses, rays=16)
    config = replace(TINY, steps=1, losses=losses)
    whole = FewShotTuning(Tinted(), network, Blocks(), config, sides=2)
    methods = [
        PerView(Tinted()), EditedInversion(Tinted(), lambda front: tuple(subject)),
        OnePass(Tinted(), network), *ablations(whole),
    ]  # fmt: skip
    names = [method.name for method in methods]
    assert len(set(names)) == len(names) == 9
    true = shown_from(generator, subject, CAMERAS).images
    progress = RecordedProgress()
    rows = bench_styles(
        methods, generator, [subject], ["red", "blue"], Redness(), COLOURED,
        truth=lambda number, prompt, cameras: true, yaws=(-0.2, 0.0, 0.2), progress=progress,
    )  # fmt: skip
    assert [row.method for row in rows] == names and {row.count for row in rows} == {2}
    assert progress.steps["Restyle"] == 18
    by_name = {row.method: row.scores for row in rows}
    assert by_name["inversion of the edited image"].truth > 90.0
    assert all(row.scores.seconds > 0.0 for row in rows)
    flat = json.loads(json.dumps(rows_as_json(rows, Redness())))
    assert {"method", "count", "redness", "inconsistency", "truth"} <= flat[0].keys()
    with pytest.raises(CancelledError):
        bench_styles(
            methods[:1], generator, [subject], ["red", "blue"], Redness(), COLOURED,
            progress=RecordedProgress(cancel_after=1),
        )  # fmt: skip


def test_two_layers_change_nothing_at_first_and_are_all_that_is_trained() -> None:
    generator, subject = subject_of()
    layers = ModulationLayers(24)
    assert torch.equal(layers(subject.planes), subject.planes)
    for layer in layers.convolve:
        torch.nn.init.normal_(layer.weight, std=0.1)  # type: ignore[arg-type]
    assert not torch.allclose(layers(subject.planes), subject.planes, atol=1e-3)
    network = untrained_planes(generator)
    config = replace(TINY, steps=25, learning_rate=0.01, losses=replace(TINY.losses, rays=64))
    method = FewShotTuning(Tinted(), network, Blocks(), config, sides=1, ablation="no I2T")
    shown = method.restyle(generator, subject, "red", CAMERAS[:1])
    plain = shown_from(generator, subject, CAMERAS[:1]).images
    wanted = tinted(plain[0], "red")
    before, after = ((x - wanted).abs().mean() for x in (plain[0], shown.images[0]))
    assert float(after) < 0.9 * float(before)


def test_means_are_over_numbers() -> None:
    nan = float("nan")
    rows = [StyleScores(1.0, nan, 0.0, 1.0, nan), StyleScores(3.0, 0.5, 1.0, 1.0, nan)]
    found = mean_scores(rows)
    assert (found.text, found.inconsistency, found.identity) == (2.0, 0.5, 0.5)
    assert found.truth != found.truth


class Oracle(InstructionUNet):
    """Knows the edited image, but uses it only when it is told the right sentence."""

    after: Tensor
    right: Tensor

    def forward(self, noisy: Tensor, timesteps: Tensor, image: Tensor, sentence: Tensor) -> Tensor:
        kept = kept_signal(1000)[timesteps.long()][:, None, None, None]
        noise = (noisy - kept.sqrt() * self.after) / (1.0 - kept).sqrt()
        wanted = v_of(self.after, noise, kept)
        return wanted if torch.allclose(sentence[0], self.right) else wanted + 0.5


def test_the_gain_is_one_for_the_right_sentence_and_none_for_another() -> None:
    oracle = Oracle(InstructionUNetConfig(image_size=32, widths=(8,), sentence=16, heads=2))
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2.0 - 1.0
    oracle.after, oracle.right = images, torch.from_numpy(hashed(["an elf"])[0])
    gain = DenoisingGain(oracle, hashed)
    assert gain.score(images, images, "an elf") == pytest.approx(1.0, abs=1e-5)
    assert gain.score(images, images, "an orc") == pytest.approx(0.0, abs=1e-5)


def test_clip_is_transformers_own(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tiny_pix2pix import write_tokenizer
        from transformers import CLIPConfig, CLIPModel
    torch.manual_seed(0)
    small = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }  # fmt: skip
    text = {**small, "vocab_size": 600, "bos_token_id": 512, "eos_token_id": 513}
    vision = {**small, "image_size": 32, "patch_size": 8}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8))
    model.save_pretrained(tmp_path / "clip")
    write_tokenizer(tmp_path / "tokens")
    for path in (tmp_path / "tokens").iterdir():
        path.rename(tmp_path / "clip" / path.name)
    score = load_clip_score(tmp_path / "clip")
    assert isinstance(score, ClipScore)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2.0 - 1.0
    found = score.score(images, images, "an elf")
    ids = score.tokenizer("an elf face", return_tensors="pt")
    small_images = torch.nn.functional.interpolate(
        images, (32, 32), mode="bilinear", antialias=True
    )
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
    spread = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]
    with torch.no_grad():
        out = score.model(
            input_ids=ids.input_ids, pixel_values=((small_images + 1.0) / 2.0 - mean) / spread
        )
        cosines = out.logits_per_image[:, 0] / score.model.logit_scale.exp()
    assert found == pytest.approx(float(cosines.mean()), abs=1e-4)
    with pytest.raises(RestyleError, match="no folder"):
        load_clip_score(tmp_path / "none")
    with pytest.raises(RestyleError, match="does not hold CLIP"):
        load_clip_score(tmp_path / "tokens")
