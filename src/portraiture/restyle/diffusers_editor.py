"""InstructPix2Pix (Brooks et al. 2023) as FF3D uses it, by diffusers' own pipeline.

folder or hub name ─safetensors, JSON, vocabulary─▶ U-Net, autoencoder, text encoder, DDIM
image ─E─▶ latent ─Add(·, n, τ)─▶ n* ─StableDiffusionInstructPix2PixPipeline, 20 steps─▶ image
A checkpoint's parts are loaded one by one, as the classes that InstructPix2Pix has: what its
model_index.json says is not read, and nothing in it is executed. Letters: B images, S their side.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.errors import RestyleError
from portraiture.ops.resize import resized
from portraiture.progress import SILENT, Progress, raise_if_cancelled
from portraiture.restyle.editors import (
    DEGREE,
    NEGATIVE,
    STEPS,
    EditStart,
    added,
    decorated,
    per_image,
    shared_noise,
    timestep_of,
)

PUBLISHED = "timbrooks/instruct-pix2pix"
"""The checkpoint of the paper, a name on the Hugging Face hub."""
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
FILES = (
    "unet/config.json", "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json", "vae/diffusion_pytorch_model.safetensors",
    "text_encoder/config.json", "text_encoder/model.safetensors",
    "tokenizer/vocab.json", "tokenizer/merges.txt", "tokenizer/tokenizer_config.json",
    "tokenizer/special_tokens_map.json", "scheduler/scheduler_config.json",
)  # fmt: skip
"""What is read of a checkpoint: no pickles, no code."""
OPTIONAL = ("tokenizer/tokenizer_config.json", "tokenizer/special_tokens_map.json")


@dataclass(frozen=True)
class DiffusersEditor:
    """The published editor. pipeline: diffusers' StableDiffusionInstructPix2PixPipeline, with
    DDIM. size: side at which images are edited, a multiple of 8. image_guidance, text_guidance: the
    published weights (section 4.1) of Brooks et al. 2023, Eq. 3. batch: images at once."""

    pipeline: Any
    size: int = 512
    steps: int = STEPS
    degree: float = DEGREE
    image_guidance: float = 1.5
    text_guidance: float = 20.0
    batch: int = 1
    name: str = "diffusers"

    @torch.no_grad()
    def edit(
        self,
        images: Float[Tensor, "B 3 S S"],
        prompt: str,
        *,
        seed: int = 0,
        start: EditStart = "image",
        progress: Progress = SILENT,
    ) -> Float[Tensor, "B 3 S S"]:
        """Edit images in [-1, 1] (Eq. 2). Raises CancelledError."""
        found = []
        for few in per_image(images, self.batch, progress):
            latents = self.first_latents(few, seed=seed, start=start)
            pictures: Any = self.pipeline(
                prompt=[decorated(prompt)] * len(few),
                negative_prompt=[NEGATIVE] * len(few),
                image=self._pictures(few),
                latents=latents,
                num_inference_steps=self.steps,
                guidance_scale=self.text_guidance,
                image_guidance_scale=self.image_guidance,
                eta=0.0,
                output_type="pt",
            )
            found.append(resized(2.0 * pictures.images.float() - 1.0, images.shape[-1]))
            progress.step(len(few))
            raise_if_cancelled(progress)
        return torch.cat(found).to(images).clamp(-1.0, 1.0)

    @torch.no_grad()
    def first_latents(
        self, images: Float[Tensor, "B 3 S S"], *, seed: int, start: EditStart
    ) -> Float[Tensor, "B 4 s s"]:
        """n* (Eq. 1), or n: what the pipeline denoises in all of its steps."""
        vae = self.pipeline.vae
        pictures = 2.0 * self._pictures(images).to(vae.device, vae.dtype) - 1.0
        latent = vae.config["scaling_factor"] * vae.encode(pictures).latent_dist.mode()
        noise = shared_noise(tuple(latent.shape[1:]), seed, latent).expand_as(latent)
        match start:
            case "noise":
                return noise.clone()
            case "image":
                scheduler: Any = self.pipeline.scheduler
                step = timestep_of(self.degree, scheduler.config.num_train_timesteps)
                return added(latent, noise, scheduler.alphas_cumprod[step])

    def _pictures(self, images: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B 3 s s"]:
        """In [0, 1] and of the editor's size, on its device."""
        small = resized(images.float().clamp(-1.0, 1.0), self.size) / 2.0 + 0.5
        return small.clamp(0.0, 1.0).to(self.pipeline.device, self.pipeline.unet.dtype)


