"""Real graphs: a training with them is the training without, and launches less."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from backbones.probe import Choice
from benchmarks.contract import tiny
from benchmarks.running.job import begin
from benchmarks.training.forward import seed_network
from benchmarks.training.gpu import cuda_graphs
from benchmarks.training.loop import run
from tests.gpu.test_jobs import open_on_gpu
from tests.making import digits_suite


def _trained(out: Path, strategy: str, graphs: bool) -> tuple[list[float], bool]:
    suite = digits_suite({"cuda_graphs": graphs, "epochs": {"head": 4, "tail": 4, "all": 4}})
    session = open_on_gpu(out, strategy, suite)
    training = begin(session.context, next(iter(session.plan.jobs.values())))
    run(training, lambda *_: None, lambda _: None)
    captured = training.graphs is not None and not training.graphs.why_not and training.graphs.count > 0
    if training.graphs is not None:
        held = torch.cuda.memory_allocated()
        training.graphs.close()
        assert not captured or torch.cuda.memory_allocated() < held
    return [epoch.loss for epoch in training.history], captured


@pytest.mark.parametrize("strategy", ["none", "mixup", "bcl", "ride", "ema"])
def test_a_training_with_graphs_is_the_one_without(tmp_path: Path, strategy: str) -> None:
    with_graphs, captured = _trained(tmp_path / "graphs", strategy, graphs=True)
    without, none = _trained(tmp_path / "eager", strategy, graphs=False)
    assert captured and not none
    torch.testing.assert_close(with_graphs, without, rtol=0.01, atol=0)


def test_dropout_is_drawn_again_in_every_step_and_by_the_step_s_seed() -> None:
    with tiny.backbone():
        network = tiny.network(3).cuda()
    network.encoder = torch.nn.Sequential(network.encoder, torch.nn.Dropout(0.5)).cuda()
    graphs = cuda_graphs.Graphs(network, Choice("contiguous", "float32"), torch.device("cuda"))
    images_BCHW = torch.rand(8, 3, 8, 8, device="cuda")
    seen = []
    for step in (0, 1, 2, 3, 4, 5, 4):
        seed_network(step, torch.device("cuda"))
        seen.append(graphs(images_BCHW)[1].detach().clone())
    assert graphs.count == 1 and not torch.equal(seen[4], seen[5])
    assert torch.equal(seen[4] == 0, seen[6] == 0)


class Waits(torch.nn.Module):
    """Dropout, and a step that waits for the GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 8), torch.nn.Dropout(0.5))
        self.waits = True

    def forward(self, images_BCHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features_BF = self.encoder(images_BCHW)
        if self.waits:
            features_BF.sum().item()
        return features_BF, features_BF


@pytest.mark.parametrize("found_out", [True, False])
def test_a_network_that_cannot_be_captured_goes_on_without(monkeypatch: pytest.MonkeyPatch, found_out: bool) -> None:
    if not found_out:  # an operation that torch's check does not know: the capture itself fails
        monkeypatch.setattr(cuda_graphs, "try_without_waiting", lambda *_: None)
    network = Waits().cuda()
    graphs = cuda_graphs.Graphs(network, Choice("contiguous", "float32"), torch.device("cuda"))  # type: ignore[arg-type]
    images_BCHW = torch.rand(8, 3, 8, 8, device="cuda")
    for _ in range(6):
        graphs(images_BCHW)[0].sum().backward()
    assert graphs.count == 0 and graphs.why_not
    torch.zeros(2**28, device="cuda")  # memory is still there, and is still freed
