"""Heads mixed with others."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from edited_head import head

from portraiture.edit.run import mix
from portraiture.errors import EditError
from portraiture.head import Head
from portraiture.networks.features import planes_and_features
from portraiture.people.latent import sample_latents

__all__ = ["head"]
HALF = {"atol": 2e-3, "rtol": 1e-3}
"""Heads are kept in half precision."""


def test_a_mix_has_the_rows_of_both_and_keeps_what_the_photo_showed(head: Head) -> None:
    generator = head.network
    ws = generator.mapping(torch.from_numpy(sample_latents(1, 4)), None)
    other = replace(head, ws=ws, features=None, visible=None, planes=generator.planes(ws))
    assert head.ws is not None and head.features is not None
    mixed = mix(head, other, shape=0.25, look=1.0)
    half = ws.shape[1] // 2
    assert mixed.ws is not None and mixed.features is not None and 0 < half < ws.shape[1]
    torch.testing.assert_close(mixed.ws[:, :half], torch.lerp(head.ws, ws, 0.25)[:, :half], **HALF)
    torch.testing.assert_close(mixed.ws[:, half:], ws[:, half:], **HALF)
    _, plain = planes_and_features(generator, head.ws, 16)
    _, there = planes_and_features(generator, mixed.ws, 16)
    torch.testing.assert_close(mixed.features - there, head.features - plain, **HALF)

    alone = replace(head, features=None, visible=None, planes=generator.planes(head.ws))
    whole = mix(alone, other, shape=1.0, look=1.0)
    torch.testing.assert_close(whole.planes, other.planes, **HALF)
    none = mix(alone, other, shape=0.0, look=0.0)
    torch.testing.assert_close(none.planes, alone.planes, **HALF)


def test_what_cannot_be_mixed(head: Head) -> None:
    with pytest.raises(EditError, match="from 0 to 1"):
        mix(head, head, shape=1.5)
    with pytest.raises(EditError, match="one generator"):
        mix(head, replace(head, fingerprint="0" * 64))
    with pytest.raises(EditError, match="latent"):
        mix(replace(head, ws=None), head)
