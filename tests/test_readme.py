"""What the README shows works as shown."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from strategies import registry
from strategies.base import Facts, Progress
from strategies.expression import parse


def test_the_strategy_in_one_file(repository: Path, tmp_path: Path, own_registry: None) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (repository / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "sqrt_weights.py"
    file.write_text(code, encoding="utf-8")
    assert registry.load_file(file) == ["sqrt-weights"]
    facts = Facts((100, 4, 0), ("a", "b", "c"))
    np.testing.assert_allclose(parse("sqrt-weights").class_weights_C(facts, Progress(0, 1)), [0.1, 0.5, 1.0])
    np.testing.assert_allclose(parse("sqrt-weights(power=1)").class_weights_C(facts, Progress(0, 1)), [0.01, 0.25, 1.0])


def test_links_lead_somewhere(repository: Path) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert links
    assert [link for link in links if not (repository / link).exists()] == []
