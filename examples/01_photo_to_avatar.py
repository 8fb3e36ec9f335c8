"""A photo to an avatar, from Python: fit, look, change, export.

python examples/01_photo_to_avatar.py [PHOTO] [FOLDER]
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import portraiture
from portraiture.media import write_image
from portraiture.photo.demo_photo import demo_photo

photo = Path(sys.argv[1]) if len(sys.argv) > 1 else demo_photo()
folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("out/example")
folder.mkdir(parents=True, exist_ok=True)

avatar = portraiture.create(photo)
avatar.export(folder / "avatar.glb")
avatar.save(folder / "avatar.json")
write_image(folder / "left.png", avatar.render(yaw=0.6, size=768))

# Every parameter lies in [0, 1] or is a choice; see portraiture.engine.parameters.describe().
other = replace(
    avatar, parameters=replace(avatar.parameters, hair_style="bob", glasses_style="round")
)
write_image(folder / "other_hair.png", other.render(size=768, expression={"jawOpen": 0.2}))
