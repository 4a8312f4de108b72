"""Temperature scaling and the fallback's rule against hand-written NumPy; what the text strategies join."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from strategies.base import Facts, Held, Outputs
from strategies.combining.expression import parse
from strategies.posthoc.calibration import LEAST, MOST, log_softmax, temperature
from strategies.text.text_fallback import best_threshold, decide

FACTS = Facts((50, 7, 2), ("a", "b", "c"))


def _nll(z_NC: np.ndarray, y_N: np.ndarray, t: float) -> float:
    e_NC = np.exp(z_NC / t)
    return float(-np.log(e_NC[np.arange(len(y_N)), y_N] / e_NC.sum(axis=1)).mean())


@pytest.mark.parametrize("scale", [0.3, 1.0, 6.0])
def test_the_temperature_is_the_one_with_the_least_loss(scale: float) -> None:
    draws = np.random.default_rng(0)
    z_NC = draws.normal(size=(400, 5))
    p_NC = np.exp(z_NC) / np.exp(z_NC).sum(axis=1, keepdims=True)
    y_N = np.array([draws.choice(5, p=p_C) for p_C in p_NC])
    grid = np.exp(np.linspace(np.log(LEAST), np.log(MOST), 20_001))
    direct = grid[np.argmin([_nll(scale * z_NC, y_N, t) for t in grid])]
    found = temperature(scale * z_NC, y_N)
    assert found == pytest.approx(direct, rel=1e-3)
    assert found == pytest.approx(scale, rel=0.2), "the labels were drawn at temperature 1"


def test_a_temperature_stays_within_its_bounds() -> None:
    z_NC = np.eye(3) * 4
    assert LEAST <= temperature(z_NC, np.arange(3)) < 0.2, "until no loss is left that a float could tell"
    assert temperature(z_NC, np.array([1, 2, 0])) == pytest.approx(MOST)
    assert temperature(np.zeros((0, 3)), np.zeros(0, dtype=np.int64)) == 1.0


def _by_hand(image_NC: np.ndarray, text_NC: np.ndarray, threshold: float) -> list[str]:
    """Return who answers each row: the study's rule, row by row."""
    found = []
    for image_C, text_C in zip(image_NC, text_NC, strict=True):
        image, text = (np.exp(z) / np.exp(z).sum() for z in (image_C, text_C))
        found.append("text" if image.max() < threshold and text.max() > image.max() else "image")
    return found


def _logits(rows: int = 60) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(1)
    return draws.normal(size=(rows, 3)) * 2, draws.normal(size=(rows, 3)) * 2


def _outputs(image_NC: np.ndarray, text_NC: np.ndarray, labels_N: np.ndarray | None = None) -> Outputs:
    def made(held: Held | None) -> Outputs:
        companion = Outputs(torch.from_numpy(text_NC), torch.zeros(0))
        return Outputs(torch.from_numpy(image_NC), torch.zeros(0), companions=(companion,), held=held)

    return made(None if labels_N is None else Held(made(None), labels_N))


@pytest.mark.parametrize("threshold", [0.0, 0.6, 0.9, 1.0])
def test_the_raw_rule_is_the_studys(threshold: float) -> None:
    image_NC, text_NC = _logits()
    rule = parse(f"text-fallback(threshold={threshold},calibrate=false)")
    assert rule.needs == {"text"}
    scored_NC = rule.predict(_outputs(image_NC, text_NC), FACTS).numpy()
    who = _by_hand(image_NC, text_NC, threshold)
    if threshold > 0:
        assert len(set(who)) == 2
    for row, (name, scored_C) in enumerate(zip(who, scored_NC, strict=True)):
        chosen_C = (text_NC if name == "text" else image_NC)[row]
        expected_C = np.log(np.exp(chosen_C) / np.exp(chosen_C).sum())
        np.testing.assert_allclose(scored_C, expected_C, rtol=1e-6, atol=1e-6)


