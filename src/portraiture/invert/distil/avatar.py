"""An avatar of any kind, restyled or in a style, distilled into a neural head. [ours]

Avatar ─build─▶ bust ─views─▶ Sides ─DistilMethod.distilled─▶ Head
There is no photo: the front is the avatar's own. The planes start from the mean of W: from the head
of the nearest person, whose hair and glasses elves and statues lack, more floaters are left.
"""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from portraiture.avatar import Avatar
from portraiture.camera import eg3d_orbit
from portraiture.engine.style.recipes import style_shading
from portraiture.head import Head
from portraiture.invert.distil.method import DistilMethod
from portraiture.invert.distil.views import Sides, rendered, side_cameras
from portraiture.invert.inversion import make_head
from portraiture.models import Models, default_models
from portraiture.ops.resize import resized
from portraiture.people.views import head_frame
from portraiture.perception.target import Target
from portraiture.progress import SILENT, Progress, raise_if_cancelled
from portraiture.render.light import studio_light


def distil_avatar(
    avatar: Avatar,
    *,
    network: str = "heads",
    models: Models | None = None,
    progress: Progress = SILENT,
) -> Head:
    """The neural head that looks like an avatar in its expression and style, from all sides.

    network: name or path of a generator of the engine's people. Raises InversionError where it is
    of others, CancelledError before there is a head; later cancels end a stage early.
    """
    method = DistilMethod(models or default_models(), str(network))
    method.check(1)
    sides = avatar_sides(avatar, method, progress)
    raise_if_cancelled(progress)
    found = method.distilled(_mean(method), sides, progress)
    head = make_head(found, _target(sides), method)
    facts = {**head.facts, "prompt": avatar.provenance.get("prompt", ""), "style": avatar.style}
    return replace(head, facts={name: value for name, value in facts.items() if value != ""})


def _mean(method: DistilMethod) -> Float[Tensor, "1 N D"]:
    """The mean of W in every row."""
    mean = method.generator.backbone.mapping.w_avg.detach()
    return mean.expand(1, method.generator.num_ws, -1).clone()


def avatar_sides(avatar: Avatar, method: DistilMethod, progress: Progress = SILENT) -> Sides:
    """The avatar from the front and from all sides, in studio light."""
    bust = avatar.bust(expression=avatar.expression)
    cameras = [eg3d_orbit(0.0, 0.0), *side_cameras()]
    progress.stage("Render the avatar", len(cameras))
    config = method.generator.config
    return rendered(
        bust, head_frame(bust.landmarks), cameras, studio_light(), size=config.image_size,
        neural=config.neural_resolution, shading=style_shading(avatar.style), progress=progress,
    )  # fmt: skip


def _target(sides: Sides) -> Target:
    """The front as what a head is compared with."""
    image = sides.image[:1]
    person = resized(sides.alpha[:1], image.shape[-1]).clamp(0.0, 1.0)
    return Target(image, image, person, sides.camera[:1])
