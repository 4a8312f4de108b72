"""Use the product's name only if the image model is unsure. Shapes: N rows, C classes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from strategies.base import Facts, Outputs, Strategy
from strategies.posthoc.calibration import log_softmax, temperature
from strategies.registry import register

if TYPE_CHECKING:
    from torch import Tensor

GRID = tuple(step / 100 for step in range(101))


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Which model answers each row.

    `image_NC`, `text_NC`: log probabilities. `asked_N`: the text model is consulted. `taken_N`: its answer is used.
    """

    image_NC: np.ndarray
    text_NC: np.ndarray
    asked_N: np.ndarray
    taken_N: np.ndarray

    @property
    def answer_NC(self) -> np.ndarray:
        """The log probabilities of the model whose answer is used."""
        return np.where(self.taken_N[:, None], self.text_NC, self.image_NC)


def decide(image_NC: np.ndarray, text_NC: np.ndarray, threshold: float) -> Verdict:
    """Consult the text model if the image's top probability is below the threshold; the more confident answers.

    On a tie the image model answers.
    """
    sure_N, told_N = np.exp(image_NC.max(axis=1)), np.exp(text_NC.max(axis=1))
    asked_N = sure_N < threshold
    return Verdict(image_NC, text_NC, asked_N, asked_N & (told_N > sure_N))


def best_threshold(image_NC: np.ndarray, text_NC: np.ndarray, labels_N: np.ndarray) -> float:
    """Return the threshold of 0, 0.01, ... 1 with the highest mean of the classes' top-1, then top-1, then the lowest.

    0, which never consults the text model, if there are no rows.
    """
    counts_C = np.bincount(labels_N, minlength=image_NC.shape[1])

    def reached(threshold: float) -> tuple[float, float, float]:
        """Mean of the classes' top-1, top-1, and the lower threshold the better."""
        hit_N = decide(image_NC, text_NC, threshold).answer_NC.argmax(axis=1) == labels_N
        hits_C = np.bincount(labels_N, weights=hit_N, minlength=len(counts_C))
        mean = float((hits_C[counts_C > 0] / counts_C[counts_C > 0]).mean())
        return round(mean, 9), float(hit_N.mean()), -threshold

    return max(GRID, key=reached) if len(labels_N) else 0.0


@register
@dataclasses.dataclass(frozen=True)
class TextFallback(Strategy):
    """If the image model's top probability is below `threshold`, the more confident of it and `text-only` answers.

    The study, "What it asked for next", 5. The image model is that of the cell without this strategy, from the same
    job; the text model is `text-only`'s job; nothing else is trained. `threshold` is in [0, 1]; if it is not given, it
    is chosen on validation (`best_threshold`). Probabilities are compared after temperature scaling, one temperature
    for each model and stage, fitted on validation (`calibration.py`); `calibrate=false` compares them unscaled, the
    study's rule.

    Top-1 is the answer of the model that is used; top-5 are the five likeliest classes of that model, because the
    rankings of two models are not mixed. With a threshold and `calibrate=false` no validation part is needed.
    `mask_class_words` is the text model's, as in `text-only`.
    """

    name = "text-fallback"
    summary = "use a recurrent classifier on the name if the image model is unsure"
    seats = frozenset({"text"})
    ranges = {"threshold": "[0, 1]"}

    threshold: float | None = None
    calibrate: bool = True
    mask_class_words: bool = False

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """Names, and validation rows if something is fitted on them."""
        fits = self.threshold is None or self.calibrate
        return frozenset({"text", "validation"} if fits else {"text"})

    def companions(self) -> tuple[str, ...]:
        """The text model."""
        return ("text-only(mask-class-words=true)" if self.mask_class_words else "text-only",)

    def predict(self, outputs: Outputs, facts: Facts) -> Tensor:
        """Return the log probabilities of the model that answers; the logits unchanged if there is no companion."""
        import torch

        if not outputs.companions:
            return outputs.logits_BC
        return torch.from_numpy(self._verdict(outputs)[0].answer_NC).float()

    def report(self, outputs: Outputs, labels_N: np.ndarray, facts: Facts) -> dict[str, Any]:
        """Return the threshold, the temperatures, and per class how often the text was asked, taken, helped and hurt.

        Helped: the image model was wrong and the answer is right; hurt: the reverse.
        """
        if not outputs.companions:
            return {}
        verdict, settings = self._verdict(outputs)
        before_N, after_N = (z.argmax(axis=1) == labels_N for z in (verdict.image_NC, verdict.answer_NC))
        found = {
            "asked": verdict.asked_N, "taken": verdict.taken_N, "helped": after_N & ~before_N,
            "hurt": before_N & ~after_N,
        }  # fmt: skip
        counts = {what: np.bincount(labels_N[hit_N], minlength=facts.num_classes) for what, hit_N in found.items()}
        return {self.name: {**settings, **{what: count_C.tolist() for what, count_C in counts.items()}}}

    def _verdict(self, outputs: Outputs) -> tuple[Verdict, dict[str, float]]:
        """Return which model answers each row, and the threshold and temperatures used."""
        pairs = [outputs.logits_BC.numpy(), outputs.companions[0].logits_BC.numpy()]
        held, temperatures, threshold = outputs.held, [1.0, 1.0], self.threshold
        if held is not None:
            checked = [held.outputs.logits_BC.numpy(), held.outputs.companions[0].logits_BC.numpy()]
            if self.calibrate:
                temperatures = [temperature(z_NC, held.labels_N) for z_NC in checked]
            if threshold is None:
                image_NC, text_NC = (log_softmax(z, t) for z, t in zip(checked, temperatures, strict=True))
                threshold = best_threshold(image_NC, text_NC, held.labels_N)
        threshold = 0.0 if threshold is None else threshold
        image_NC, text_NC = (log_softmax(z, t) for z, t in zip(pairs, temperatures, strict=True))
        settings = dict(zip(("image_temperature", "text_temperature"), temperatures, strict=True))
        return decide(image_NC, text_NC, threshold), {"threshold": threshold, **settings}
