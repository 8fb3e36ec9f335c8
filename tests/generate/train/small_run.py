"""A tiny adversarial run as a program of its own: to be killed.

python small_run.py DATA OUT THREADS
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from portraiture.cli.recipes import Choices
from portraiture.cli.training import train

if __name__ == "__main__":
    data, out, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    train(
        "adversarial-faces",
        Choices("tiny", Path(data), steps=100_000),
        out=Path(out),
        device="cpu",
    )
