"""One training step, hook by hook, with a check of every answer's shape.

B batch, C classes, F features.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from backbones.network import Network, seeded
from benchmarks.contract import tiny
from benchmarks.contract.cases import Case
from benchmarks.contract.clauses import expect
from benchmarks.training.forward import classify, forward
from benchmarks.training.loop import mixes_features, weighted_cross_entropy
from strategies.base import Batch, Outputs, Progress, Step, Strategy


@dataclasses.dataclass
class Tried:
    """A step's outcome: the network, the mixed batch, its loss (before backward) and the logits that are scored."""

    network: Network
    batch: Batch
    loss: Tensor
    scored_BC: Tensor


def network_for(strategy: Strategy, case: Case) -> Network:
    """Return the tiny network with the strategy's classifier: a function of strategy and counts alone."""
    network = tiny.network(case.facts.num_classes)
    with seeded(0, "architecture"):
        strategy.architecture(network, case.facts)
    with seeded(0, "strategy"):
        network.classifier = strategy.classifier(network.classifier, network.feature_size, case.facts)
        strategy.attach(network, case.facts)
    return network


def try_step(
    strategy: Strategy, case: Case, batch: Batch, progress: Progress, *, seed: int = 0, scale: float = 1.0
) -> Tried:
    """Return one step on a copy of `batch`, with the classifier's outputs multiplied by `scale`.

    Raises `Broken` for an answer of the wrong shape.
    """
    size, classes = len(batch.labels_B), case.facts.num_classes
    copy = _copy(batch)
    if strategy.second_C(case.facts, progress) is not None:
        copy.second = _copy(batch)
    mixed = strategy.mix(copy, case.facts, torch.Generator().manual_seed(seed))
    _shape("mix: images_BCHW", mixed.images_BCHW, *batch.images_BCHW.shape)
    _shape("mix: y_BC", mixed.y_BC, size, classes)
    sums_close = torch.allclose(mixed.y_BC.sum(1), torch.ones(size), atol=1e-5)
    expect(sums_close and (mixed.y_BC >= 0).all(), "mix: targets are negative or do not sum to 1")
    network = network_for(strategy, case)
    outputs = forward(network, mixed.images_BCHW, tiny.CHOICE)
    if mixes_features(strategy):
        mixed = dataclasses.replace(mixed, features_BF=outputs.features_BF)
        mixed = strategy.mix_features(mixed, case.facts, torch.Generator().manual_seed(seed + 2))
        expect(mixed.features_BF is not None, "mix_features returned no features_BF")
        outputs = classify(network, mixed.features_BF, tiny.CHOICE)  # type: ignore[arg-type]
    outputs = Outputs(
        outputs.logits_BC * scale, outputs.features_BF, {name: t * scale for name, t in outputs.extra.items()}
    )
    _shape("classifier: logits", outputs.logits_BC, size, classes)
    step = Step(case.facts, progress, _weights(strategy, case, progress), torch.Generator().manual_seed(seed + 1))
    trained_BC = strategy.train_logits(outputs, mixed, step)
    _shape("train_logits", trained_BC, size, classes)
    loss = strategy.loss(dataclasses.replace(outputs, logits_BC=trained_BC), mixed, step)
    if loss is None:
        loss = weighted_cross_entropy(trained_BC, mixed.y_BC, step.weights_C)
    _shape("loss", loss)
    detached = Outputs(
        outputs.logits_BC.detach(), torch.zeros(size, 0), {name: t.detach() for name, t in outputs.extra.items()}
    )  # without features, as they are not stored
    scored_BC = strategy.predict(detached, case.facts)
    _shape("predict", scored_BC, size, classes)
    return Tried(network, mixed, loss, scored_BC)


def _copy(batch: Batch) -> Batch:
    return Batch(batch.images_BCHW.clone(), batch.labels_B.clone(), batch.y_BC.clone())


def _weights(strategy: Strategy, case: Case, progress: Progress) -> Tensor:
    """Return the class weights as the training loop scales them, float32 [C]."""
    weights_C = strategy.class_weights_C(case.facts, progress)
    if weights_C is None:
        return torch.ones(case.facts.num_classes)
    return torch.from_numpy(weights_C / weights_C.mean()).float()


def _shape(what: str, tensor: Tensor, *expected: int) -> None:
    expect(tuple(tensor.shape) == expected, f"{what} has shape {tuple(tensor.shape)}, not {expected}")
