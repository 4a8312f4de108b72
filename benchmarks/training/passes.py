"""Run a batch through the network in one pass with its other views and a second batch for mixing features.

Batch-norm statistics are therefore computed over all of them together. B batch, C classes, F features.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch

from backbones.network import Network
from backbones.probe import Choice
from benchmarks.training.forward import classify, forward, pooled
from benchmarks.training.gpu.cuda_graphs import Graphs
from strategies.base import Batch, Facts, Outputs, Strategy, StrategyError
from strategies.combining.seats import calls


def mixes_features(strategy: Strategy) -> bool:
    """Whether the strategy or a part of it mixes features: the classifier then runs on the whole batch."""
    return calls(strategy, "mix_features")


def network_outputs(
    network: Network, strategy: Strategy, batch: Batch, choice: Choice, graphs: Graphs | None = None
) -> Outputs:
    """Return the network's outputs for a batch of images or stored features, and for its `views`.

    `graphs`, if given, runs the network on images.

    If the strategy mixes features, logits are empty, [B, 0], and a second batch is the last of the `views`;
    `mixed_outputs` then runs the classifier.
    """
    mixes = mixes_features(strategy)
    batches = [batch, *batch.views, *([batch.second] if mixes and batch.second is not None else [])]
    given = _joined(batches)
    if mixes:
        features_BF = pooled(network, given, choice)
        return _parts(Outputs(features_BF.new_zeros(len(features_BF), 0), features_BF), len(batches))
    if given.features_BF is not None:
        return _parts(classify(network, given.features_BF, choice), len(batches))
    runs: Network | Graphs = network if graphs is None or given.tokens_BT is not None else graphs
    return _parts(forward(runs, given.images_BCHW, choice, given.tokens_BT), len(batches))


def mixed_outputs(
    network: Network, strategy: Strategy, batch: Batch, outputs: Outputs, choice: Choice, facts: Facts,
    generator: torch.Generator,
) -> tuple[Outputs, Batch]:  # fmt: skip
    """Return the classifier's outputs for the mixed features of `network_outputs`, and the batch with its targets.

    Raises StrategyError if `mix_features` returns a batch without features.
    """
    views = [view.features_BF for view in outputs.views[: len(batch.views)]]
    second = batch.second and dataclasses.replace(batch.second, features_BF=outputs.views[-1].features_BF)
    given = dataclasses.replace(batch, features_BF=outputs.features_BF, second=second)
    given = strategy.mix_features(given, facts, generator)
    if given.features_BF is None:
        raise StrategyError("mix_features returned a batch without features; return features_BF, [B, F].")
    features = [given.features_BF, *views]
    made = classify(network, torch.cat(features) if views else features[0], choice)
    return _parts(made, len(features)), keeping_views(given, batch)


def keeping_views(mixed: Batch, batch: Batch) -> Batch:
    """Return the mixed batch; if it has no views, with those of the original `batch`."""
    return mixed if mixed.views or not batch.views else dataclasses.replace(mixed, views=batch.views)


def detached(outputs: Outputs) -> Outputs:
    """Return the outputs without gradients."""
    extra = {name: tensor.detach() for name, tensor in outputs.extra.items()}
    views = tuple(detached(view) for view in outputs.views)
    return Outputs(outputs.logits_BC.detach(), outputs.features_BF.detach(), extra, views=views)


def _joined(batches: Sequence[Batch]) -> Batch:
    """Concatenate the network inputs of batches of the same kind; the targets are the first batch's."""
    first = batches[0]
    if len(batches) == 1:
        return first
    features = [b.features_BF for b in batches if b.features_BF is not None]
    tokens = [b.tokens_BT for b in batches if b.tokens_BT is not None]
    return Batch(
        torch.cat([b.images_BCHW for b in batches]),
        first.labels_B,
        first.y_BC,
        torch.cat(features) if features else None,
        tokens_BT=torch.cat(tokens) if tokens else None,
    )


def _parts(outputs: Outputs, count: int) -> Outputs:
    """Split the outputs of `count` concatenated batches of equal size: the first's, with the others as its `views`."""
    if count == 1:
        return outputs
    logits, features = outputs.logits_BC.chunk(count), outputs.features_BF.chunk(count)
    extra = {name: tensor.chunk(count) for name, tensor in outputs.extra.items()}
    first, *others = (
        Outputs(logits[part], features[part], {name: tensors[part] for name, tensors in extra.items()})
        for part in range(count)
    )
    return dataclasses.replace(first, views=tuple(others))
