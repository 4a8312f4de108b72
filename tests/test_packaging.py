"""What the repository and the built wheel hold: all that a user needs, and nothing about the machine it was made on."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import benchmarks
from tests.process import command, environment

PACKAGES = {"backbones", "benchmarks", "strategies"}
REQUIRED = PACKAGES | {
    "docs", "examples", "results", "tests", "tox.ini", "pyproject.toml", "README.md", "ARCHITECTURE.md", "CHANGELOG.md",
    "CITATION.cff", "CONTRIBUTING.md", "LICENSE", ".github",
}  # fmt: skip
# Bracketed so that this file is no hit of its own.
MACHINE_PATHS = re.compile(r"(?<![\w.~$}])/(?:[w]ork|[o]pt|[r]oot|[h]ome/\w+|[U]sers/\w+)/\w")
REGISTRY_HOSTS = re.compile(r"\b(?:[p]ypi\.org|[f]iles\.pythonhosted|[d]ownload\.pytorch|[i]ndex-url\b)", re.IGNORECASE)


@pytest.fixture(scope="session")
def tracked(repository: Path) -> list[Path]:
    """Return the files that git tracks."""
    if not (repository / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=True)
    return [repository / name for name in listing.stdout.split("\0") if name and (repository / name).is_file()]


@pytest.fixture(scope="session")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel built from the checkout."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    code = f"from hatchling.build import build_wheel; build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, check=True)
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_holds_every_file_of_the_packages_and_nothing_else(repository: Path, tracked: list[Path], wheel: Path):
    packed = set(zipfile.ZipFile(wheel).namelist())
    names = {path.relative_to(repository).as_posix() for path in tracked}
    expected = {name for name in names if name.partition("/")[0] in PACKAGES}
    assert expected <= packed
    assert any(re.fullmatch(r"benchmarks/suites/\w[\w-]*\.toml", name) for name in packed)
    assert {name.partition("/")[0] for name in packed if ".dist-info/" not in name} == PACKAGES
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in packed)
    assert {f"{package}/py.typed" for package in PACKAGES} <= packed


def test_the_repository_holds_what_a_project_needs_and_no_stray_file(repository: Path, tracked: list[Path]):
    paths = {path.relative_to(repository) for path in tracked}
    assert {path.parts[0] for path in paths} >= REQUIRED
    # a file at the top is a document or the configuration of a tool; code and data are in folders
    top = {path for path in paths if len(path.parts) == 1 and not path.name.startswith(".")}
    assert {path.name for path in top if path.suffix not in (".md", ".cff", ".toml", ".ini", "")} == set()
    ignored = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    assert subprocess.run(ignored, cwd=repository, capture_output=True, text=True, check=True).stdout == ""


def test_version_has_one_place(repository: Path, wheel: Path):
    text = (repository / "pyproject.toml").read_text()
    assert "version" in tomllib.loads(text)["project"]["dynamic"]
    assert f"imbalance_benchmarks-{benchmarks.__version__}-py3" in wheel.name
    assert benchmarks.__version__ not in text


def test_the_installed_command_is_python_m_benchmarks(repository: Path):
    """Same function, so the same exit codes, and `run` is supervised in both."""
    scripts = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts["imbalance-benchmarks"].partition(":")
    code = f"from {module} import {function} as start; start()"
    for arguments, expected in ((["--version"], 0), (["nosuch"], 2), (["run", "--strategy", "nosuch"], 2)):
        done = [
            subprocess.run([*start, *arguments], env=environment(), capture_output=True, text=True)
            for start in ([sys.executable, "-c", code], command())
        ]
        assert {(process.returncode, process.stdout, process.stderr) for process in done} == {
            (expected, done[0].stdout, done[0].stderr)
        }
    assert done[0].stderr.count("\n") == 1


def test_licence_is_mit(repository: Path):
    text = (repository / "LICENSE").read_text()
    assert text.startswith("MIT License\n")
    assert "without restriction" in text
    assert tomllib.loads((repository / "pyproject.toml").read_text())["project"]["license"] == "MIT"


@pytest.mark.parametrize("forbidden", [MACHINE_PATHS, REGISTRY_HOSTS], ids=["machine paths", "registry hosts"])
def test_no_tracked_file_names(repository: Path, tracked: list[Path], forbidden: re.Pattern[str]):
    found = []
    for path in tracked:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        lines = enumerate(text.splitlines(), start=1)
        found += [f"{path.relative_to(repository)}:{n}: {line[:160]}" for n, line in lines if forbidden.search(line)]
    assert not found


def test_every_library_that_is_imported_is_declared(repository: Path):
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    extras = ("ray", "tensorboard", "hf", "weights", "export")
    requirements = project["dependencies"] + [one for name in extras for one in optional[name]]
    declared = {_normal(re.split(r"[^\w-]", requirement)[0]) for requirement in requirements}
    owners = packages_distributions()
    missing = set()
    for path in (path for package in PACKAGES for path in (repository / package).rglob("*.py")):
        for module in _imported(path) - PACKAGES - set(sys.stdlib_module_names):
            if not declared & {_normal(name) for name in owners.get(module, [module])}:
                missing.add(f"{path.relative_to(repository)} imports {module}")
    assert not missing


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _imported(path: Path) -> set[str]:
    """Return the top-level names of the modules that a file imports, anywhere in it; relative ones are left out."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            modules.add(node.module)
    return {module.partition(".")[0] for module in modules}
