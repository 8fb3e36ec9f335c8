"""Presets of the supporting networks' recipes; see `generate.train.presets`."""

from __future__ import annotations

from dataclasses import replace

from portraiture.data.distort import Distortion
from portraiture.perception.attributes import AttributesConfig
from portraiture.perception.identity import IdentityConfig
from portraiture.perception.parser import ParserConfig
from portraiture.perception.portrait_parser import PortraitParserConfig
from portraiture.perception_training.attributes import AttributesTraining
from portraiture.perception_training.identity import IdentityTraining
from portraiture.perception_training.parser import ParserTraining
from portraiture.perception_training.portrait_parser import PortraitParserTraining, sources
from portraiture.train.loop import RunConfig
from portraiture.train.run_presets import TINY_RUN
from portraiture.types import Preset

_CPU_RUN = RunConfig(
    steps=1200, batch=64, precision="bf16", log_every=20, grid_every=400, checkpoint_every=100
)
_GPU_RUN = replace(_CPU_RUN, steps=12_000, batch=256)

IDENTITY: dict[Preset, IdentityTraining] = {
    "tiny": IdentityTraining(
        run=TINY_RUN,
        network=IdentityConfig(width=4, neck=8, embedding=8, size=32),
        distortion=Distortion(size=32),
        people=8,
    ),
    "cpu": IdentityTraining(run=_CPU_RUN),
    "gpu": IdentityTraining(
        run=_GPU_RUN, people=65_536, margin=0.35, margin_steps=2_000, decay_steps=12_000
    ),
}
"""There is no `paper`: CosFace's own training set is not ours to use."""

PARSER: dict[Preset, ParserTraining] = {
    "tiny": ParserTraining(
        run=TINY_RUN,
        network=ParserConfig(widths=(4, 4, 4, 8), size=32),
        distortion=Distortion(size=32),
    ),
    "cpu": ParserTraining(run=replace(_CPU_RUN, steps=1500, batch=32), decay_steps=1500),
    "gpu": ParserTraining(
        run=_GPU_RUN,
        network=ParserConfig(size=256),
        distortion=Distortion(
            size=256, zoom=(0.75, 1.25), shift=0.05, turn=0.1, colour=0.75, blur=0.3, dye=0.6
        ),
        decay_steps=12_000,
    ),
}

PORTRAIT_PARSER: dict[Preset, PortraitParserTraining] = {
    "tiny": PortraitParserTraining(
        run=TINY_RUN,
        network=PortraitParserConfig(widths=(4, 4, 4, 8), size=32),
        **sources(32),
    ),
    "cpu": PortraitParserTraining(
        run=replace(_CPU_RUN, steps=1500, batch=16),
        network=PortraitParserConfig(size=192),
        **sources(192),
        decay_steps=1500,
    ),
    "gpu": PortraitParserTraining(
        run=replace(_GPU_RUN, steps=8_000, batch=96),
        network=PortraitParserConfig(),
        **sources(256),
    ),
}

ATTRIBUTES: dict[Preset, AttributesTraining] = {
    "tiny": AttributesTraining(run=TINY_RUN, network=AttributesConfig(width=4, size=32)),
    "cpu": AttributesTraining(
        run=replace(_CPU_RUN, steps=700, batch=32, precision="fp32"), decay_steps=700
    ),
    "gpu": AttributesTraining(
        run=replace(_GPU_RUN, precision="fp32"),
        network=AttributesConfig(width=48, size=128),
        decay_steps=12_000,
    ),
}
