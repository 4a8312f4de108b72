"""The command line: help, lists, and what it says to mistakes. Processes where the process matters, calls elsewhere."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from benchmarks.cli import main
from benchmarks.tools import status
from strategies.registry import get
from tests.process import bench, command, environment, write_suite

HEAVY = ("torch", "timm", "sklearn", "pandas", "albumentations", "cv2")


LIGHT = {
    "--help": (*HEAVY, "numpy", "rich", "pydantic"),
    "run --help": (*HEAVY, "numpy", "rich"),  # typer itself takes pydantic
    "check --help": (*HEAVY, "numpy", "rich"),
    "list backbones": HEAVY,
    "list strategies": HEAVY,
    "list suites": HEAVY,
    "list datasets": HEAVY,
    "leaderboard --out nowhere": ("torch", "timm", "sklearn", "albumentations"),
    "check oversampel": ("torch", "timm", "sklearn", "albumentations"),
    "run --strategy oversampel": ("torch", "timm", "sklearn", "albumentations"),
}
IMPORTED = """
import json, sys
from benchmarks.cli import main
for words, banned in json.loads(sys.argv[1]).items():
    main(words.split())
    if loaded := set(banned) & set(sys.modules):
        sys.exit(f"{words} imported {loaded}")
"""


def test_what_trains_nothing_imports_nothing_heavy(tmp_path: Path) -> None:
    """In one process, in which the commands that may import least come first."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, json.dumps(LIGHT)],
        cwd=tmp_path, env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("error: ") == 3 and done.stdout.count("Usage: ") == 3


def test_lists_name_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    for kind, expected in {
        "backbones": ["resnet50 ", ":mlp2", "any timm name"],
        "strategies": ["none ", "loss-weights(scheme=max-ratio)"],
        "suites": ["catalog ", "fashion-study "],
        "datasets": ["digits ", "folder "],
    }.items():
        assert main(["list", kind]) == 0
        printed = capsys.readouterr().out
        assert all(f"\n{name}" in f"\n{printed}" for name in expected)


def test_strategies_are_listed_by_family_with_what_they_need(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(get("mixup"), "transductive", True)
    assert main(["list", "strategies"]) == 0
    families = dict(part.split("\n", 1) for part in capsys.readouterr().out.split("# ")[1:])
    by_name = {name.split()[0]: rows.splitlines() for name, rows in families.items()}
    assert list(by_name) == sorted(by_name) and {"losses", "mixing", "posthoc", "study", "text"} <= set(by_name)

    def line(family: str, name: str) -> str:
        return next(row for row in by_name[family] if name in (row.split()[0], row.split("(")[0]))

    assert line("mixing", "cutmix").endswith(" [not on frozen features]")
    assert line("mixing", "mixup").endswith(" [sees the test distribution]")
    assert line("posthoc", "tau-norm(tau=none)").endswith(" [needs validation]")
    assert line("text", "text-fallback").endswith(" [reads text, needs validation]")
    assert line("losses", "focal").endswith("count less")


def _zip_that_climbs(folder: Path) -> Path:
    path = folder / "archive.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("styles.csv", "id,articleType,year,productDisplayName\n1,Shirts,2012,A shirt\n")
        archive.writestr("../images/1.jpg", b"")
    return path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("run", "--all"),
        ("run --all --backbone resnet50", "--all is the whole suite"),
        ("run --al", "--all"),
        ("run --strategy oversampel", "did you mean 'oversample'"),
        ("run --strategy weird*", "No strategy matches"),
        ("run --backbone tiny*", "no backbone matches"),
        ("run --backbone ,", "--backbone is empty"),
        ("run --strategy oversample-rare(fraction=lots)", "must be a finite number, got 'lots'"),
        ("run --all --suite catalogue", "did you mean 'catalog'"),
        ("run --all --suite absent.toml", "cannot read suite file"),
        ("run --all --data absent", "absent does not exist; expected"),
        ("run --all --data .", "looked for"),
        ("run --all --suite catalog --data .", "takes no path"),
        ("run --all --suite fashion-small", "not here yet; run `data fetch fashion`"),
        ("run --all --seeds 0", "--seeds"),
        ("run --all --seeds many", "--seeds"),
        ("plan --suite SUITE --seeds 99999999999", "are 299,999,999,997 cells; a plan has at most 20,000"),
        ("plan --all --threads 100000", "1024"),
        ("run --all --executor ray --jobs 2", "with --executor ray, --jobs-per-device K does it"),
        ("run --all --job-timeout nan", "invalid value for '--job-timeout'"),
        ("run --all --job-timeout inf", "invalid value for '--job-timeout'"),
        ("run --all --checkpoint-seconds nan", "invalid value for '--checkpoint-seconds'"),
        ("run --all --out EMPTY", "--out has an empty value"),
        ("run --all --out=", "--out has an empty value"),
        ("data info --data EMPTY", "--data has an empty value"),
        ("plan --suite EMPTY", "--suite has an empty value"),
        ("explain EMPTY", "an argument has an empty value"),
        ("run --all --device gpu", "'gpu' is not one of"),
        ("run --all --plugin absent.py", "absent.py is not a file"),
        ("run --all --weights absent.safetensors", "is not a file"),
        ("run --all --protocol joint --head-classes 3", "does not have"),
        ("plan --suite SUITE --head-classes 9", "the head or the tail has fewer than two"),
        ("data info cifar", "There is no dataset 'cifar'"),
        ("data info --data ZIP", "outside"),
        ("data export . digits", "is not an empty folder"),
        ("data fetch digits", "expected fashion"),
        ("leaderboard --out absent", "no records below absent"),
        ("check oversampel", "did you mean 'oversample'"),
        ("check absent.py", "absent.py is not a file"),
        ("check", "missing argument"),
        ("list things", "'things' is not one of"),
        ("lst", "No such command"),
    ],
)
def test_a_mistake_gets_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("no data")
    given = {"ZIP": lambda: _zip_that_climbs(tmp_path), "SUITE": lambda: write_suite(tmp_path), "EMPTY": str}
    words = [str(given[word]()) if word in given else word for word in arguments.split()]
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert expected.lower() in said.err.lower()


