"""What a recommendation tries, in this order: the short list, every other strategy, and promising pairs."""

from __future__ import annotations

from strategies import registry
from strategies.base import Strategy
from strategies.combining.expression import parse
from strategies.combining.seats import calls

PLAIN = "none"
ALWAYS = 4  # so many of the short list are tried whatever the budget
# The best of results/fashion-frozen and of the catalog suites, those first that cost least.
SHORT_LIST = (
    PLAIN, "logit-adjust-posthoc", "balanced-softmax", "loss-weights", "oversample", "mixup+logit-adjust-posthoc",
    "oversample+loss-weights", "drs", "drw", "class-balanced", "crt", "disalign",
)  # fmt: skip
PAIRS = (
    "drw+ldam", "mixup+balanced-softmax", "mixup+crt", "mixup+tau-norm", "ema+logit-adjust-posthoc",
    "manifold-mixup+logit-adjust-posthoc",
)  # fmt: skip


def candidates(frozen: bool) -> list[str]:
    """Return the strategies to try; with a `frozen` backbone, without those that change images.

    Also without those that read product names, ask other models or compare test rows: no exported model could.
    """
    every = dict.fromkeys((*SHORT_LIST, *registry.names(), *PAIRS))
    return [text for text in every if _applies(parse(text), frozen)]


def _applies(strategy: Strategy, frozen: bool) -> bool:
    needs_images = frozen and "pixels" in strategy.needs
    return not (needs_images or strategy.text() or strategy.companions() or strategy.transductive)


def called(text: str) -> str:
    """Return a strategy's name in a sentence."""
    return "plain training" if text == PLAIN else text


def complexity(text: str) -> int:
    """Return how much a strategy asks of its user: 0 plain training, 1 a correction after it, 2 a change of training.

    One more for each further part of a combination, and for each that brings layers of its own, such as experts.
    """
    strategy = parse(text)
    trains = [part for part in strategy.parts() if part.trains_differently()]
    after = len(strategy.parts()) - len(trains)
    layers = sum(calls(part, "architecture", "classifier") for part in trains)
    return 0 if text == PLAIN else 2 * bool(trains) + max(0, len(trains) - 1) + after + layers
