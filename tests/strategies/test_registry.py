"""Registration, discovery and plugin files, in real files and real processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from strategies import registry
from strategies.base import Facts, Phase, Strategy, StrategyError

pytestmark = pytest.mark.usefixtures("own_registry")

PLUGIN = """
import dataclasses
import numpy as np
from strategies.base import Strategy
from strategies.registry import register

@register
@dataclasses.dataclass(frozen=True)
class Mine(Strategy):
    name = "{name}"
    power: float = 0.5

    def class_weights_C(self, facts, progress):
        return np.full(facts.num_classes, self.power)
"""


def python(code: str, folder: Path) -> str:
    """Run code in a fresh interpreter that imports from `folder` first; return what it prints."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_studys_strategies_are_registered() -> None:
    study = {"none", "loss-weights", "oversample", "oversample-rare", "oversample-weak", "minority-augment"}
    assert study <= set(registry.names())
    assert registry.discover() == []


def test_listing_imports_no_torch(repository: Path) -> None:
    code = "import sys; from strategies.registry import names; names(); print('torch' in sys.modules)"
    assert python(code, repository).strip() == "False"


def test_a_dropped_file_is_found_and_a_broken_one_is_reported_by_name(tmp_path: Path, repository: Path) -> None:
    shutil.copytree(repository / "strategies", tmp_path / "strategies")
    (tmp_path / "strategies" / "mine.py").write_text(PLUGIN.format(name="mine"))
    (tmp_path / "strategies" / "broken.py").write_text("import no_such_library\n")
    (tmp_path / "strategies" / "half.py").write_text(PLUGIN.format(name="half") + "\nraise SystemExit('two\\nlines')")
    code = "from strategies import registry as r; print(*r.discover(), r.names(), sep='\\n')"
    *problems, names = python(code, tmp_path).splitlines()
    assert len(problems) == 2, problems
    assert problems[0].startswith("strategies/broken.py could not be imported: ModuleNotFoundError: No module named")
    assert problems[1] == "strategies/half.py could not be imported: SystemExit: two lines"
    assert "'mine'" in names
    assert "'oversample'" in names
    assert "'half'" not in names


def test_entry_points_are_found_and_broken_ones_reported(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "theirs.py").write_text(PLUGIN.format(name="theirs"))
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[benchmarks.strategies]\ntheirs = theirs\ngone = no_such_module\n")
    code = (
        f"import sys; sys.path.append({str(repository)!r})\n"
        "from strategies import registry as r; print(*r.discover(), r.names(), sep='\\n')"
    )
    problem, names = python(code, tmp_path).splitlines()
    assert problem.startswith("entry point gone = no_such_module could not be imported: ModuleNotFoundError")
    assert "'theirs'" in names


def test_a_plugin_file_registers_its_names_and_its_content_is_its_version(tmp_path: Path) -> None:
    file = tmp_path / "my plugin.py"
    file.write_text(PLUGIN.format(name="mine"))
    with registry.isolated():
        assert registry.load_file(file) == ["mine"]
        assert registry.load_file(file) == ["mine"], "loading twice is harmless"
        facts = Facts((3, 1), ("a", "b"))
        before = registry.get("mine")().training_identity(Phase(0, 1))
        assert registry.get("mine")(power=2.0).class_weights_C(facts, None).tolist() == [2.0, 2.0]  # type: ignore[call-arg, arg-type, union-attr]

    file.write_text(PLUGIN.format(name="mine").replace("self.power)", "self.power + 1)"))
    registry.load_file(file)
    assert registry.get("mine")().training_identity(Phase(0, 1)) != before


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "is not a file"),
        ("def broken(:\n", "SyntaxError"),
        ("raise RuntimeError('first\\nsecond')\n", "RuntimeError: first second"),
        (
            PLUGIN.format(name="oversample"),
            "'oversample' is registered by both strategies.study.oversample and strategy_plug",
        ),
        (PLUGIN.format(name="Not A Name"), "lower-case letters"),
    ],
)
def test_a_plugin_that_fails_is_named_and_leaves_nothing_behind(tmp_path: Path, content: str | None, says: str) -> None:
    file = tmp_path / "plugin.py"
    if content is not None:
        file.write_text(content)
    before = {name: registry.get(name) for name in registry.names()}
    with pytest.raises(StrategyError) as error:
        registry.load_file(file)
    assert str(file) in str(error.value)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert {name: registry.get(name) for name in registry.names()} == before


def test_a_name_taken_is_refused_naming_both_modules() -> None:
    class Other(Strategy):
        name = "oversample"

    with pytest.raises(StrategyError, match=r"both strategies\.study\.oversample and .*test_registry; rename one"):
        registry.register(Other)


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(StrategyError, match=r"no strategy 'oversampel' \(did you mean 'oversample'"):
        registry.get("oversampel")


def test_a_hook_with_other_parameters_than_it_is_called_with_is_refused() -> None:
    class Old(Strategy):
        """Written for an earlier seam."""

        name = "of-an-earlier-seam"

        def after_step(self, network) -> None:  # type: ignore[no-untyped-def, override]
            """Do nothing."""

    with pytest.raises(StrategyError, match=r"after_step takes \(self, network\), but is called as"):
        registry.register(Old)
