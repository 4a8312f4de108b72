"""The clauses, in the order in which they are tried."""

from __future__ import annotations

from benchmarks.contract import tensors, text, training, unchanged, values
from benchmarks.contract.clause import Clause

_ALONE = ("described", "parameters", "phases", "weights", "sampling", "augmentation")
_TENSORS = ("shapes", "finite", "odd-classes", "randomness", "facts")

CLAUSES = (
    Clause("described", "name, summary, docstring; needs and seats that are known", text.described),
    Clause("parameters", "parameters survive text, JSON and a record", text.parameters),
    Clause("phases", "phases cover the stage for any number of epochs", values.phases),
    Clause("weights", "class weights are finite and positive, one per class", values.weights),
    Clause("sampling", "draws sum to 1, empty classes get 0", values.sampling),
    Clause("augmentation", "strengths and share are in range", values.augmentation),
    Clause("shapes", "logits, targets and loss have their shapes", tensors.shapes, ("weights",)),
    Clause("finite", "loss and gradients are finite", tensors.finite, ("weights", "shapes")),
    Clause(
        "odd-classes", "one-class batches, empty classes, one-sample classes", tensors.odd_classes,
        ("phases", "weights", "augmentation", "shapes", "finite"),
    ),
    Clause("randomness", "only the generator handed in is drawn from", unchanged.randomness, ("weights", "shapes")),
    Clause("facts", "facts are unchanged, answers repeat", unchanged.facts, ("weights", "shapes", "randomness")),
    Clause("frozen", "frozen parts and their batch-norm buffers are unchanged", training.frozen, _ALONE + _TENSORS),
    Clause("resumed", "interrupted and resumed equals uninterrupted", training.resumed, _ALONE + _TENSORS),
)  # fmt: skip
