"""Settings of the training of a style, and its presets.

`cpu` takes hours on two cores, `gpu` minutes on one large GPU, `paper` has the published length;
`tiny` is for tests. Sizes of the generator are those of G_s.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from portraiture.adapt.layers import Layers
from portraiture.adapt.warp import WarpConfig
from portraiture.networks.discriminator import DiscriminatorConfig
from portraiture.networks.eg3d import TriPlaneConfig
from portraiture.train.adversary import AdversaryConfig
from portraiture.train.loop import RunConfig
from portraiture.train.run_presets import TINY_RUN
from portraiture.types import Preset, StylePart


@dataclass(frozen=True)
class WarpWeights:
    """α, β, σ and the weight of R(T2) of the warp's training (appendix, "training details"). What
    they multiply is not published: α the mean squared difference of identity embeddings, β the
    adversarial loss, σ the bending energy, R(T2) the mean displacement of a control point.
    [ours]"""

    identity: float = 150.0
    adversarial: float = 1.0
    bending: float = 3.0
    displacement: float = 1.0


@dataclass(frozen=True)
class StyleTraining:
    """discriminator: its size is the largest at which it sees images; smaller than G_t's, it sees
    them shrunk [ours, for `cpu`]. layers: what is trained (section 3.2; "all" is naive
    fine-tuning). source: fingerprint of G_s. aligned: draw cameras from the recovered distribution,
    or as G_s's own data had them. conditional: whether D is told the cameras (the paper's is not).
    neural_first, neural_last, neural_from: side of raw images, and the step from which it is the
    last. coarse, fine: samples of a ray. density_*: EG3D's regularisation; with density_excess only
    of what exceeds G_s's own, for the densities of `heads` are steep on purpose [ours].
    delta_weight: of R(Δs). background_weight: of R(D). similarity_weight, similarity_blur: of
    `losses.depth_similarity`. flatness_weight: of `losses.flatness`. warp_from: step from which the
    warp alone is trained; warp_share: share of a limited time for that, 0 for none. grid_people:
    rows of the grid."""

    run: RunConfig
    discriminator: DiscriminatorConfig
    adversary: AdversaryConfig = field(default_factory=AdversaryConfig)
    layers: Layers = "linked"
    source: str = ""
    aligned: bool = True
    conditional: bool = False
    neural_first: int = 64
    neural_last: int = 128
    neural_from: int = 0
    coarse: int = 48
    fine: int = 48
    density_weight: float = 0.25
    density_reach: float = 0.004
    density_points: int = 1000
    density_excess: bool = True
    delta_weight: float = 0.001
    background_weight: float = 0.005
    similarity_weight: float = 20.0
    similarity_blur: float = 0.02
    flatness_weight: float = 0.0
    warp: WarpConfig = field(default_factory=WarpConfig)
    warp_weights: WarpWeights = field(default_factory=WarpWeights)
    warp_from: int = 0
    warp_share: float = 0.2
    grid_people: int = 6

    def fitting(self, generator: TriPlaneConfig) -> StyleTraining:
        """With the sizes of a source generator."""
        side = generator.neural_resolution
        size = min(self.discriminator.size, generator.image_size)
        condition = 25 if self.conditional else 0
        return replace(
            self,
            discriminator=replace(self.discriminator, size=size, channels=6, c_dim=condition),
            neural_first=min(self.neural_first, side),
            neural_last=min(self.neural_last, side),
        )

    def without(self, parts: frozenset[StylePart]) -> StyleTraining:
        """An ablation: one or more parts left out."""
        config = self
        for part in sorted(parts):
            match part:
                case "alignment":
                    config = replace(config, aligned=False)
                case "density":
                    config = replace(config, density_weight=0.0)
                case "delta":
                    config = replace(config, delta_weight=0.0)
                case "background":
                    config = replace(config, background_weight=0.0)
                case "similarity":
                    config = replace(config, similarity_weight=0.0)
                case "unconditional":
                    config = replace(config, conditional=True)
                case "link":
                    config = replace(config, layers="all")
                case "warp":
                    config = replace(config, warp_from=config.run.steps, warp_share=0.0)
        return config


NAIVE: frozenset[StylePart] = frozenset(
    ("alignment", "delta", "background", "similarity", "link", "warp")
)
"""What G_base, naive fine-tuning, leaves out."""

_ADVERSARY = AdversaryConfig(augment_target=0.6, augment_kimg=100.0, ema_kimg=5.0, ema_ramp=0.1)

STYLE: dict[Preset, StyleTraining] = {
    "tiny": StyleTraining(
        run=TINY_RUN,
        discriminator=DiscriminatorConfig(size=128, channels=6, channel_base=256, channel_max=8),
        adversary=AdversaryConfig(
            r1_every=2, generator_every=2, augment_target=0.6, augment_kimg=0.02, head_start=0
        ),
        neural_first=8,
        neural_last=12,
        neural_from=1,
        coarse=6,
        fine=0,
        density_points=16,
        warp=WarpConfig(controls=3, pooled=2, hidden=4),
        warp_from=1,
        grid_people=1,
    ),
    "cpu": StyleTraining(
        run=RunConfig(steps=3_000, batch=4, log_every=10, grid_every=100, checkpoint_every=50),
        discriminator=DiscriminatorConfig(size=128, channels=6, channel_base=4096, channel_max=128),
        adversary=replace(_ADVERSARY, head_start=50, ema_kimg=1.0),
        neural_first=64,
        neural_last=128,
        neural_from=2_200,
        coarse=24,
        fine=16,
        warp_from=2_500,
        grid_people=4,
    ),
    "gpu": StyleTraining(
        run=RunConfig(
            steps=4_000, batch=16, precision="bf16", log_every=20, grid_every=500,
            checkpoint_every=500,
        ),
        discriminator=DiscriminatorConfig(
            size=256, channels=6, channel_base=16384, channel_max=256
        ),
        adversary=_ADVERSARY,
        neural_from=2_600,
        coarse=32,
        fine=32,
        warp_from=3_300,
    ),
    "paper": StyleTraining(
        run=RunConfig(
            steps=375_000, batch=8, precision="bf16", log_every=100, grid_every=2_000,
            checkpoint_every=2_000,
        ),
        discriminator=DiscriminatorConfig(size=512, channels=6),
        adversary=replace(_ADVERSARY, augment_kimg=500.0),
        neural_from=110_000,
        density_excess=False,
        warp_from=125_000,
    ),
}  # fmt: skip
"""`paper`: caricatures, 880 thousand images at 64² and 120 at 128², then 2 million for the warp."""
