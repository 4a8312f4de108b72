"""When graphs are captured, and that nothing else changes: with a stand-in for torch's function, which needs a GPU."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from backbones.probe import Choice
from benchmarks.contract import tiny
from benchmarks.running import job as job_module
from benchmarks.running.job import run_job
from benchmarks.training.gpu.cuda_graphs import MOST_GRAPHS, SEEN_BEFORE_CAPTURE, Graphs, graphs_for
from strategies.combining.expression import parse

CPU, CHOICE = torch.device("cpu"), Choice("contiguous", "float32")


class StandIn:
    """Does what `make_graphed_callables` does to a module, its statistics and random numbers, and captures nothing."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.fails: Exception | None = None
        self.mode: int | str = 0
        self.tried = 0
        self.made: list[weakref.ref[nn.Module]] = []

    def __call__(self, whole: nn.Module, given: tuple[Tensor], *, allow_unused_input: bool, pool: object) -> nn.Module:
        assert not (torch.is_autocast_enabled("cpu") and torch.is_autocast_cache_enabled())
        self.tried += 1
        for _ in range(3):
            whole(*given)
        if self.fails:
            raise self.fails
        self.shapes.append(tuple(given[0].shape))
        self.made.append(weakref.ref(whole))
        inner, layout, before = whole.forward, (given[0].shape, given[0].stride()), []

        def replay(images_BCHW: Tensor) -> object:
            assert (images_BCHW.shape, images_BCHW.stride()) == layout
            for tensor in before:
                tensor.data.fill_(torch.nan)  # a graph writes its outputs to the same memory
            made = inner(images_BCHW)
            before[:] = tree_leaves(made)
            return made

        whole.forward = replay  # type: ignore[method-assign]
        return whole


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn()
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", made)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 1))
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: made.mode)
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", lambda mode: setattr(made, "mode", mode))
    return made


