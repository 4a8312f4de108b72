"""The model card: what the model is, how it was made, how good it is on each class, and what it is not for."""

from __future__ import annotations

import dataclasses

import numpy as np

from benchmarks.leaderboard.markdown import NOTHING, escape, fenced, table
from benchmarks.records.metrics import from_hits
from benchmarks.records.record import Record, StageResult
from benchmarks.records.stats import wilson
from benchmarks.support.errors import one_line
from benchmarks.support.words import some
from benchmarks.tools.export.model import CALIBRATION, Preprocessing
from benchmarks.tools.export.tensors import OWN, Tensors

FEW = 20  # training rows below which a class is named as little known


@dataclasses.dataclass(frozen=True, eq=False)
class Facts:
    """What a card says.

    `command`: what trained the cell. `temperature`: of the calibration, 1 if it was not `fitted`. `nll`: the negative
    log-likelihood of the test rows without and with it. `corrected`: whether the strategy changes logits after
    training. `mirror`, `again`: see `TrainedStage`. `chosen`: sentences on how the cell was chosen.
    """

    record: Record
    result: StageResult
    command: str
    preprocessing: Preprocessing
    tensors: Tensors
    temperature: float
    fitted: bool
    nll: tuple[float, float]
    corrected: bool
    mirror: bool
    again: bool
    chosen: tuple[str, ...] = ()


def card(facts: Facts) -> str:
    """Return the model card as Markdown."""
    record, result = facts.record, facts.result
    which = {"head": "head ", "tail": "tail ", "all": ""}[result.name]
    parts = [
        f"# {escape(record.backbone)} with {escape(record.strategy)}: {len(result.classes)} {which}classes",
        f"An image classifier exported from the suite {_code(record.suite)} of imbalance-benchmarks "
        f"({_code(record.name)}, stage {result.name}).",
        f"## Use\n\n{_use(facts)}",
        f"## Data\n\n{_data(record, result)}",
        f"## Accuracy\n\n{_accuracy(result)}",
        f"## Training\n\n{_training(facts)}",
        f"## Choice\n\n{_choice(facts)}",
        f"## Calibration\n\n{_calibration(facts)}",
        f"## Not for\n\n{_limits(facts)}",
    ]
    return "\n\n".join(parts) + "\n"


def _use(facts: Facts) -> str:
    size, tensors = facts.preprocessing.size, facts.tensors
    text = f"""With this package: `python -m benchmarks predict FOLDER 'photos/*.jpg'`. With ONNX Runtime alone:

```python
import json

import cv2
import onnxruntime

labels = json.load(open("labels.json", encoding="utf-8"))
image = cv2.cvtColor(cv2.imread("image.jpg"), cv2.COLOR_BGR2RGB)
image = cv2.resize(image, ({size}, {size}), interpolation=cv2.INTER_AREA)
session = onnxruntime.InferenceSession("model.onnx")
(probabilities,) = session.run(["probabilities"], {{"images": image[None]}})
print(labels[probabilities[0].argmax()], probabilities[0].max())
```

`model.onnx` takes any number of uint8 RGB images [B, {size}, {size}, 3]; it normalises them itself."""
    if tensors.create is None:
        return f"{text} `weights.safetensors` has names of this package, because timm has no such model."
    name, arguments = tensors.create
    words = "".join(f", {key}={value}" for key, value in arguments.items())
    model = f'model = timm.create_model("{name}"{words})'
    if tensors.whole:
        load = f'{model}\nmodel.load_state_dict(load_file("weights.safetensors"))'
        said = "The weights load in plain timm, classifier included:"
    else:
        load = (
            f'weights = load_file("weights.safetensors")\n{model}\n'
            f"model.load_state_dict({{n: w for n, w in weights.items() if not n.startswith({OWN!r})}})"
        )
        said = "The encoder's weights load in plain timm; those of the layers on top of it have names of their own:"
    return f"""{text} {said}

```python
import timm
from safetensors.torch import load_file

{load}
```

Images for timm are float RGB [B, 3, {size}, {size}] in [0, 1], less the mean and divided by the standard deviation in
`preprocessing.json`."""


