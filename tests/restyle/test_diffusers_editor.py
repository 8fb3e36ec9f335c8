"""The published editor on a tiny checkpoint: how it starts, what it is asked, what is refused.

The latents are compared with Eq. 1 by hand from the schedule's betas, the edit with a loop of our
own over the same U-Net: Brooks et al.'s guidance (Eq. 3) and DDIM's step (Song et
al. 2021, Eq. 12).
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from recorded_progress import RecordedProgress
from tiny_pix2pix import write_pix2pix
from torch import Tensor

from portraiture.errors import CancelledError, RestyleError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import diffusers
    import transformers

from portraiture.restyle import diffusers_editor
from portraiture.restyle.diffusers_editor import DiffusersEditor, load_diffusers_editor
from portraiture.restyle.editors import NEGATIVE, decorated, timestep_of

SIDE = 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pix2pix(tmp_path_factory.mktemp("pix2pix"))


@pytest.fixture(scope="module")
def editor(folder: Path) -> DiffusersEditor:
    return load_diffusers_editor(folder, size=SIDE, batch=2)


@pytest.fixture
def images() -> Tensor:
    numbers = torch.Generator().manual_seed(3)
    return torch.rand(3, 3, SIDE, SIDE, generator=numbers) * 2.0 - 1.0


def kept_by_hand() -> Tensor:
    """ᾱ of Stable Diffusion's schedule."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return (1.0 - betas).cumprod(0)


def test_the_prompts_are_the_papers() -> None:
    assert decorated("a wizard") == (
        "turn the head into a wizard, realistic, detail, 8k, photorealistic"
    )
    assert NEGATIVE == "unclear facial features, non-face objects, ugly, bad"
    assert (timestep_of(0.9, 1000), timestep_of(1.0, 1000), timestep_of(0.0, 1000)) == (900, 999, 0)


def test_n_star_is_the_noised_latent_and_n_is_one_for_all(
    editor: DiffusersEditor, images: Tensor
) -> None:
    noise = editor.first_latents(images, seed=5, start="noise")
    assert torch.equal(noise[0], noise[2]) and abs(float(noise.std()) - 1.0) < 0.3
    assert torch.equal(noise[:1], torch.randn(1, 4, 4, 4, generator=torch.manual_seed(5)))
    with torch.no_grad():
        latent = editor.pipeline.vae.encode(images).latent_dist.mean
    latent = editor.pipeline.vae.config["scaling_factor"] * latent
    kept = float(kept_by_hand()[900])
    found = editor.first_latents(images, seed=5, start="image")
    wanted = kept**0.5 * latent + (1.0 - kept) ** 0.5 * noise
    assert torch.allclose(found, wanted, atol=1e-5)
    assert not torch.allclose(found[0], found[1], atol=1e-4)


@torch.no_grad()
def edited_by_hand(editor: DiffusersEditor, image: Tensor, prompt: str, seed: int) -> Tensor:
    pipeline: Any = editor.pipeline
    kept = kept_by_hand()
    x = editor.first_latents(image, seed=seed, start="image").double()
    beside = pipeline.vae.encode(image).latent_dist.mean

    def embedded(text: str) -> Tensor:
        ids = pipeline.tokenizer(
            text, padding="max_length", max_length=77, truncation=True, return_tensors="pt"
        )
        return pipeline.text_encoder(ids.input_ids)[0]

    def predicted(x: Tensor, t: int, beside: Tensor, text: str) -> Tensor:
        both = torch.cat([x.float(), beside], 1)
        return pipeline.unet(both, t, encoder_hidden_states=embedded(text)).sample.double()

    for k in range(20):
        t = 951 - 50 * k
        none = predicted(x, t, torch.zeros_like(beside), NEGATIVE)
        of_image = predicted(x, t, beside, NEGATIVE)
        whole = predicted(x, t, beside, decorated(prompt))
        noise = none + 1.5 * (of_image - none) + 20.0 * (whole - of_image)
        now, then = kept[t], kept[t - 50] if t > 50 else kept[0]
        clean = (x - (1.0 - now).sqrt() * noise) / now.sqrt()
        x = then.sqrt() * clean + (1.0 - then).sqrt() * noise
    decoded = pipeline.vae.decode(x.float() / pipeline.vae.config["scaling_factor"]).sample
    return decoded.clamp(-1.0, 1.0)


