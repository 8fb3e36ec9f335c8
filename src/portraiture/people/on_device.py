"""Synthetic people in the training device's memory: a batch is one gather, and people can be added.

person_*.npz ─add─▶ uint8 and float tables of all views ─sample─▶ Example
Letters: K capacity in views, R side of the images, n = R / 2.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from portraiture.errors import DataError, TrainingError
from portraiture.people.people_file import PersonViews, load_person
from portraiture.people.people_set import Example, neural_depth, weight_table


class DevicePeople:
    """A growing `PeopleSet` in one device's memory: about 1.6 MB per person with four views at
    256².

    first: initial people, at least one. capacity: maximum number of people; further ones are
    rejected. The samples depend on the number of people at the time of the call, so runs are not
    reproducible bit for bit while people are added.
    """

    def __init__(self, first: list[PersonViews], *, capacity: int, device: torch.device) -> None:
        if not first:
            raise TrainingError("there are no people to train on; make some with synth.")
        self.device, self.capacity = device, max(capacity, len(first))
        self._views = len(first[0].rgb)
        self.side, self.latent_size = first[0].rgb.shape[1], first[0].latent_size
        self._table = torch.from_numpy(weight_table()).to(device)
        self._parts = self._allocate()
        self._count = 0
        self._first = list(first)
        for person in first:
            self.add(person)

    def _allocate(self) -> Example:
        k, side = self.capacity * self._views, self.side
        n = side // 2

        def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.empty(k, *shape, dtype=dtype, device=self.device)

        return Example(
            z=empty(self.latent_size),
            camera=empty(25),
            image=empty(3, side, side, dtype=torch.uint8),
            weight=empty(1, side, side, dtype=torch.uint8),
            small=empty(0),
            small_weight=empty(0),
            depth=empty(1, n, n),
            alpha=empty(1, n, n),
            solid=empty(1, n, n, dtype=torch.bool),
        )

    def __len__(self) -> int:
        return self._count

    def views(self, index: int) -> int:
        """Number of views of one person."""
        return self._views

    def person(self, index: int) -> PersonViews:
        """One of the initial people."""
        return self._first[index]

    def add(self, person: PersonViews) -> bool:
        """Add a person; returns False if the capacity is reached. Not thread-safe. Raises
        DataError when its arrays do not match the first person's."""
        if self._count >= self.capacity:
            return False
        shape = (len(person.rgb), person.rgb.shape[1], person.latent_size)
        if shape != (self._views, self.side, self.latent_size):
            raise DataError(f"a person is of another size or kind than the first: {shape}.")
        rows = slice(self._count * self._views, (self._count + 1) * self._views)
        for table, values in zip(self._parts, _stored(person), strict=True):
            if values is not None:
                table[rows].copy_(values)
        self._count += 1
        return True

    def sample(self, size: int, generator: torch.Generator) -> Example:
        """Sample `size` views of all people with replacement. generator: on the CPU; it seeds one
        on this device, which avoids copies and synchronisation."""
        seed = int(torch.randint(1 << 62, (1,), generator=generator))
        own = torch.Generator(self.device).manual_seed(seed)
        views = self._count * self._views
        return self._rows(torch.randint(views, (size,), generator=own, device=self.device))

    def example(self, index: int, view: int) -> Example:
        """One view of one person, B = 1."""
        return self._rows(torch.tensor([index * self._views + view], device=self.device))

    def _rows(self, rows: Tensor) -> Example:
        taken = {
            name: table.index_select(0, rows)
            for name, table in self._parts._asdict().items()
            if name not in ("small", "small_weight")
        }
        image = taken["image"].float() / 127.5 - 1.0
        weight = self._table[taken["weight"].int()]
        whole = {"image": image, "weight": weight, "solid": taken["solid"].float()}
        small = {"small": F.avg_pool2d(image, 2), "small_weight": F.avg_pool2d(weight, 2)}
        return Example(**(taken | whole | small))


def _stored(person: PersonViews) -> Example:
    """The stored arrays of a person's views; None for those computed when sampling."""
    depth, solid = zip(*(neural_depth(depth) for depth in person.depth), strict=True)
    latents = np.stack([person.image_latent(view) for view in range(len(person.rgb))])
    alpha = torch.from_numpy(person.alpha)[:, None].float() / 255.0
    values = {
        "z": torch.from_numpy(latents),
        "camera": torch.from_numpy(person.cameras),
        "image": torch.from_numpy(person.rgb).permute(0, 3, 1, 2),
        "weight": torch.from_numpy(person.segmentation)[:, None],
        "small": None,
        "small_weight": None,
        "depth": torch.cat(depth),
        "alpha": F.avg_pool2d(alpha, 2),
        "solid": torch.cat(solid).bool(),
    }
    return Example(**values)  # type: ignore[arg-type]


def load_people(paths: list[Path]) -> list[PersonViews]:
    """Load files of people, skipping damaged ones."""
    found: list[PersonViews] = []
    for path in paths:
        try:
            found.append(load_person(path))
        except DataError:
            continue
    return found
