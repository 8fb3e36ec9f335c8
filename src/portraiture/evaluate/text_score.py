"""How well an image fits a sentence: CLIP where the user has it, and a score of ours without.

image ─CLIP─▶ feature ◀─cosine─▶ feature ◀─CLIP─ "an elf face"       (Ma et al. 2023, section 4.5)
image, original, sentence ─our editor's denoising error, told and untold─▶ gain             [ours]
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from portraiture.errors import RestyleError
from portraiture.networks.instruction_unet import InstructionUNet
from portraiture.ops.resize import resized
from portraiture.restyle.diffusion import kept_signal, v_of
from portraiture.restyle.embedded import EmbedSentences

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of the images that CLIP takes (Radford et al. 2021)."""
TIMES = (300, 450, 600, 750)
"""Timesteps out of 1000 at which the gain is measured."""


class TextScore(Protocol):
    """name: what tables call it."""

    @property
    def name(self) -> str: ...

    def score(
        self, images: Float[Tensor, "V 3 R R"], original: Float[Tensor, "V 3 R R"], prompt: str
    ) -> float:
        """Mean over images in [-1, 1]; original: the same views before the edit."""
        ...


@dataclass(frozen=True)
class ClipScore:
    """The paper's score. model: transformers' CLIPModel. tokenizer: its own. size: of its
    images."""

    model: Any
    tokenizer: Any
    size: int
    name: Literal["CLIP score"] = "CLIP score"

    @torch.no_grad()
    def score(
        self, images: Float[Tensor, "V 3 R R"], original: Float[Tensor, "V 3 R R"], prompt: str
    ) -> float:
        """Mean cosine between the images and "PROMPT face"."""
        mean, deviation = (
            torch.tensor(v)[:, None, None].to(images) for v in (CLIP_MEAN, CLIP_DEVIATION)
        )
        pixels = (resized(images, self.size) / 2.0 + 0.5 - mean) / deviation
        words = self.tokenizer(f"{prompt} face", truncation=True, return_tensors="pt")
        shown = self.model.visual_projection(self.model.vision_model(pixels).pooler_output)
        told = self.model.text_projection(
            self.model.text_model(words.input_ids.to(images.device)).pooler_output
        )
        return float(F.cosine_similarity(shown, told).mean())


def load_clip_score(folder: str | Path) -> ClipScore:
    """CLIP from a folder of transformers' layout, as safetensors; nothing is downloaded. Raises
    RestyleError."""
    from transformers import CLIPModel, CLIPTokenizer

    if not Path(folder).is_dir():
        raise RestyleError(f"There is no folder {folder} with CLIP's weights; give one.")
    try:
        model = CLIPModel.from_pretrained(folder, use_safetensors=True, local_files_only=True)
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise RestyleError(f"{folder} does not hold CLIP for transformers: {error}") from error
    vision: Any = model.config.vision_config
    return ClipScore(model.eval(), tokenizer, vision.image_size)


@dataclass(frozen=True)
class DenoisingGain:
    """Ours: by how much of its error our editor's network predicts an edited image better when it
    is told the sentence than when it is not; 1 would be perfect, 0 a sentence that does not help.
    It favours edits like those that the network was trained on. seed: of the noise."""

    network: InstructionUNet
    embed: EmbedSentences
    seed: int = 0
    name: Literal["denoising gain"] = "denoising gain"

    @torch.no_grad()
    def score(
        self, images: Float[Tensor, "V 3 R R"], original: Float[Tensor, "V 3 R R"], prompt: str
    ) -> float:
        """1 - error told / error untold, of errors summed over images and timesteps."""
        size, kept = self.network.config.image_size, kept_signal(self.network.config.timesteps)
        like = next(self.network.parameters())
        after, before = (resized(x.to(like), size).clamp(-1.0, 1.0) for x in (images, original))
        vector = torch.as_tensor(self.embed([prompt])).to(like).expand(len(after), -1)
        rng, told, untold = torch.Generator().manual_seed(self.seed), 0.0, 0.0
        for time in TIMES:
            step = round(time * len(kept) / 1000)
            noise = torch.randn(after.shape, generator=rng).to(like)
            noisy = kept[step].sqrt() * after + (1.0 - kept[step]).sqrt() * noise
            wanted = v_of(after, noise, kept[step])
            steps = torch.full((len(after),), float(step)).to(like)
            for sentence in (vector, torch.zeros_like(vector)):
                found = self.network(noisy, steps, before, sentence)
                error = float((found - wanted).square().sum())
                if sentence is vector:
                    told += error
                else:
                    untold += error
        return 1.0 - told / max(untold, 1e-12)
