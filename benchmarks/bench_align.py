"""Acceptance, speed and quality of `photo.align` over a folder of photos.

python benchmarks/bench_align.py FOLDER [--json align.json]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from metric import Metric, Row, metrics_from

from portraiture.errors import PhotoError
from portraiture.photo.align import align
from portraiture.types import Quality

MEASURES = ("face_px", "sharpness", "exposure", "yaw", "pitch", "roll", "occlusion", "glasses")
ANGLES = ("yaw", "pitch", "roll")
ROWS = (
    Row("share", "align/photos accepted", "%", "higher", 2.0, scale=100.0),
    Row("seconds", "align/seconds to align a photo", "s", "lower", factor=3.0),
)


def photos_in(folder: Path) -> list[Path]:
    """Every file, sorted by name."""
    return sorted(path for path in folder.iterdir() if path.is_file())


def align_all(paths: list[Path]) -> tuple[dict[str, Quality], dict[str, str], list[float]]:
    """Of the accepted their quality, of the refused the reason, of each the seconds."""
    accepted: dict[str, Quality] = {}
    refused: dict[str, str] = {}
    seconds: list[float] = []
    for path in paths:
        start = time.perf_counter()
        try:
            accepted[path.name] = align(path).quality
        except PhotoError as error:
            refused[path.name] = str(error)
        seconds.append(time.perf_counter() - start)
    return accepted, refused, seconds


def measure(folder: Path, *, every: int = 1) -> list[Metric]:
    """Of every n-th file of a folder."""
    accepted, _, seconds = align_all(photos_in(folder)[::every])
    figures = {"share": len(accepted) / len(seconds), "seconds": float(np.median(seconds))}
    return metrics_from(figures, ROWS)


def main() -> None:
    """Align every file, print the refused ones, a table of the quality measures, and speed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path, default=None, help="write the figures here, too")
    options = parser.parse_args()
    paths = photos_in(options.folder)
    accepted, refused, seconds = align_all(paths)
    for name, reason in refused.items():
        print(f"refused {name}: {reason}")
    print(f"{'':12}{'min':>9}{'median':>9}{'max':>9}")
    for measure in MEASURES if accepted else ():
        values = np.array([getattr(quality, measure) for quality in accepted.values()])
        values = np.degrees(values) if measure in ANGLES else values
        print(f"{measure:12}{values.min():9.2f}{np.median(values):9.2f}{values.max():9.2f}")
    figures = {
        "photos": len(paths),
        "accepted": len(accepted),
        "share": len(accepted) / max(len(paths), 1),
        "seconds_first": seconds[0] if seconds else 0.0,
        "seconds_median": float(np.median(seconds)) if seconds else 0.0,
        "refused": refused,
    }
    print(
        f"accepted {len(accepted)} of {len(paths)} ({100 * figures['share']:.1f} %), "
        f"{figures['seconds_median']:.2f} s a photo, {figures['seconds_first']:.2f} s the first"
    )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
