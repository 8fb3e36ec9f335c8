"""Processes of pytest-xdist share the machine, so that numba's kernels run in one thread in each of
them, and threads that wait hardly spin: several processes would spin for half of all processor time.
torch keeps two threads: with one, its backward pass corrupted the heap on a machine with AVX2 alone
(torch 2.13, "free(): invalid size")."""

from __future__ import annotations

import os

from portraiture.processes import configure_process

configure_process()  # before numba and torch are loaded

import numba  # noqa: E402
import torch  # noqa: E402

if "PYTEST_XDIST_WORKER" in os.environ:
    numba.set_num_threads(1)
    torch.set_num_threads(2)
