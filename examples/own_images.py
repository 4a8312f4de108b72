"""Train on a folder of your own images; this script draws the folder first (seconds on a CPU).

python examples/own_images.py [WORKING FOLDER]

The folder has one subfolder per class. Without `train/` and `test/` above them, 30 % of each class are the test rows.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import benchmarks

COUNTS = {"red": 60, "green": 40, "blue": 20, "grey": 10}
COLOURS = {"red": (200, 60, 60), "green": (60, 180, 60), "blue": (60, 60, 200), "grey": (120, 120, 120)}


def draw(folder: Path) -> None:
    """Write noisy coloured squares, `COUNTS` of them, as `folder/CLASS/NUMBER.png`."""
    random = np.random.default_rng(0)
    for name, count in COUNTS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels_HWC = random.normal(COLOURS[name], 60, (16, 16, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels_HWC).save(folder / name / f"{number}.png")


SUITE = """
title = "Own images, a few epochs"
dataset = "folder"
head_classes = 2
backbones = ["test_resnet"]
strategies = ["none", "balanced-softmax"]

[recipe]
image_size = 16
learning_rate = 0.05
precision = "float32"

[recipe.epochs]
head = 3
tail = 3
all = 3
"""


def main() -> None:
    """Draw, train both strategies on all classes in one stage, and print what they reach."""
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "runs")
    draw(place / "squares")
    suite = place / "own.toml"
    suite.write_text(SUITE)
    session = benchmarks.plan(suite, data=place / "squares", protocol="joint", out=place / "results")
    found = benchmarks.run(session)
    print(found[["suite", "strategy", "stage", "classes", "test_rows", "overall", "worst"]].to_string(index=False))


if __name__ == "__main__":
    main()