def test_an_edit_is_guided_ddim_from_n_star(editor: DiffusersEditor, images: Tensor) -> None:
    found = editor.edit(images, "an elf", seed=4)
    assert found.shape == images.shape and float(found.std()) > 1e-3
    by_hand = edited_by_hand(editor, images[1:2], "an elf", 4)
    assert torch.allclose(found[1:2], by_hand, atol=2e-3)
    assert torch.allclose(editor.edit(images, "an elf", seed=4), found)
    assert not torch.allclose(editor.edit(images, "an orc", seed=4), found, atol=1e-4)
    assert not torch.allclose(
        editor.edit(images, "an elf", seed=4, start="noise"), found, atol=1e-4
    )


def test_it_counts_images_and_can_be_cancelled(editor: DiffusersEditor, images: Tensor) -> None:
    progress = RecordedProgress()
    progress.stage("Edit")
    editor.edit(images, "an elf", progress=progress)
    assert progress.steps == {"Edit": 3}
    stopping = RecordedProgress(cancel_after=2)
    stopping.stage("Edit")
    with pytest.raises(CancelledError):
        editor.edit(images, "an elf", progress=stopping)


def test_code_and_pickles_in_a_checkpoint_are_not_touched(folder: Path, tmp_path: Path) -> None:
    """A model_index.json that names other classes is not read, a pickle beside is not opened."""
    (tmp_path / "own").symlink_to(folder)
    for name in ("model_index.json", "pipeline.py", "unet/diffusion_pytorch_model.bin"):
        (folder / name).write_text(
            json.dumps({"_class_name": "os.system", "unet": ["os", "abort"]})
        )
    try:
        load_diffusers_editor(tmp_path / "own", size=SIDE)
    finally:
        for name in ("model_index.json", "pipeline.py", "unet/diffusion_pytorch_model.bin"):
            (folder / name).unlink()


def test_what_is_no_checkpoint_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    with pytest.raises(RestyleError, match="lacks unet"):
        load_diffusers_editor(tmp_path)
    for odd in ("https://example.org/model", "../x/y/z", "nothing"):
        with pytest.raises(RestyleError, match="no folder"):
            load_diffusers_editor(odd)
    plain = write_pix2pix(tmp_path / "plain", image_channels=0)
    with pytest.raises(RestyleError, match="does not take an image"):
        load_diffusers_editor(plain)
    (plain / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"no weights")
    with pytest.raises(RestyleError, match="cannot be loaded"):
        load_diffusers_editor(plain)


def test_offline_a_name_of_the_hub_is_said_to_be_missing(monkeypatch: Any, folder: Path) -> None:
    import huggingface_hub

    asked = []

    def snapshot(name: str, *, allow_patterns: list[str], local_files_only: bool = False) -> str:
        asked.append(local_files_only)
        assert not any(p.endswith((".bin", ".py", ".ckpt", ".pkl")) for p in allow_patterns)
        raise OSError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    with pytest.raises(RestyleError, match="cannot be downloaded"):
        load_diffusers_editor("someone/pix2pix")
    assert asked == [True, False]
    with pytest.raises(RestyleError, match="allow the download"):
        load_diffusers_editor("someone/pix2pix", download=False)
    assert asked == [True, False, True]
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: str(folder))
    assert diffusers_editor.checkpoint_folder("someone/pix2pix") == folder


def test_versions_are_what_was_tested() -> None:
    assert diffusers.__version__ >= "0.30" and transformers.__version__ >= "5"