def test_probabilities_are_compared_after_scaling_each_model_on_validation() -> None:
    image_NC, text_NC = _logits()
    labels_N = np.where(np.arange(len(image_NC)) % 2, image_NC.argmax(1), text_NC.argmax(1))
    held_image_NC, held_text_NC = image_NC * 3, text_NC * 0.5
    within = Outputs(
        torch.from_numpy(held_image_NC), torch.zeros(0),
        companions=(Outputs(torch.from_numpy(held_text_NC), torch.zeros(0)),),
    )  # fmt: skip
    companion = Outputs(torch.from_numpy(text_NC), torch.zeros(0))
    outputs = Outputs(torch.from_numpy(image_NC), torch.zeros(0), companions=(companion,), held=Held(within, labels_N))
    image_t, text_t = temperature(held_image_NC, labels_N), temperature(held_text_NC, labels_N)
    assert image_t != pytest.approx(text_t)
    rule = parse("text-fallback(threshold=0.5)")
    who = np.array(_by_hand(image_NC / image_t, text_NC / text_t, 0.5))
    expected_N = np.where(who == "text", text_NC.argmax(1), image_NC.argmax(1))
    np.testing.assert_array_equal(rule.predict(outputs, FACTS).numpy().argmax(1), expected_N)


def test_the_threshold_is_the_best_on_validation_and_the_lowest_of_several() -> None:
    # The image is right where it is sure (0.9), wrong where it is not (0.5); the text the other way round, always 0.8.
    image_NC = np.log([[0.9, 0.05, 0.05]] * 4 + [[0.5, 0.3, 0.2]] * 4)
    text_NC = np.log([[0.1, 0.8, 0.1]] * 8)
    labels_N = np.array([0] * 4 + [1] * 4)
    chosen = best_threshold(image_NC, text_NC, labels_N)
    assert chosen == 0.51
    assert (decide(image_NC, text_NC, chosen).answer_NC.argmax(1) == labels_N).all()
    assert best_threshold(image_NC, text_NC, np.zeros(8, dtype=np.int64)) == 0.0, "asking would only hurt"
    assert best_threshold(image_NC[:0], text_NC[:0], labels_N[:0]) == 0.0


def test_the_report_counts_by_class_how_often_the_text_was_asked_helped_and_hurt() -> None:
    image_NC = np.log([[0.9, 0.05, 0.05], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    text_NC = np.log([[0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.4, 0.35, 0.25]])
    labels_N = np.array([0, 1, 0, 1, 0])
    rule = parse("text-fallback(threshold=0.6,calibrate=false)")
    (found,) = rule.report(_outputs(image_NC, text_NC), labels_N, FACTS).values()
    assert found == {
        "threshold": 0.6, "image_temperature": 1.0, "text_temperature": 1.0,
        "asked": [2, 2, 0], "taken": [1, 2, 0], "helped": [0, 1, 0], "hurt": [1, 0, 0],
    }  # fmt: skip


def test_a_part_before_the_fallback_is_what_it_falls_back_from() -> None:
    image_NC, text_NC = _logits()
    labels_N = np.random.default_rng(2).integers(0, 3, len(image_NC))
    outputs = _outputs(image_NC, text_NC, labels_N)
    both = parse("logit-adjust-posthoc+text-fallback")
    adjusted_NC = parse("logit-adjust-posthoc").predict(Outputs(torch.from_numpy(image_NC), torch.zeros(0)), FACTS)
    alone = _outputs(adjusted_NC.numpy(), text_NC, labels_N)
    rule = parse("text-fallback")
    torch.testing.assert_close(both.predict(outputs, FACTS), rule.predict(alone, FACTS))
    assert both.report(outputs, labels_N, FACTS) == rule.report(alone, labels_N, FACTS)
    assert both.companions() == ("text-only",)


def test_losses_weights_and_samplers_join() -> None:
    for part in ("balanced-softmax", "focal", "ldam", "loss-weights", "oversample", "drw", "crt", "tau-norm"):
        for name in ("text-only", "text-fusion", "text-fallback"):
            assert {"text"} <= parse(f"{name}+{part}").needs
    assert parse("text-fusion+minority-augment").text() == parse("text-fusion").text()
    assert log_softmax(np.zeros((1, 2))).tolist() == [[np.log(0.5)] * 2]
