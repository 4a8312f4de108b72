"""Define a strategy, train it next to plain training on the digits, and compare (seconds on a CPU).

python examples/own_strategy.py [OUTPUT FOLDER]
"""

import dataclasses
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np

import benchmarks
from strategies.base import Facts, Progress, Strategy


@benchmarks.register
@dataclasses.dataclass(frozen=True)
class LogWeights(Strategy):
    """w_c = 1 / log(shift + n_c)."""

    name: ClassVar[str] = "log-weights"
    summary: ClassVar[str] = "loss weights by the logarithm of the count"
    shift: float = 2.0

    def class_weights_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return the weights, float64 [C]."""
        return 1.0 / np.log(self.shift + facts.counts)


def main() -> None:
    """Train both and print the class means of the tail."""
    out = sys.argv[1] if len(sys.argv) > 1 else "runs"
    session = benchmarks.plan(
        Path(__file__).with_name("quick.toml"), strategies=["none", "log-weights", "log-weights(shift=10)"], out=out
    )
    print(f"{len(session.plan.cells)} cells share {len(session.plan.jobs)} jobs.")
    found = benchmarks.run(session)
    print(found[found.stage == "tail"][["strategy", "class_mean", "seconds_alone"]].to_string(index=False))


if __name__ == "__main__":
    main()
