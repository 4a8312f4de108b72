"""Several experts: the losses against the papers' formulas in float64, and networks whose last stage is split."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from backbones.errors import BackboneError
from backbones.frozen import frozen_network
from backbones.network import Network, build
from backbones.strategy_layers.experts import SideBySide, cosine_experts, split
from benchmarks.running.job import begin, run_job
from benchmarks.training import checkpoint
from strategies.base import Batch, Facts, Outputs, Progress, Step
from strategies.combining.expression import parse
from tests.making import digits_session, digits_suite
from tests.strategies.paper import BALANCED, EXTREME, TYPICAL, Case, cases, differences, log_softmax, weighted


def expert_logits(case: Case, experts: int) -> np.ndarray:
    """Return logits [B, E, C] of the case's size, each expert's its own."""
    wobble_EC = np.random.default_rng(1).normal(0, np.abs(case.z_BC).mean() + 0.1, (experts, case.z_BC.shape[1]))
    return case.z_BC[:, None] + wobble_EC


def ride(z_BEC: np.ndarray, case: Case, late: bool, mean_BC: np.ndarray) -> float:
    """Return the paper's loss; `mean_BC`, the experts' mean, takes no gradient."""
    present = np.array(case.counts) > 0
    margin_C = np.where(present, (min(n for n in case.counts if n) / case.n_C) ** 0.25, 1.0) * 0.5 * 30
    weight_C = 0.05 * len(case.n_C) * case.n_C / case.n_C.sum() + 0.95
    t_C = weight_C / weight_C.max() if late else np.ones(len(case.n_C))
    total = 0.0
    for e in range(z_BEC.shape[1]):
        z_BC = z_BEC[:, e]
        total += weighted([-log_softmax(z - y * margin_C) for z, y in zip(z_BC, case.y_BC, strict=True)], case)
        kl_B = []
        for z_C, mean_C in zip(z_BC, mean_BC, strict=True):
            log_p_C, log_q_C = log_softmax(mean_C / t_C), log_softmax(z_C / t_C)
            kl_B.append(math.fsum(math.exp(p) * (p - q) for p, q in zip(log_p_C, log_q_C, strict=True)))
        total -= 0.2 * t_C.mean() ** 2 * sum(kl_B) / len(kl_B)
    return total


def sade(z_BEC: np.ndarray, case: Case, late: bool, mean_BC: np.ndarray) -> float:
    pi_C = case.n_C / case.n_C.sum()
    rank = sorted(range(len(pi_C)), key=lambda c: (pi_C[c], c))
    inverse_C = np.empty_like(pi_C)
    for at, c in enumerate(rank):
        inverse_C[c] = pi_C[rank[len(rank) - 1 - at]]
    shifts = [0 * pi_C, np.log(pi_C), np.log(pi_C) - 2 * np.log(inverse_C)]
    of_experts = [[-log_softmax(z + shift) for z in z_BEC[:, e]] for e, shift in enumerate(shifts)]
    return sum(weighted(loss_BC, case) for loss_BC in of_experts)


def check(text: str, case: Case, late: bool) -> None:
    strategy, progress = parse(text), Progress(9 if late else 3, 10)
    z = expert_logits(case, 3)
    z_BEC = torch.tensor(z, requires_grad=True)
    y_BC, w_C = torch.tensor(case.y_BC), torch.tensor(case.w_C)
    batch = Batch(torch.zeros(len(y_BC), 3, 1, 1), y_BC.argmax(1), y_BC)
    outputs = Outputs(z_BEC.mean(1), torch.zeros(len(y_BC), 6), {"logits_BEC": z_BEC})
    loss = strategy.loss(outputs, batch, Step(case.facts, progress, w_C, torch.Generator()))
    assert loss is not None and loss.dtype == torch.float64
    (gradient,) = torch.autograd.grad(loss, z_BEC)
    reference = {"ride": ride, "sade": sade}[text]
    mean_BC = z.mean(1)
    np.testing.assert_allclose(loss.item(), reference(z, case, late, mean_BC), rtol=1e-6, atol=1e-9)
    expected = differences(lambda moved: reference(moved, case, late, mean_BC), z)
    noise = 1e-12 * max(1.0, abs(loss.item()), np.abs(z).max())
    np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max() + noise)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("name", ["ride", "sade"])
def test_value_and_gradient_are_the_papers(name: str, late: bool) -> None:
    for case in (TYPICAL, EXTREME, BALANCED):
        check(name, case, late)


@settings(max_examples=25, deadline=None)
@given(cases())
@pytest.mark.parametrize("name", ["ride", "sade"])
def test_and_on_any_counts_and_logits(name: str, case: Case) -> None:
    check(name, case, late=True)


def test_the_temperature_differs_by_class_from_the_start_on() -> None:
    facts, strategy = Facts((900, 90, 10), ("a", "b", "c")), parse("ride")
    assert strategy.temperature_C(facts, Progress(159, 200)).tolist() == [1, 1, 1]
    late_C = strategy.temperature_C(facts, Progress(160, 200))
    np.testing.assert_allclose(late_C, (0.15 * np.array([0.9, 0.09, 0.01]) + 0.95) / (0.15 * 0.9 + 0.95), rtol=1e-12)
    assert strategy.temperature_C(facts, Progress(0, 1)).min() < 1, "a stage of one epoch is all late"


def test_an_upside_down_prior_with_ties_is_a_permutation_and_tau_scales_it() -> None:
    facts = Facts((50, 50, 3, 0), ("a", "b", "c", "d"))
    shifts_EC = parse("sade(tau=1)").shifts_EC(facts)
    pi_C = np.array([50, 50, 3, 1]) / 104
    np.testing.assert_allclose(np.sort(shifts_EC[1] - shifts_EC[2]), np.sort(np.log(pi_C)))
    assert (shifts_EC[2] - shifts_EC[1])[3] == -np.log(pi_C[0])


def test_ride_is_split_where_a_last_stage_can_be_told() -> None:
    plain = build("test_resnet", 5, image_size=32, seed=3)
    network = build("test_resnet", 5, image_size=32, seed=3)
    torch.manual_seed(0)
    split(network, 3)
    assert network.feature_size == 3 * plain.feature_size
    stage: SideBySide = network.encoder.layer4  # type: ignore[assignment]
    images_BCHW = torch.rand(2, 3, 32, 32)
    features_BF = network.eval().features(images_BCHW)
    for e, part in enumerate(features_BF.chunk(3, dim=1)):
        alone = build("test_resnet", 5, image_size=32, seed=3)
        alone.encoder.layer4 = stage.experts[e]
        torch.testing.assert_close(alone.eval().features(images_BCHW), part)
    first, second = (dict(stage.experts[e].named_parameters()) for e in (0, 1))
    for name, weight in plain.encoder.layer4.named_parameters():
        assert torch.equal(first[name].flatten().sort()[0], weight.flatten().sort()[0]), "the same distribution"
        assert torch.equal(first[name], second[name]) == (weight.ndim == 1), "experts start apart"


def test_a_pretrained_last_stage_is_copied_as_it_is() -> None:
    network = build("test_resnet", 5, image_size=32, seed=3)
    network.pretrained = True
    was = {n: t.clone() for n, t in network.encoder.layer4.state_dict().items()}
    split(network, 2)
    for expert in network.encoder.layer4.experts:
        assert all(torch.equal(t, was[n]) for n, t in expert.state_dict().items())


class Whole(torch.nn.Module):
    """An encoder of one layer: nothing to split. `layer4` of the other kind changes what it gives, but not in width."""

    def __init__(self, named: bool) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 8)
        if named:
            self.layer4 = torch.nn.Identity()
        self.norm = torch.nn.LayerNorm(8)

    def forward(self, images_BCHW: torch.Tensor) -> torch.Tensor:
        map_ = self.layer(images_BCHW.mean((2, 3)))
        return self.norm(self.layer4(map_) if hasattr(self, "layer4") else map_)


@pytest.mark.parametrize("named", [False, True])
def test_where_none_can_be_told_each_expert_has_a_layer_on_the_pooled_features(named: bool) -> None:
    network = Network(Whole(named), torch.nn.Identity(), torch.nn.Identity(), feature_size=8, spec="whole")
    split(network, 2)
    features_BF = network.features(torch.rand(6, 3, 16, 16))
    assert features_BF.shape == (6, 16) == (6, network.feature_size)
    assert not torch.equal(*features_BF.chunk(2, dim=1))
    if named:
        assert isinstance(network.encoder.layer4, torch.nn.Identity), "the encoder is as it was"
    attention = build("test_resnet:attention", 5, image_size=32, seed=0)
    split(attention, 2)
    assert attention.eval().features(torch.rand(1, 3, 32, 32)).shape == (1, 2 * 96)


def test_on_stored_features_experts_are_classifiers_alone() -> None:
    network = frozen_network("test_resnet", 8, 5, seed=0)
    split(network, 3)
    features_BF = torch.rand(6, 8)
    assert torch.equal(network.features(features_BF[:, :, None, None]), features_BF.repeat(1, 3))
    assert not list(network.pool.parameters()) and network.feature_size == 24


def test_the_logits_are_the_mean_of_the_experts_cosines() -> None:
    experts = cosine_experts(3, 12, 4, 30.0)
    features_BF = torch.randn(5, 12)
    given = experts(features_BF)
    for e, one in enumerate(experts.experts):
        f, w = (t.detach().double().numpy() for t in (features_BF[:, 4 * e : 4 * e + 4], one.weight_CF))
        cosine = f @ w.T / np.linalg.norm(f, axis=1)[:, None] / np.linalg.norm(w, axis=1)
        np.testing.assert_allclose(given["logits_BEC"][:, e].detach().numpy(), 30 * cosine, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(given["logits_BC"], given["logits_BEC"].mean(1))
    with pytest.raises(BackboneError, match="7 features cannot be divided among 3 experts"):
        cosine_experts(3, 7, 4, 30.0)


@pytest.mark.parametrize("text", ["ride(experts=2)+drw(start=0.5)", "sade"])
def test_experts_through_both_stages_of_the_trainer(tmp_path: Path, text: str) -> None:
    suite = digits_suite({"epochs": {"head": 6, "tail": 1}})
    session = digits_session(tmp_path, suite, strategies=(text,))
    for job in session.plan.jobs.values():
        run_job(session.context, job)
    heads, tails = (session.plan.jobs[chain[-1]] for chain in session.plan.cells[0].jobs)
    trained = checkpoint.load(session.context.store.state(heads.key))[0]
    assert any("layer4.experts.1" in name for name in trained)
    first = next(session.plan.jobs[key] for key in session.plan.cells[0].jobs[1])
    started = begin(session.context, first).network.state_dict()
    assert all(torch.equal(trained[n], t) for n, t in started.items() if n.startswith(("encoder", "pool")))
    for job in (heads, tails):
        stored = session.context.store.predictions(job.key)
        np.testing.assert_allclose(stored["test"], stored["test.logits_BEC"].mean(1), rtol=1e-4, atol=1e-5)
        assert not np.allclose(stored["test.logits_BEC"][:, 0], stored["test.logits_BEC"][:, 1])
    stage = session.context.stages[0]
    hits = session.context.store.predictions(heads.key)["test"].argmax(1) == stage.labels_N[stage.data.test_rows]
    assert hits.mean() > 0.4, "better than one in five by chance"


def test_weights_samplers_and_mixtures_join() -> None:
    assert dataclasses.asdict(parse("ride(experts=4)"))["experts"] == 4
    for text in ("ride+drw", "ride+cmo", "sade+drs+oversample", "sade+mixup"):
        assert str(parse(text)) == text
