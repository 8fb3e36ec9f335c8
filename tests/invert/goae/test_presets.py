"""Presets of GOAE's two stages against the paper's numbers."""

from __future__ import annotations

from portraiture.invert.goae.presets import ALIGNMENT, ENCODER


def test_the_paper_presets_have_the_published_lengths_and_rates() -> None:
    """Batch 3 and 2, one and 0.8 million steps; Ranger and Adam."""
    encoder, alignment = ENCODER["paper"], ALIGNMENT["paper"]
    assert (encoder.run.batch, encoder.run.steps) == (3, 1_000_000)
    assert encoder.optimizer == "ranger"
    assert (encoder.learning_rate, encoder.discriminator_rate) == (1e-4, 2e-5)
    assert (alignment.run.batch, alignment.run.steps) == (2, 800_000)
    assert (alignment.learning_rate, alignment.feature_weight) == (2.5e-5, 1e-4)
    assert alignment.alignment.mixing == "attention" and alignment.other_weight == 0.0
