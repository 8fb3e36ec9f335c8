"""Processes of pytest-xdist share the machine, so that numba's kernels run in one thread in each of
them, and threads that wait hardly spin, which would take half of all processor time. torch keeps
two threads: with one, its backward pass corrupted the heap on a processor with AVX2 alone (torch
2.13, "free(): invalid size").
"""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch is loaded

import numba
import torch

if "PYTEST_XDIST_WORKER" in os.environ:
    numba.set_num_threads(1)
    torch.set_num_threads(2)
