"""Corrections of the logits by class counts against their papers' formulas, in float64, and that none comes twice."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings

from backbones.classifiers import CosineClassifier
from strategies.base import Facts, Outputs, StrategyError
from strategies.combining.expression import parse
from strategies.combining.seats import corrected_twice
from tests.making import digits_session, digits_suite
from tests.strategies.paper import EXTREME, TYPICAL, Case, Reference, cases, compare, computed, expected, log_softmax
from tests.strategies.schedules.test_schedules import acted, run_cell

SCALE = 30.0
HOLDERS = (
    "balanced-softmax",
    "cdt",
    "equalization",
    "ldam",
    "logit-adjust",
    "logit-adjust-posthoc",
    "seesaw",
    "vs",
)


def balanced_softmax(z_C: np.ndarray, b: int, case: Case) -> list[float]:
    """Return -log(n_y e^z_y / sum_c n_c e^z_c), by shifting nothing but the greatest exponent."""
    exponent_C = [z + math.log(n) for z, n in zip(z_C, case.n_C, strict=True)]
    total = math.fsum(math.exp(e - max(exponent_C)) for e in exponent_C)
    return [math.log(total) - (e - max(exponent_C)) for e in exponent_C]


def logit_adjust(tau: float) -> Reference:
    def loss(z_C: np.ndarray, b: int, case: Case) -> np.ndarray:
        pi_C = case.n_C / case.n_C.sum()
        return -log_softmax(np.array([z + tau * math.log(pi) for z, pi in zip(z_C, pi_C, strict=True)]))

    return loss


def cdt(gamma: float) -> Reference:
    def loss(z_C: np.ndarray, b: int, case: Case) -> np.ndarray:
        a_C = [(max(case.n_C) / n) ** gamma for n in case.n_C]
        return -log_softmax(np.array([z / a for z, a in zip(z_C, a_C, strict=True)]))

    return loss


def vs(gamma: float, tau: float) -> Reference:
    def loss(z_C: np.ndarray, b: int, case: Case) -> np.ndarray:
        adjusted_C = []
        for z, n in zip(z_C, case.n_C, strict=True):
            delta, iota = (n / max(case.n_C)) ** gamma, tau * math.log(n / sum(case.n_C))
            adjusted_C.append(delta * z + iota)
        return -log_softmax(np.array(adjusted_C))

    return loss


def ldam(max_margin: float, scale: float) -> Reference:
    """The logits here are what the cosine classifier gives: scale times cosine."""

    def loss(z_C: np.ndarray, b: int, case: Case) -> np.ndarray:
        raw = [n**-0.25 for n in case.counts if n]
        margin_C = [max_margin * n**-0.25 / max(raw) if n else max_margin for n in case.counts]
        cosine_C = z_C / scale
        return -log_softmax(scale * (cosine_C - case.y_BC[b] * np.array(margin_C)))

    return loss


CORRECTIONS = {
    "balanced-softmax": balanced_softmax,
    "logit-adjust": logit_adjust(1),
    "logit-adjust(tau=2.5)": logit_adjust(2.5),
    "logit-adjust(tau=0.0)": lambda z_C, b, case: -log_softmax(z_C),
    "cdt": cdt(0.2),
    "cdt(gamma=0.7)": cdt(0.7),
    "vs": vs(0.3, 1),
    "vs(gamma=0.15,tau=1.25)": vs(0.15, 1.25),
    "ldam": ldam(0.5, SCALE),
    "ldam(max-margin=0.3,scale=10.0)": ldam(0.3, 10),
}


@pytest.mark.parametrize("text", CORRECTIONS)
@settings(max_examples=12)
@given(case=cases())
@example(case=TYPICAL)
@example(case=EXTREME)
def test_a_correction_and_its_gradient_are_the_papers(text: str, case: Case) -> None:
    compare(text, CORRECTIONS[text], case)


@pytest.mark.parametrize("text", CORRECTIONS)
def test_extreme_logits_stay_finite_in_float32_and_near_the_formula(text: str) -> None:
    loss, gradient_BC, _ = computed(text, EXTREME, torch.float32)
    assert np.isfinite([loss, *gradient_BC.ravel()]).all()
    assert loss == pytest.approx(expected(CORRECTIONS[text], EXTREME, EXTREME.z_BC), rel=1e-4)


@settings(max_examples=30)
@given(case=cases())
def test_post_hoc_scores_are_the_papers_and_keep_empty_classes_finite(case: Case) -> None:
    for text, tau in (("logit-adjust-posthoc", 1.0), ("logit-adjust-posthoc(tau=0.4)", 0.4)):
        outputs = Outputs(torch.tensor(case.z_BC), torch.zeros(len(case.z_BC), 0))
        scored_BC = parse(text).predict(outputs, case.facts).numpy()
        wanted_BC = [
            [z - tau * math.log(n / sum(case.n_C)) for z, n in zip(z_C, case.n_C, strict=True)] for z_C in case.z_BC
        ]
        np.testing.assert_allclose(scored_BC, wanted_BC, rtol=1e-6, atol=1e-12)


def test_post_hoc_trains_nothing_and_lifts_rare_classes_as_training_with_the_prior_does() -> None:
    strategy = parse("logit-adjust-posthoc")
    assert not strategy.trains_differently()
    facts = Facts((900, 90, 10), ("a", "b", "c"))
    tied = strategy.predict(Outputs(torch.zeros(1, 3), torch.zeros(1, 0)), facts)
    assert tied.argsort(descending=True).tolist() == [[2, 1, 0]]


@settings(max_examples=10)
@given(case=cases())
def test_the_special_cases_that_the_papers_name_agree(case: Case) -> None:
    for one, other in (
        ("balanced-softmax", "logit-adjust"),
        ("vs(gamma=0.0,tau=1.5)", "logit-adjust(tau=1.5)"),
        ("vs(gamma=0.4,tau=0.0)", "cdt(gamma=0.4)"),
    ):
        assert computed(one, case)[0] == pytest.approx(computed(other, case)[0], rel=1e-9, abs=1e-12)


def test_ldams_classifier_gives_cosines_scaled_once_by_what_is_not_learnt() -> None:
    facts = Facts((100, 10, 1), ("a", "b", "c"))
    torch.manual_seed(0)
    classifier = parse("ldam").classifier(torch.nn.Linear(7, 3), 7, facts)
    assert isinstance(classifier, CosineClassifier)
    assert [name for name, _ in classifier.named_parameters()] == ["weight_CF"]
    assert classifier.state_dict()["scale"] == SCALE, "it is stored with the weights"
    features_BF = torch.randn(5, 7) * 100
    f_BF, w_CF = features_BF.double().numpy(), classifier.weight_CF.detach().double().numpy()
    cosine_BC = f_BF @ w_CF.T / np.outer(np.linalg.norm(f_BF, axis=1), np.linalg.norm(w_CF, axis=1))
    np.testing.assert_allclose(classifier(features_BF).detach(), SCALE * cosine_BC, rtol=1e-4, atol=1e-5)
    assert torch.isfinite(classifier(torch.zeros(1, 7))).all(), "features of length zero have no direction"


def test_a_prior_corrected_twice_is_refused_and_names_both() -> None:
    for one, other in itertools.permutations(HOLDERS, 2):
        does = "(correct for the class counts|replace the loss)"
        with pytest.raises(StrategyError, match=f"^{one} and {other} both {does}; keep one of them.$"):
            parse(f"{one}+{other}")


def test_what_is_corrected_in_the_logits_and_by_weights_or_draws_is_named_and_nothing_else() -> None:
    for text in ("logit-adjust+oversample", "loss-weights+vs", "logit-adjust-posthoc+undersample"):
        one, other = sorted(text.split("+"), key=lambda name: name not in HOLDERS)
        assert corrected_twice(parse(text)) == [
            f"{text}: the class counts are corrected for twice, by {one} and by {other}."
        ]
    for text in ("none", "ldam", "oversample+loss-weights", "balanced-softmax+focal", "vs+minority-augment"):
        assert corrected_twice(parse(text)) == []


@pytest.mark.parametrize("text", ["drw+ldam", "ldam+drs", "ldam+oversample", "ride+drw", "seesaw+oversample"])
def test_a_pair_of_the_paper_itself_is_not_named(text: str) -> None:
    assert corrected_twice(parse(text)) == []


@pytest.mark.parametrize("loss", ["ldam", "balanced-softmax", "seesaw", "vs"])
@pytest.mark.parametrize("again", ["crt", "feature-smote"])
def test_a_new_classifier_replaces_the_one_that_the_loss_corrected(loss: str, again: str) -> None:
    assert acted(f"{loss}+{again}", 10) == acted(f"{again}+{loss}", 10) == [(0, 9, loss), (9, 10, again)]
    assert acted(f"{loss}+{again}", 1) == [(0, 1, again)]
    assert corrected_twice(parse(f"{loss}+{again}")) == []
    (line,) = corrected_twice(parse(f"{loss}+class-balanced+{again}"))[-1:]
    assert line.endswith(f"by {again} and by class-balanced."), "the weights act on the new classifier too"


def test_crt_replaces_ldams_cosine_classifier_by_a_linear_one(tmp_path: Path) -> None:
    suite = digits_suite({"epochs": {"head": 2, "tail": 1}})
    before, after = run_cell(digits_session(tmp_path, suite, strategies=("ldam+crt",)))
    assert "classifier.weight_CF" in before and {"classifier.weight", "classifier.bias"} <= set(after)
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("encoder"))


@pytest.mark.parametrize("text", ["class-balanced+focal", "ldam+class-balanced", "focal+logit-adjust", "vs+oversample"])
def test_what_corrects_once_joins(text: str) -> None:
    assert str(parse(text)) == text
