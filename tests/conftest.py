"""Processes of pytest-xdist share the machine, so that torch and numba work in one thread in each,
and threads that wait hardly spin, which would take half of all processor time."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch is loaded

import numba
import torch

if "PYTEST_XDIST_WORKER" in os.environ:
    numba.set_num_threads(1)
    torch.set_num_threads(1)
