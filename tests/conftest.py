"""Processes of pytest-xdist share the machine, so that kernels run in one thread in each of them:
threads of several processes that wait for each other spin, for half of all processor time."""

from __future__ import annotations

import os

import numba
import torch

if "PYTEST_XDIST_WORKER" in os.environ:
    numba.set_num_threads(1)
    torch.set_num_threads(1)
