"""Read the published records as a pandas table, and rank strategies by their gain over plain training.

python examples/reading_records.py [FOLDER OF RECORDS]
"""

import sys
from pathlib import Path

import benchmarks


def main() -> None:
    """Print, per suite, the five strategies whose tail class mean is highest above plain training's."""
    folder = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "results"
    records = benchmarks.load_records(folder)
    tail = records[(records.stage == "tail") & ~records.tuned]  # the suites' own settings
    means = tail.groupby(["suite", "backbone", "strategy"]).class_mean.agg(["mean", "std", "count"])
    plain = means.xs("none", level="strategy")["mean"]
    means["gain"] = means["mean"] - plain.reindex(means.index.droplevel("strategy")).to_numpy()
    for suite, found in means.sort_values("gain", ascending=False).groupby(level="suite"):
        print(f"\n{suite}\n{found.droplevel('suite').head(5).round(3).to_string()}")


if __name__ == "__main__":
    main()