def _data(record: Record, result: StageResult) -> str:
    setup = record.setup
    return (
        f"Dataset {_code(setup.dataset)} at {setup.image_size} px, fingerprint {_code(setup.fingerprint)}: "
        f"{sum(result.train_n)} training rows, {sum(result.validation_n)} validation rows and {result.rows} test rows "
        f"of {len(result.classes)} classes. The largest class has {max(result.train_n)} training rows, the smallest "
        f"{min(result.train_n)}."
    )


def _accuracy(result: StageResult) -> str:
    means = from_hits(np.array(result.top1_hits), train_C=np.array(result.train_n), test_C=np.array(result.test_n))
    counts = list(zip(result.top1_hits, result.test_n, strict=True))
    shown = table(
        ["class", "training rows", "test rows", "top-1", "95 % interval"],
        [
            [escape(name) for name in result.classes],
            [str(n) for n in result.train_n],
            [str(n) for n in result.test_n],
            [f"{hits / n:.3f}" if n else NOTHING for hits, n in counts],
            [_interval(hits, n) for hits, n in counts],
        ],
    )
    return (
        f"Top-1 on the test rows: {means['overall']:.3f} over all rows "
        f"{_interval(sum(result.top1_hits), result.rows)}, {means['class-mean']:.3f} as the mean over classes. "
        f"Intervals are Wilson's; a class with few test rows has a wide one.\n\n{shown}"
    )


def _interval(hits: int, rows: int) -> str:
    low, high = wilson(hits, rows)
    return f"[{low:.3f}, {high:.3f}]" if rows else NOTHING


def _training(facts: Facts) -> str:
    record, result = facts.record, facts.result
    trains = record.setup.recipe.get("trains")
    how = "the classifier on features of a frozen backbone" if trains == "classifier" else "all weights"
    made = escape(f"{record.made[:10]} on {record.environment.device} in {record.environment.dtype}")
    again = (
        "\n\nThe trained state had been removed, so the cell was trained again for this export; the accuracies above "
        "are those of this training."
        if facts.again
        else ""
    )
    return (
        f"Strategy {_code(record.strategy)}, {how} trained for {result.epochs} epochs, seed {record.seed}, {made}. "
        f"The cell's key is {_code(record.key)}.\n\n{fenced(facts.command)}{again}"
    )


def _choice(facts: Facts) -> str:
    tuned = facts.record.tuned
    lines = [escape(line) for line in facts.chosen]
    if tuned:
        lines.append(f"`tune` chose its settings on validation rows, of {tuned['trials']} trials.")
    return "\n".join(f"- {line}" for line in lines) or "Named by the person who exported it."


def _calibration(facts: Facts) -> str:
    n, (before, after) = sum(facts.result.validation_n), facts.nll
    if facts.fitted:
        fitted = (
            f"Probabilities are softmax(z / T) with the temperature T = {facts.temperature:.3f}, fitted on the logits "
            f"z of {n} validation rows (Guo et al., ICML 2017). The mean negative log-likelihood of the test rows is "
            f"{after:.3f}, and {before:.3f} without it."
        )
    else:
        fitted = f"{n} validation rows are too few to calibrate on: probabilities are the plain softmax."
    if facts.corrected:
        fitted += " The strategy's correction of the logits after training is part of z"
        fitted += "." if facts.tensors.whole else f" in `model.onnx`; its factors and summands are in `{CALIBRATION}`."
    mirrored = " In `model.onnx`, z is the mean over an image and its mirror." if facts.mirror else ""
    return f"{fitted}{mirrored}"


def _limits(facts: Facts) -> str:
    result = facts.result
    little = [escape(name) for name, n in zip(result.classes, result.train_n, strict=True) if n < FEW]
    lines = [
        f"- Images of anything but its {len(result.classes)} classes: every image gets one of them.",
        "- Images that were taken, cut or prepared in another way than the data above.",
        "- Calibrated probabilities where class frequencies differ from those of the validation rows.",
        "- Decisions about people, or any use in which a wrong class does harm, without an evaluation of your own.",
    ]
    if result.name != "all":
        lines.insert(1, f"- The classes of the other stage: it was trained on the {result.name} classes alone.")
    if little:
        lines.append(f"- Reliable answers on classes with fewer than {FEW} training rows: {some(little, 10)}.")
    return "\n".join(lines)


def _code(name: str) -> str:
    """Return a name in one line of code font."""
    return f"`{one_line(name).replace('`', '')}`"
