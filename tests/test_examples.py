"""The scripts in `examples/` run as they are, in processes of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process import bench

PRINTED = {
    "own_strategy.py": ["3 cells share 6 jobs.", "log-weights(shift=10.0)"],
    "own_images.py": ["own-joint-squares", "balanced-softmax"],
    "reading_records.py": ["catalog", "fashion-small", "gain"],
}


def test_every_example_is_run(repository: Path) -> None:
    assert {path.name for path in (repository / "examples").glob("*.py")} == set(PRINTED)


@pytest.mark.parametrize("name", PRINTED)
def test_example(repository: Path, tmp_path: Path, name: str) -> None:
    own = [str(tmp_path)] if name != "reading_records.py" else []
    done = bench(tmp_path, repository / "examples" / name, *own)
    assert done.returncode == 0, done.stderr
    assert [text for text in PRINTED[name] if text not in done.stdout] == []
