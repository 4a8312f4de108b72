"""What a strategy does to logits after training, as a scale and a shift of each class's logit. N rows, C classes."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from benchmarks.support.errors import UserError
from strategies.base import Facts, Outputs, Strategy

TOLERANCE = 1e-4  # of the largest logit, or of 1
PROBES = 8


@dataclasses.dataclass(frozen=True, eq=False)
class Correction:
    """z' = scale * z + shift, float64 [C] each."""

    scale_C: np.ndarray
    shift_C: np.ndarray

    @property
    def neutral(self) -> bool:
        """Whether it changes nothing."""
        return bool((self.scale_C == 1).all() and (self.shift_C == 0).all())

    def __call__(self, logits_NC: np.ndarray) -> np.ndarray:
        """Return the corrected logits [N, C]."""
        return logits_NC * self.scale_C + self.shift_C


def none(classes: int) -> Correction:
    """Return the correction that changes nothing."""
    return Correction(np.ones(classes), np.zeros(classes))


def correction_of(strategy: Strategy, outputs: Outputs, facts: Facts) -> Correction:
    """Return what the strategy's `predict` does to the logits, found by probing it.

    It is fitted on constant logits, then checked on random ones and on `outputs`, the stage's stored ones. Raises
    UserError if it does anything but scale and shift each class's logit, such as comparing rows.
    """
    if type(strategy).predict is Strategy.predict:
        return none(facts.num_classes)

    def ask(logits_NC: np.ndarray) -> np.ndarray:
        asked = dataclasses.replace(
            outputs,
            logits_BC=torch.from_numpy(np.asarray(logits_NC, dtype=np.float32)),
            features_BF=outputs.features_BF[: len(logits_NC)],
            extra={name: tensor[: len(logits_NC)] for name, tensor in outputs.extra.items()},
        )
        return strategy.predict(asked, facts).numpy().astype(np.float64)

    rows = min(PROBES, len(outputs.logits_BC))
    shape = (rows, facts.num_classes)
    shift_C = ask(np.zeros(shape))[0]
    found = Correction(_rounded(ask(np.ones(shape))[0] - shift_C), shift_C)
    random_NC = np.random.default_rng(0).normal(0, 5, shape)
    for logits_NC in (random_NC, outputs.logits_BC[:rows].numpy()):
        expected_NC = found(logits_NC)
        off = np.abs(ask(logits_NC) - expected_NC).max(initial=0.0)
        if not off <= TOLERANCE * max(1.0, np.abs(expected_NC).max(initial=0.0)):
            raise UserError(
                f"{strategy} cannot be exported: it does more to the logits than scale and shift each class's, which "
                "an exported model cannot hold; export another strategy."
            )
    return found


def _rounded(scale_C: np.ndarray) -> np.ndarray:
    """Return the scales, 1 where a float32 sum has only rounded it."""
    return np.where(np.abs(scale_C - 1) < 1e-5, 1.0, scale_C)
