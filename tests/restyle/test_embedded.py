"""Our own editor: its data on disk, and edits that it learns from them and from their sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from edit_cases import COLOURS, hashed, render_tint
from recorded_progress import RecordedProgress
from torch import Tensor

from portraiture.cli.choices import Choices
from portraiture.cli.recipes import make_recipe
from portraiture.data.edit_set import EditSet
from portraiture.errors import (
    CancelledError,
    CheckpointError,
    DataError,
    RestyleError,
    TrainingError,
)
from portraiture.invert.i2t.presets import LARGE
from portraiture.networks.image_to_planes import ImageToPlanes
from portraiture.networks.instruction_unet import InstructionUNet, InstructionUNetConfig
from portraiture.people.edit_pairs import (
    EditPair,
    edit_path,
    edits_in,
    embed_sentences,
    load_edit,
    load_sentences,
    make_edit_pairs,
    save_edit,
)
from portraiture.restyle.diffusion import kept_signal, v_of
from portraiture.restyle.embedded import (
    EDITOR,
    EditorTraining,
    EmbeddedEditor,
    TrainEditor,
    editor_loss,
    fitted_editor,
    load_embedded_network,
)
from portraiture.train.distributed import World
from portraiture.train.loop import run_recipe
from portraiture.train.rng import step_rng
from portraiture.weights import Card, write_weights


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_edit_pairs(tmp_path / "edits", range(6), render_tint, hashed, size=32)
    return tmp_path / "edits"


def test_pairs_are_written_resumed_and_read(folder: Path) -> None:
    assert len(edits_in(folder)) == 6
    for index, path in enumerate(edits_in(folder)):
        wanted, found = render_tint(0, index, 32), load_edit(path)
        assert (found.concept, found.sentences) == (wanted.concept, wanted.sentences)
        assert np.abs(found.before.astype(int) - wanted.before).mean() < 8.0
        assert np.abs(found.after.astype(int) - wanted.after).mean() < 8.0
    vectors = load_sentences(folder)
    assert {"make it red", "turn it red"} <= vectors.keys()
    for sentence, vector in vectors.items():
        assert np.allclose(vector, hashed([sentence])[0], atol=1e-3)
    stamp = edit_path(folder, 0).stat().st_mtime_ns
    make_edit_pairs(folder, range(7), render_tint, hashed, size=32)
    assert len(edits_in(folder)) == 7 and edit_path(folder, 0).stat().st_mtime_ns == stamp
    with pytest.raises(DataError, match="other settings"):
        make_edit_pairs(folder, range(7), render_tint, hashed, size=64)


def test_files_that_are_no_pairs_are_refused(folder: Path, tmp_path: Path) -> None:
    path, whole = edit_path(folder, 0), edit_path(folder, 0).read_bytes()
    for data in (b"", whole[:100], whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(DataError, match="not a pair"):
            load_edit(path)
    grey = np.full((32, 32, 3), 9, np.uint8)
    save_edit(EditPair(grey, grey[:16, :16], ("a",), "b"), path)
    with pytest.raises(DataError, match="do not fit"):
        load_edit(path)
    save_edit(EditPair(grey, grey, ("unheard",), "b"), path)
    data = EditSet(folder)
    with pytest.raises(DataError, match="without a vector"):
        data.pair(0)
    (folder / "sentences.npz").write_bytes(b"")
    with pytest.raises(DataError, match="sentences and their vectors"):
        EditSet(folder)
    with pytest.raises(TrainingError, match="no edit_"):
        EditSet(tmp_path)
    with pytest.raises(DataError, match="no edit_"):
        embed_sentences(tmp_path, hashed)


def test_batches_are_pairs_with_one_of_their_sentences(folder: Path) -> None:
    data = EditSet(folder)
    batch = data.sample(40, torch.Generator().manual_seed(0))
    vectors = {name: torch.from_numpy(v) for name, v in data.vectors.items()}
    heard, turned = set(), 0
    for before, after, told in zip(batch.before, batch.after, batch.sentence, strict=True):
        (sentence,) = [name for name, v in vectors.items() if torch.equal(v, told)]
        heard.add(sentence)
        index = next(k for k in range(6) if sentence in data.pair(k).sentences)
        colour = torch.tensor(COLOURS[data.pair(index).concept]) / 127.5 - 1.0
        assert torch.allclose(after[:, 16, 16], 0.5 * before[:, 16, 16] + 0.5 * colour, atol=0.15)
        turned += float(before[:, :, :16].mean()) > float(before[:, :, 16:].mean())
    assert len(heard) == len(vectors) and 5 < turned < 35


def trained_on(folder: Path, steps: int) -> InstructionUNet:
    config = replace(
        fitted_editor(EDITOR["tiny"], EditSet(folder)), learning_rate=8e-3, decay_steps=steps,
        half_life=20.0,
    )  # fmt: skip
    made = TrainEditor(config, EditSet(folder))
    state = made.build(World())
    for step in range(steps):
        state.step = step
        batch = made.batch(step, 8, torch.Generator().manual_seed(step))
        made.step(state, batch, step_rng(0, step, 0, torch.device("cpu")), World())
    network = state.averages["editor"]
    assert isinstance(network, InstructionUNet)
    return network


def test_an_edit_follows_its_sentence(folder: Path) -> None:
    torch.manual_seed(0)
    editor = EmbeddedEditor(trained_on(folder, 160), hashed, text_guidance=1.5, steps=10)
    unseen = torch.from_numpy(render_tint(0, 77, 64).before).permute(2, 0, 1)[None] / 127.5 - 1.0
    errors = {}
    for said in ("red", "blue"):
        found = editor.edit(unseen, f"make it {said}", seed=1)
        for meant in ("red", "blue"):
            colour = torch.tensor(COLOURS[meant])[:, None, None] / 127.5 - 1.0
            errors[said, meant] = float((found - (0.5 * unseen + 0.5 * colour)).abs().mean())
    for said, other in (("red", "blue"), ("blue", "red")):
        assert errors[said, said] < 0.6 * errors[said, other], errors


def test_an_edit_is_the_same_again_and_counts_its_images(folder: Path) -> None:
    torch.manual_seed(0)
    network = InstructionUNet(fitted_editor(EDITOR["tiny"], EditSet(folder)).network)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    editor = EmbeddedEditor(network.eval(), hashed, steps=3, batch=2, image_guidance=1.5)
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2.0 - 1.0
    progress = RecordedProgress()
    progress.stage("Edit")
    first = editor.edit(images, "make it red", progress=progress)
    assert progress.steps == {"Edit": 3}
    assert torch.equal(first, editor.edit(images, "make it red"))
    assert torch.allclose(first[2:], editor.edit(images[2:], "make it red"), atol=1e-4)
    for other in (
        editor.edit(images, "make it blue"), editor.edit(images, "make it red", seed=1),
        editor.edit(images, "make it red", start="noise"),
    ):  # fmt: skip
        assert not torch.allclose(first, other, atol=1e-4)
    stopping = RecordedProgress(cancel_after=1)
    stopping.stage("Edit")
    with pytest.raises(CancelledError):
        editor.edit(images, "make it red", progress=stopping)
    with pytest.raises(RestyleError, match="sentence vectors"):
        EmbeddedEditor(network, lambda s: np.zeros((len(s), 3))).edit(images, "x")


def test_what_is_finer_than_the_network_sees_is_kept() -> None:
    """A network that predicts the image as it was: nothing changes, the finest detail included."""

    class Same(InstructionUNet):
        def forward(
            self, noisy: Tensor, timesteps: Tensor, image: Tensor, sentence: Tensor
        ) -> Tensor:
            kept = kept_signal(1000)[timesteps.long()][:, None, None, None]
            noise = (noisy - kept.sqrt() * image) / (1.0 - kept).sqrt()
            return v_of(image, noise, kept)

    network = Same(InstructionUNetConfig(image_size=32, widths=(8, 16), sentence=16, heads=2))
    images = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2.0 - 1.0
    editor = EmbeddedEditor(network, hashed)
    assert torch.allclose(editor.edit(images, "x"), images, atol=1e-3)


def test_the_loss_drops_conditions_as_often_as_published() -> None:
    seen = []

    class Watching(InstructionUNet):
        def forward(
            self, noisy: Tensor, timesteps: Tensor, image: Tensor, sentence: Tensor
        ) -> Tensor:
            blind, silent = (image == 0).flatten(1).all(1), (sentence == 0).all(1)
            seen.append(torch.stack([blind, silent, blind & silent], 1))
            return torch.zeros_like(noisy)

    network = Watching(InstructionUNetConfig(image_size=32, widths=(8,), sentence=16, heads=2))
    from portraiture.data.edit_set import EditBatch

    ones = torch.ones(4000, 3, 32, 32)
    config = EditorTraining(run=EDITOR["tiny"].run, change=0.0)
    batch = EditBatch(0.5 * ones, 0.3 * ones, torch.ones(4000, 16))
    loss = editor_loss(network, batch, torch.Generator().manual_seed(0), config)
    shares = torch.cat(seen).float().mean(0).tolist()
    assert shares == pytest.approx([0.10, 0.10, 0.05], abs=0.015)
    kept = kept_signal(1000)
    wanted = float((kept + (1.0 - kept) * 0.3**2).mean())
    assert float(loss) == pytest.approx(wanted, rel=0.05)


def test_the_recipe_trains_saves_and_fits_its_data(folder: Path, tmp_path: Path) -> None:
    made = make_recipe("editor", Choices(preset="tiny", data=folder))
    run_recipe(made, tmp_path / "run", world=World())
    weights = tmp_path / "run" / "networks" / "editor.safetensors"
    assert load_embedded_network(weights).config.sentence == 16
    with pytest.raises(TrainingError, match="32 pixels"):
        make_recipe("editor", Choices(preset="gpu", data=folder))
    with pytest.raises(TrainingError, match="random weights"):
        make_recipe("editor", Choices(preset="tiny", data=folder, start="heads"))
    with pytest.raises(TrainingError, match="not what parser"):
        make_recipe("parser", Choices(preset="tiny", data=folder))
    with pytest.raises(CheckpointError):
        load_embedded_network("heads")


def test_it_and_the_planes_network_are_sixteen_megabytes(tmp_path: Path) -> None:
    """As they would ship, in 8 bits; and the file loads."""
    networks = (InstructionUNet(EDITOR["gpu"].network), ImageToPlanes(LARGE))
    total = 0
    for network in networks:
        path = tmp_path / f"{network.model_name}.safetensors"
        card = Card(network.model_name, asdict(network.config))
        write_weights(path, network.state_dict(), card, storage="int8")
        total += path.stat().st_size
    assert total <= 16_000_000
    assert load_embedded_network(tmp_path / "instruction-unet.safetensors").config == (
        EDITOR["gpu"].network
    )


def test_attention_is_over_positions() -> None:
    """Brute force over heads and positions."""
    from portraiture.networks.instruction_unet import SelfAttention

    torch.manual_seed(0)
    layer = SelfAttention(8, 2).double()
    torch.nn.init.normal_(layer.out.weight)
    x = torch.randn(1, 8, 3, 3, dtype=torch.float64)
    with torch.no_grad():
        found = layer(x)
        q, k, v = layer.qkv(layer.norm(x))[0].flatten(1).reshape(3, 2, 4, 9)
        mixed = torch.zeros(8, 9, dtype=torch.float64)
        for head in range(2):
            for at in range(9):
                scores = torch.tensor([float(q[head, :, at] @ k[head, :, b]) / 2 for b in range(9)])
                shares = scores.double().softmax(0)
                mixed[4 * head : 4 * head + 4, at] = (v[head] * shares).sum(1)
        wanted = x + layer.out(mixed.reshape(1, 8, 3, 3))
    assert torch.allclose(found, wanted, atol=1e-6)


def test_sentences_are_a_sequence() -> None:
    def embed(sentences: Sequence[str]) -> Tensor:
        assert list(sentences) == ["x"]
        return torch.ones(1, 16)

    network = InstructionUNet(
        InstructionUNetConfig(image_size=32, widths=(8,), sentence=16, heads=2)
    )
    EmbeddedEditor(network, embed, steps=1).edit(torch.zeros(1, 3, 32, 32), "x")