def load_diffusers_editor(
    name_or_path: str | Path = PUBLISHED,
    *,
    device: torch.device | str = "cpu",
    size: int = 512,
    batch: int = 1,
    download: bool = True,
) -> DiffusersEditor:
    """The editor of a checkpoint of InstructPix2Pix's family, in float16 on an accelerator.

    name_or_path: a folder in diffusers' layout, or a name on the Hugging Face hub, whose cache is
    looked at first. download: whether to fetch what the cache lacks. Raises RestyleError when
    diffusers is not installed, the computer is offline, or the checkpoint is of another kind.
    """
    classes = _classes()
    folder = checkpoint_folder(name_or_path, download=download)
    missing = _missing(folder)
    if missing:
        raise RestyleError(
            f"{name_or_path} lacks {missing[0]}; the editor diffusers needs a checkpoint of"
            " InstructPix2Pix in diffusers' layout, stored as safetensors."
        )
    device = torch.device(device)
    dtype = torch.float32 if device.type == "cpu" else torch.float16
    try:
        parts = {name: _part(kind, folder / name, dtype) for name, kind in classes.parts.items()}
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise RestyleError(
            f"{name_or_path} cannot be loaded as InstructPix2Pix: {error}"
        ) from error
    unet, vae = parts["unet"], parts["vae"]
    if unet.config.in_channels != 2 * vae.config.latent_channels:
        raise RestyleError(
            f"{name_or_path} does not take an image beside its sentence; give a checkpoint of"
            f" InstructPix2Pix's family, such as {PUBLISHED}."
        )
    pipeline = classes.pipeline(
        **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    return DiffusersEditor(pipeline.to(device), size=size, batch=batch)


def checkpoint_folder(name_or_path: str | Path, *, download: bool = True) -> Path:
    """The folder of a checkpoint: itself, or the cache's of a name on the hub. Raises
    RestyleError."""
    path = Path(name_or_path)
    if path.is_dir():
        return path
    name = str(name_or_path)
    if not HUB_NAME.fullmatch(name):
        raise RestyleError(
            f"There is no folder {name_or_path}; give a checkpoint's folder or its name on the"
            f" Hugging Face hub, such as {PUBLISHED}."
        )
    from huggingface_hub import snapshot_download

    allowed: Any = list(FILES)
    try:
        cached = Path(snapshot_download(name, allow_patterns=allowed, local_files_only=True))
    except Exception:  # the hub's client raises many kinds where the cache lacks it
        cached = None
    if cached is not None and not _missing(cached):
        return cached
    if not download:
        raise RestyleError(
            f"{name} is not in the cache of the Hugging Face hub; allow the download or give a"
            " folder."
        )
    try:
        return Path(snapshot_download(name, allow_patterns=allowed))
    except Exception as error:
        raise RestyleError(
            f"{name} is not in the cache of the Hugging Face hub and cannot be downloaded; try"
            " again with a connection, give a folder, or use --editor embedded."
        ) from error


def _missing(folder: Path) -> list[str]:
    """Files that a checkpoint needs and this folder lacks."""
    return [f for f in FILES if f not in OPTIONAL and not (folder / f).is_file()]


@dataclass(frozen=True)
class _Classes:
    """Those of diffusers and transformers that the checkpoint's parts are."""

    pipeline: Any
    parts: dict[str, Any]


def _classes() -> _Classes:
    """Raises RestyleError where diffusers is not installed."""
    try:
        diffusers: Any = import_module("diffusers")
    except ImportError as error:
        raise RestyleError(
            "The editor diffusers needs the package diffusers; install portraiture[diffusers] or"
            " use --editor embedded."
        ) from error
    from transformers import CLIPTextModel, CLIPTokenizer

    return _Classes(
        diffusers.StableDiffusionInstructPix2PixPipeline,
        {
            "unet": diffusers.UNet2DConditionModel,
            "vae": diffusers.AutoencoderKL,
            "text_encoder": CLIPTextModel,
            "tokenizer": CLIPTokenizer,
            "scheduler": diffusers.DDIMScheduler,
        },
    )


def _part(kind: Any, folder: Path, dtype: torch.dtype) -> Any:
    """One part, from this folder alone."""
    load = kind.from_pretrained
    if not issubclass(kind, torch.nn.Module):
        return load(folder, local_files_only=True)
    loaded = load(folder, use_safetensors=True, local_files_only=True, torch_dtype=dtype)
    return loaded.eval().requires_grad_(False)
