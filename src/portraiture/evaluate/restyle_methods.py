"""Ways of giving a head a style that `evaluate.restyle` compares: FF3D's, its ablations (Ma et al.
2023, table 2 and figure 7) and baselines (section 4.4).

subject, sentence, cameras ─▶ images, and the depth that they are compared by
Letters: V views, R side of an image, n neural resolution, N rows of w+, D w dimension.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.image_to_planes import ImageToPlanes, spread_of_planes
from portraiture.perception.features import FeatureNetwork
from portraiture.progress import SILENT, Progress
from portraiture.restyle.editors import Editor, EditStart
from portraiture.restyle.few_shot import FewShot, cameras_at, make_few_shot, views_of
from portraiture.restyle.fine_tune import FineTuning, fine_tune, styled_planes
from portraiture.restyle.modulation import tune_layers

Ablation = Literal["none", "no I2T", "no pretraining", "no spatial w_s"]


class Subject(NamedTuple):
    """A head to be restyled."""

    planes: Float[Tensor, "1 3 C P P"]
    ws: Float[Tensor, "1 N D"]


class Shown(NamedTuple):
    """images: in [-1, 1]. depth, opacity: of the head that they show, or, for images without one,
    of the head that was edited."""

    images: Float[Tensor, "V 3 R R"]
    depth: Float[Tensor, "V 1 n n"]
    opacity: Float[Tensor, "V 1 n n"]


class StyleMethod(Protocol):
    """name: what tables call it."""

    @property
    def name(self) -> str: ...

    def restyle(
        self, generator: TriPlaneGenerator, subject: Subject, prompt: str,
        cameras: Float[Tensor, "V 25"], progress: Progress = SILENT,
    ) -> Shown:  # fmt: skip
        """The subject in the style, from these cameras."""
        ...


@torch.no_grad()
def shown_from(
    generator: TriPlaneGenerator, subject: Subject, cameras: Float[Tensor, "V 25"]
) -> Shown:
    """A head as it is."""
    images, depths, opacities = [], [], []
    for camera in cameras.to(subject.planes).split(1):
        volume = generator.render(subject.planes, camera, deterministic=True)
        images.append(generator.upsample(volume.features, subject.ws).clamp(-1.0, 1.0))
        depths.append(volume.depth)
        opacities.append(volume.opacity)
    return Shown(torch.cat(images), torch.cat(depths), torch.cat(opacities))


@dataclass(frozen=True)
class PerView:
    """Every view edited by itself, with one noise: the few-shot set without any 3D."""

    editor: Editor
    start: EditStart = "image"
    name: str = "2D editing per view"

    def restyle(
        self, generator: TriPlaneGenerator, subject: Subject, prompt: str,
        cameras: Float[Tensor, "V 25"], progress: Progress = SILENT,
    ) -> Shown:  # fmt: skip
        plain = shown_from(generator, subject, cameras)
        edited = self.editor.edit(plain.images, prompt, start=self.start, progress=progress)
        return plain._replace(images=edited.to(plain.images))


@dataclass(frozen=True)
class EditedInversion:
    """The edited front view inverted into the generator. invert: image in [-1, 1] → planes, w+."""

    editor: Editor
    invert: Callable[[Tensor], tuple[Tensor, Tensor]]
    name: str = "inversion of the edited image"

    def restyle(
        self, generator: TriPlaneGenerator, subject: Subject, prompt: str,
        cameras: Float[Tensor, "V 25"], progress: Progress = SILENT,
    ) -> Shown:  # fmt: skip
        front = edited_front(generator, subject, prompt, self.editor, progress)
        return shown_from(generator, Subject(*self.invert(front)), cameras)


@dataclass(frozen=True)
class OnePass:
    """The edited front view through a network that was trained on many styles."""

    editor: Editor
    network: ImageToPlanes
    name: str = "many styles, one pass"

    def restyle(
        self, generator: TriPlaneGenerator, subject: Subject, prompt: str,
        cameras: Float[Tensor, "V 25"], progress: Progress = SILENT,
    ) -> Shown:  # fmt: skip
        front = edited_front(generator, subject, prompt, self.editor, progress)
        with torch.no_grad():
            made = styled_planes(self.network, front, generator)
        return shown_from(generator, Subject(*made), cameras)


def edited_front(
    generator: TriPlaneGenerator, subject: Subject, prompt: str, editor: Editor,
    progress: Progress = SILENT,
) -> Float[Tensor, "1 3 R R"]:  # fmt: skip
    """The subject's front view in the style."""
    plain = views_of(generator, subject.planes, subject.ws, cameras_at([(0.0, 0.0)]))
    return editor.edit(plain, prompt, progress=progress).to(subject.planes)


@dataclass(frozen=True)
class FewShotTuning:
    """FF3D, whole or without a part. network: H, pre-trained. ablation: "no spatial w_s" averages
    the code of the pre-trained network over positions [ours: the paper may have pre-trained another
    one]."""

    editor: Editor
    network: ImageToPlanes
    features: FeatureNetwork
    config: FineTuning = field(default_factory=FineTuning)
    sides: int = 10
    start: EditStart = "image"
    ablation: Ablation = "none"
    name: str = "FF3D"

    def restyle(
        self, generator: TriPlaneGenerator, subject: Subject, prompt: str,
        cameras: Float[Tensor, "V 25"], progress: Progress = SILENT,
    ) -> Shown:  # fmt: skip
        few = make_few_shot(
            generator, subject.planes, subject.ws, prompt, self.editor, sides=self.sides,
            start=self.start, progress=progress,
        )  # fmt: skip
        return shown_from(generator, self._tuned(generator, subject, few, progress), cameras)

    def _tuned(
        self, generator: TriPlaneGenerator, subject: Subject, few: FewShot, progress: Progress
    ) -> Subject:
        if self.ablation == "no I2T":
            planes = tune_layers(
                few, generator, subject.planes, subject.ws, self.features, self.config,
                progress=progress,
            )  # fmt: skip
            return Subject(planes, subject.ws)
        start = self._start(generator)
        tuned = fine_tune(start, few, generator, self.features, self.config, progress=progress)
        front = few.images[few.front][None].to(subject.planes)
        with torch.no_grad():
            return Subject(*styled_planes(tuned, front, generator))

    def _start(self, generator: TriPlaneGenerator) -> ImageToPlanes:
        match self.ablation:
            case "no pretraining":
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(0)
                    network = ImageToPlanes(self.network.config)
                network.spread.fill_(spread_of_planes(generator))
                return network
            case "no spatial w_s":
                config = replace(self.network.config, spatial=False)
                network = ImageToPlanes(config)
                network.load_state_dict(self.network.state_dict())
                return network
            case "none" | "no I2T":
                return self.network


def ablations(whole: FewShotTuning) -> list[FewShotTuning]:
    """FF3D, the ablations of table 2, and those of figure 7."""
    smooth = replace(whole.config, losses=replace(whole.config.losses, dr=0.0))
    parts: tuple[Ablation, ...] = ("no I2T", "no pretraining", "no spatial w_s")
    return [
        whole,
        *(replace(whole, ablation=part, name=f"{whole.name}, {part}") for part in parts),
        replace(whole, config=smooth, name=f"{whole.name}, no density regularisation"),
        replace(whole, start="noise", name=f"{whole.name}, plain noise"),
    ]