class Small(nn.Module):
    """Logits and features, with statistics and random numbers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
        self.classifier = nn.Linear(4, 2)

    def forward(self, images_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        features_BF = self.encoder(images_BCHW).mean((2, 3))
        return self.classifier(features_BF), features_BF


def _steps(network: nn.Module, runs: Callable[[Tensor], tuple[Tensor, Tensor]], sizes: list[int]) -> list[Tensor]:
    """Return copies of logits, gradients and buffers of a step with each batch size."""
    found: list[Tensor] = []
    for step, size in enumerate(sizes):
        torch.manual_seed(step)
        images_BCHW = torch.rand(size, 3, 8, 8)
        network.zero_grad()
        logits_BC, features_BF = runs(images_BCHW)
        (logits_BC.square().sum() + features_BF.sum()).backward()
        tensors = [logits_BC, *(p.grad for p in network.parameters()), *network.buffers()]
        found += [tensor.detach().clone() for tensor in tensors]
    return found


SIZES = [6, 5] * (SEEN_BEFORE_CAPTURE + 2)


def _graphs(network: nn.Module) -> Graphs:
    return Graphs(network, CHOICE, CPU)  # type: ignore[arg-type]


@pytest.mark.parametrize("fails", [None, RuntimeError("operation not permitted when stream is capturing")])
def test_a_captured_network_gives_the_same_bits_and_so_does_one_that_cannot_be(
    stand_in: StandIn, fails: Exception | None
) -> None:
    stand_in.fails = fails
    plain, graphed = Small(), Small()
    graphs = _graphs(graphed)
    expected = _steps(plain, plain, SIZES)
    assert all(map(torch.equal, _steps(graphed, graphs, SIZES), expected))
    assert stand_in.shapes == ([] if fails else [(6, 3, 8, 8), (5, 3, 8, 8)])
    assert ("RuntimeError: operation not permitted" in graphs.why_not) == bool(fails)


def test_a_network_that_waits_is_found_out_before_it_is_captured(stand_in: StandIn) -> None:
    class Waits(Small):
        def forward(self, images_BCHW: Tensor) -> tuple[Tensor, Tensor]:
            if stand_in.mode == "error":
                raise RuntimeError("called a synchronizing CUDA operation")
            return super().forward(images_BCHW)

    plain, network = Small(), Waits()
    graphs = _graphs(network)
    assert all(map(torch.equal, _steps(network, graphs, SIZES), _steps(plain, plain, SIZES)))
    assert "synchronizing" in graphs.why_not and stand_in.mode == 0
    assert stand_in.tried == 0


def test_shapes_that_are_seen_seldom_and_passes_without_gradients_are_not_captured(stand_in: StandIn) -> None:
    network = Small()
    graphs = _graphs(network)
    _steps(network, graphs, [*range(2, 12), *[12] * SEEN_BEFORE_CAPTURE])
    with torch.no_grad():
        for _ in range(SEEN_BEFORE_CAPTURE + 1):
            graphs(torch.rand(12, 3, 8, 8))
    assert stand_in.shapes == []


def test_a_network_with_a_hook_on_a_layer_is_not_captured(stand_in: StandIn) -> None:
    network, seen = Small(), []
    network.classifier.register_forward_hook(lambda module, given, made: seen.append(len(made)))
    _steps(network, _graphs(network), [6] * 6)
    assert stand_in.shapes == [] and seen == [6] * 6


def test_tensors_that_a_hook_replaces_are_captured_again_and_few_graphs_are_kept(stand_in: StandIn) -> None:
    network = Small()
    graphs = _graphs(network)
    _steps(network, graphs, [6] * 5)
    network.classifier.weight.data = network.classifier.weight.data.clone()
    _steps(network, graphs, [6] * 2)
    assert len(stand_in.shapes) == 2
    for size in range(7, 7 + MOST_GRAPHS):
        _steps(network, graphs, [size] * 5)
    _steps(network, graphs, [6, 6 + MOST_GRAPHS])
    assert len(stand_in.shapes) == 2 + MOST_GRAPHS + 1, "the oldest was dropped, the newest was kept"


def test_closing_frees_what_was_captured_though_it_refers_to_itself(stand_in: StandIn) -> None:
    network = Small()
    graphs = _graphs(network)
    _steps(network, graphs, [6] * 5)
    assert graphs.count == 1 and stand_in.made[0]() is not None
    graphs.close()
    assert stand_in.made[0]() is None
    _steps(network, graphs, [6] * 5)
    assert graphs.count == 0 and len(stand_in.shapes) == 1


def test_graphs_are_for_a_gpu_and_the_recipe_switches_them_off() -> None:
    recipe, gpu = tiny.suite().recipe, torch.device("cuda")
    off = recipe.model_copy(update={"cuda_graphs": False})

    def made(strategy: str, recipe=recipe, device=gpu) -> bool:
        return graphs_for(Small(), parse(strategy), recipe, CHOICE, device) is not None  # type: ignore[arg-type]

    assert made("none") and not made("none", off) and not made("none", device=CPU) and not made("sam")


@pytest.mark.parametrize("strategy", ["none", "bcl", "text-fusion", "manifold-mixup", "crt"])
def test_a_job_with_graphs_trains_the_same_bits(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    def trained(folder: Path) -> tuple[list[float], dict[str, Tensor]]:
        with tiny.backbone():
            plan, context = tiny.session([strategy], folder)
            losses = [loss for job in plan.jobs.values() for loss in run_job(context, job).losses]
            last = list(plan.jobs)[-1]
            return losses, job_module.checkpoint.load(context.store.state(last))[0]

    plain, state = trained(tmp_path / "plain")
    monkeypatch.setattr(job_module, "graphs_for", lambda network, *rest: Graphs(network, CHOICE, CPU))
    graphed, same = trained(tmp_path / "graphed")
    assert graphed == plain and all(torch.equal(same[name], state[name]) for name in state)
    assert bool(stand_in.shapes) == (strategy in ("none", "bcl", "crt")), "names and mixed features are not captured"


def test_a_job_says_why_its_network_was_not_captured(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.fails, said = RuntimeError("operation not permitted\nwhen stream is capturing"), []
    monkeypatch.setattr(job_module, "graphs_for", lambda network, *rest: Graphs(network, CHOICE, CPU))
    with tiny.backbone():
        plan, context = tiny.session(["none"], tmp_path)
        run_job(context, next(iter(plan.jobs.values())), say=said.append)
    assert said == [
        "contract ran without CUDA graphs, because capturing it failed (RuntimeError: operation not permitted when "
        "stream is capturing)."
    ]