def test_a_mistake_in_a_process_of_its_own(tmp_path: Path) -> None:
    done = bench(tmp_path, "run", "--strategy", "oversampel")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: There is no strategy 'oversampel' (did you mean 'oversample'")


def test_what_the_machine_refuses_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(out: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(out / "deep"))

    monkeypatch.setattr(status, "look", refuse)
    assert main(["status", "--out", str(tmp_path)]) == 2
    said = f"error: {tmp_path / 'deep'}: Permission denied; fix this and re-run the command.\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_reader_that_leaves_early_hears_no_complaint(tmp_path: Path, unbuffered: str) -> None:
    with subprocess.Popen(
        command("list", "backbones"), cwd=tmp_path, env=environment() | {"PYTHONUNBUFFERED": unbuffered},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_a_broken_plugin_that_is_installed_is_named_and_the_rest_is_listed(tmp_path: Path) -> None:
    installed = tmp_path / "broken-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[benchmarks.strategies]\nbroken = no_such_module_here\n")
    place = environment()
    place["PYTHONPATH"] += f":{tmp_path}"
    done = subprocess.run(command("list", "strategies"), cwd=tmp_path, env=place, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr.startswith("warning: entry point broken")
    assert "oversample" in done.stdout


def test_data_is_described_and_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "info", "digits", "--per-class"]) == 0
    info = capsys.readouterr().out
    assert "10 classes" in info
    assert {"head", "tail", "unseen"} <= set(info.split())
    assert main(["data", "export", str(tmp_path / "tree"), "digits"]) == 0
    assert str(tmp_path / "tree") in capsys.readouterr().out
    assert main(["data", "info", "--data", str(tmp_path / "tree")]) == 0
    again = capsys.readouterr().out
    assert info.split(" rows")[0].split()[-1] == again.split(" rows")[0].split()[-1]


def test_throughput_measures_a_backbone_and_prints_its_row(tmp_path: Path) -> None:
    suite = write_suite(tmp_path)
    suite.write_text(suite.read_text().replace('"test_resnet"', '"test_resnet:mlp1"'))
    done = bench(
        tmp_path, "throughput", "--backbone", "test_resnet:*", "--device", "cpu", "--steps", "1", "--rounds", "1",
        "--suite", str(suite), "--batch-size", "8",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    header, _, row = done.stdout.splitlines()[-3:]  # after what is said of a busy machine
    names, values = ([cell.strip() for cell in line.strip("|").split("|")] for line in (header, row))
    told = dict(zip(names, values, strict=True))
    assert told["backbone"] == "test_resnet:mlp1" and told["chosen"].split()[0] in ("channels_last", "contiguous")
    assert (told["px"], told["batch"], told["of bf16 peak"], told["waits a step"]) == ("16", "8", "-", "-")
    assert all(float(told[name]) > 0 for name in names[4:9])
