"""Print the path of the demo photo: scikit-image's bundled portrait of the astronaut Eileen Collins
(NASA, public domain)."""

from __future__ import annotations

from pathlib import Path


def demo_photo() -> Path:
    """The photo's path inside the installed scikit-image."""
    import skimage

    return Path(skimage.__file__).parent / "data" / "astronaut.png"


if __name__ == "__main__":
    print(demo_photo())
