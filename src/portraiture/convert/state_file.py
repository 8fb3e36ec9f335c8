"""A plain table of tensors out of a file that the user has: .safetensors, or what torch.save wrote,
read through the allow-list (`unpickle`) and never executed."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from portraiture.convert.account import tensors_in
from portraiture.convert.refusal import RefusalError
from portraiture.convert.torch_file import read_torch
from portraiture.errors import CheckpointError
from portraiture.weights import read_tensors

MAX_BYTES = 4_000_000_000


def read_state(path: Path | str) -> dict[str, Tensor]:
    """Tensors by name. Raises CheckpointError, one sentence, if the file cannot be read or holds
    anything else."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CheckpointError(f"{path} is larger than {MAX_BYTES:,} bytes.")
        if path.suffix == ".safetensors":
            return read_tensors(path)
        views = tensors_in(read_torch(path.read_bytes()))
        return {name: view.tensor() for name, view in views.items()}
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from error
    except RefusalError as error:
        raise CheckpointError(f"{path} is refused: {error}.") from error
