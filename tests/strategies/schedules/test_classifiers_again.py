"""Strategies that change a trained classifier: scales per class, normalised weights; through the real trainer."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from backbones.classifiers import CosineClassifier, mlp
from benchmarks.training.optimizers import make_optimizer
from strategies.base import Facts, Phase, StrategyError, Trained
from strategies.combining.expression import parse
from strategies.posthoc.tau_norm import GRID, normalised
from tests.making import digits_session, digits_suite
from tests.planning.test_plan import EPOCHS, plan
from tests.strategies.paper import EXTREME, TYPICAL, Case, computed, softmax
from tests.strategies.schedules.test_schedules import acted, run_cell

FACTS = Facts((50, 7, 1, 0), ("a", "b", "c", "d"))
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


THE_STEP: tuple = (None, None, None)  # outputs, batch and step, which the projection does not read


def trained(accuracy_C=tuple):
    """Return what `after_training` may ask."""
    return Trained(accuracy_C, lambda: (np.zeros((0, 6), dtype=np.float32), np.zeros(0, dtype=np.int64)))


class Net(torch.nn.Module):
    """What `after_training` needs of a network."""

    def __init__(self, classifier: torch.nn.Module) -> None:
        super().__init__()
        self.classifier = classifier


def test_lws_trains_its_scales_for_5_of_95_epochs_and_crt_its_classifier_for_10_of_100() -> None:
    assert acted("lws", 95) == [(0, 90, ""), (90, 95, "lws")]
    assert acted("crt", 100) == [(0, 90, ""), (90, 100, "crt")]


def test_lws_scales_each_logit_and_learns_only_the_scales(tmp_path: Path) -> None:
    linear = torch.nn.Linear(6, 4)
    features_BF, scale_C = torch.randn(5, 6), torch.tensor([0.5, 1.0, 2.0, -1.0])
    plain_BC = linear(features_BF)
    scaled = parse("lws").classifier(linear, 6, FACTS)
    torch.testing.assert_close(scaled(features_BF), plain_BC)
    with torch.no_grad():
        scaled.class_scale_C.copy_(scale_C)
    expected = scale_C.double().numpy() * plain_BC.detach().double().numpy()
    np.testing.assert_allclose(scaled(features_BF).detach().numpy(), expected, rtol=1e-6)

    suite = digits_suite({"epochs": {"head": 2, "tail": 1}})
    session = digits_session(tmp_path, suite, strategies=("lws(start=0.5)",), backbones=("test_resnet:mlp1",))
    before, after = run_cell(session)
    frozen = [name for name in before if not name.startswith("optimizer")]
    assert sum("running_mean" in name for name in frozen if name.startswith("classifier")) == 1
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert (after["classifier.class_scale_C"] != 1).any()


@pytest.mark.parametrize("tau", [0.0, 0.3, 1.0, 2.0])
def test_tau_norm_divides_by_the_length_to_the_power_of_tau(tau: float) -> None:
    draws = np.random.default_rng(0)
    weight_CF = draws.normal(0, 1, (4, 6)) * np.array([1e3, 1.0, 1e-3, 0.0])[:, None]
    length_C = np.sqrt((weight_CF**2).sum(1))
    expected = np.zeros_like(weight_CF)
    expected[:3] = weight_CF[:3] / length_C[:3, None] ** tau
    np.testing.assert_allclose(normalised(torch.from_numpy(weight_CF), tau).numpy(), expected, rtol=1e-6)
    for classifier in (torch.nn.Linear(6, 4), mlp(6, 4, 2)):
        last = list(classifier.modules())[-1] if isinstance(classifier, torch.nn.Sequential) else classifier
        others = {n: t.clone() for n, t in classifier.state_dict().items()}
        was = last.weight.detach().double().numpy()
        parse(f"tau-norm(tau={tau})").after_training(Net(classifier), FACTS, trained())  # type: ignore[arg-type]
        by_length = was / np.sqrt((was**2).sum(1, keepdims=True)) ** tau
        np.testing.assert_allclose(last.weight.detach().numpy(), by_length, rtol=1e-6)
        assert not last.bias.any()
        changed = [n for n, t in classifier.state_dict().items() if not torch.equal(others[n], t)]
        assert all(getattr(last, n.split(".")[-1]) is not None for n in changed) and len(changed) <= 2


def test_tau_is_the_best_on_validation_and_the_least_of_several() -> None:
    linear = torch.nn.Linear(6, 4)
    trained_CF = linear.weight.detach().clone()
    tried: list[float] = []

    def measure() -> list[float]:
        length = linear.weight.detach().double().norm(dim=1)[0] / trained_CF.double().norm(dim=1)[0]
        tau = float(-torch.log(length) / torch.log(trained_CF.double().norm(dim=1)[0]))
        tried.append(round(tau, 4))
        assert not linear.bias.any()
        return [0.9 if 0.35 < tau < 0.65 else 0.1, 0.5, 0.2, float("nan")]

    parse("tau-norm").after_training(Net(linear), FACTS, trained(measure))
    assert tried == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], "the paper's range, not the script's 0 to 2"
    torch.testing.assert_close(linear.weight.detach(), normalised(trained_CF, 0.4).float())


def test_tau_norm_needs_validation_only_to_choose_and_a_linear_layer_always() -> None:
    assert parse("tau-norm").needs == {"validation"}
    assert parse("tau-norm(tau=1)").needs == frozenset()
    assert parse("tau-norm+loss-weights").needs == {"validation"}
    with pytest.raises(StrategyError, match="no linear layer"):
        parse("tau-norm(tau=1)").after_training(Net(CosineClassifier(6, 4)), FACTS, trained())  # type: ignore[arg-type]


def test_tau_norm_through_the_trainer_shares_all_of_plain_training(tmp_path: Path) -> None:
    made = plan("none", "tau-norm")
    assert made.epochs_executed() == plan("none").epochs_asked()
    suite = digits_suite({"epochs": {"head": 2, "tail": 1}})
    session = digits_session(tmp_path, suite, strategies=("tau-norm", "tau-norm(tau=1)"))
    plain, chosen = run_cell(session, 0)
    weight_CF = plain["classifier.weight"]
    candidates = [normalised(weight_CF, tau).float() for tau in GRID]
    assert sum(torch.equal(chosen["classifier.weight"], candidate) for candidate in candidates) == 1
    assert plain["classifier.bias"].any() and not chosen["classifier.bias"].any()
    *_, one = run_cell(session)
    lengths_C = one["classifier.weight"].norm(dim=1)
    torch.testing.assert_close(lengths_C, torch.ones_like(lengths_C))
    assert all(torch.equal(plain[n], one[n]) for n in plain if n.startswith(("encoder", "pool")))


def test_who_trains_the_classifier_again_hands_the_same_representation_to_the_next_stage() -> None:
    made = plan("crt", "lws", "feature-smote")
    started_from = {made.jobs[cell.jobs[1][0]].parent for cell in made.cells}
    assert len(started_from) == 1
    (parent,) = started_from
    assert parent is not None and made.jobs[parent].segment.phase.trains == "all"
    # plain training up to the last epoch of each stage once, then an epoch of each of the three
    assert made.epochs_executed() == 2 * (EPOCHS - 1) + 2 * 3
    moved = plan("mislas", "mixup(alpha=1.0)+crt")  # statistics that moved are another representation
    assert len({made.jobs[cell.jobs[1][0]].parent for made in [moved] for cell in made.cells}) == 2


def test_weight_balancing_bounds_each_classs_weights_by_the_first_lengths() -> None:
    strategy = parse("weight-balancing(threshold=0.25)")
    net = Net(strategy.classifier(torch.nn.Linear(6, 4), 6, FACTS))
    radius = None
    for step in range(3):
        was = (
            np.random.default_rng(step).normal(0, 1, (4, 6)) * np.array([5.0, 1.0, 0.3, 0.0 if step else 0.2])[:, None]
        )
        with torch.no_grad():
            net.classifier.weight.copy_(torch.from_numpy(was))
        was = net.classifier.weight.detach().double().numpy().copy()
        length_C = np.sqrt((was**2).sum(1))
        if radius is None:
            radius = length_C.min() + 0.25 * (length_C.max() - length_C.min())
        strategy.after_step(net, *THE_STEP)
        expected = was * np.array([min(1.0, radius / n) if n else 1.0 for n in length_C])[:, None]
        np.testing.assert_allclose(net.classifier.weight.detach().numpy(), expected, rtol=1e-6)
        assert (expected != was).any()


@pytest.mark.parametrize("case", [TYPICAL, EXTREME])
def test_weight_balancings_loss_is_a_binary_cross_entropy_averaged_over_batch_and_classes(case: Case) -> None:
    case = dataclasses.replace(case, z_BC=np.clip(case.z_BC, -8, 8))
    total = 0.0
    for z_C, y_C in zip(case.z_BC, case.y_BC, strict=True):
        p_C = softmax(z_C)
        for c, share in enumerate(y_C):
            terms = [math.log(p_C[c])] + [math.log(1 - p) for k, p in enumerate(p_C) if k != c]
            total -= share * case.w_C[c] * math.fsum(terms)
    loss, gradient_BC, _ = computed("weight-balancing", case)
    assert loss == pytest.approx(total / case.z_BC.size, rel=1e-6)

    z_BC, torchs = torch.tensor(case.z_BC, requires_grad=True), torch.zeros((), dtype=torch.float64)
    for c, weight in enumerate(case.w_C):
        target_BC = torch.eye(len(case.w_C), dtype=torch.float64)[c].expand_as(z_BC)
        of_label_BC = torch.nn.functional.binary_cross_entropy(z_BC.softmax(1), target_BC, reduction="none")
        torchs = torchs + (torch.tensor(case.y_BC[:, c]) * weight * of_label_BC.mean(1)).mean()
    (expected_BC,) = torch.autograd.grad(torchs, z_BC)
    np.testing.assert_allclose(gradient_BC, expected_BC.numpy(), rtol=1e-5, atol=1e-9)


def test_weight_balancings_gradients_are_finite_where_a_probability_is_1() -> None:
    certain = dataclasses.replace(EXTREME, z_BC=200 * EXTREME.y_BC)
    assert np.isfinite(computed("weight-balancing", certain, torch.float32)[1]).all()


def test_weight_balancing_through_the_trainer(tmp_path: Path) -> None:
    suite = digits_suite({"epochs": {"head": 3, "tail": 1}})
    session = digits_session(tmp_path, suite, strategies=("weight-balancing",))
    before, after = run_cell(session)
    job = session.plan.jobs[session.plan.cells[0].jobs[0][-1]]
    assert job.segment.phase == Phase(2, 3, "classifier", rate_over=(2, 3), weight_decay=0.1, moving_statistics=True)
    below = {n: torch.equal(before[n], after[n]) for n in before if n.startswith(("encoder", "pool"))}
    assert {n for n, same in below.items() if not same} == {n for n in below if n.endswith(STATISTICS)}
    assert (after["classifier.weight"].norm(dim=1) <= after["classifier.max_norm"] * (1 + 1e-6)).all()
    assert not torch.equal(before["classifier.weight"], after["classifier.weight"])
    other = plan("weight-balancing", "weight-balancing(weight-decay=0)")
    assert other.cells[0].jobs[0][0] == other.cells[1].jobs[0][0]
    assert other.cells[0].jobs[0][-1] != other.cells[1].jobs[0][-1]


def test_an_optimiser_takes_the_weight_decay_it_is_given() -> None:
    recipe = digits_suite({"weight_decay": 0.25}).recipe
    for given, expected in ((None, 0.25), (0.5, 0.5), (0.0, 0.0)):
        groups = make_optimizer(recipe, torch.nn.Linear(2, 2), given).param_groups
        assert [group["weight_decay"] for group in groups] == [expected, 0.0]
