"""Writing and checking: the same records give the same bytes, and `check` sees every other byte."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest

from benchmarks.cli import main
from benchmarks.leaderboard import files
from benchmarks.records import storage
from benchmarks.support.errors import UserError
from tests.leaderboard import make


@pytest.fixture(scope="module")
def fashion(tmp_path_factory):
    """Return a folder with records of the study's shape and the leaderboards made from them, to be read only."""
    folder = tmp_path_factory.mktemp("fashion")
    make.write_fashion(folder, seeds=1)
    storage.write(make.record(), folder)
    assert files.write(folder) == []
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return a folder with small records and the leaderboards made from them."""
    folder = tmp_path_factory.mktemp("written")
    for backbone in ("resnet10t", "resnet50:mlp2"):
        for strategy, accuracy in (("none", 0.6), ("oversample", 0.8)):
            stages = (make.stage_result("head", accuracy=accuracy), make.stage_result("tail", accuracy=accuracy))
            storage.write(make.record(stages, suite="two", backbone=backbone, strategy=strategy), folder)
    storage.write(make.record(), folder)
    assert files.write(folder) == []
    return folder


@pytest.fixture
def out(written, tmp_path):
    """Return a copy of `written`, to be changed."""
    return shutil.copytree(written, tmp_path, dirs_exist_ok=True)


def test_written_pages_pass_their_check(fashion):
    assert files.check(fashion) == []
    assert (fashion / "README.md").read_text().count("leaderboard.md") == 2
    made = sorted(path.relative_to(fashion) for path in fashion.rglob("*.*") if path.suffix != ".json")
    assert made == sorted(files.generate(fashion))


def test_the_index_says_how_each_suite_was_measured(tmp_path):
    for seed, commit in enumerate(("abc1234", "abc1234", "def5678+")):
        measured = make.record(seed=seed, versions={"commit": commit}, seconds_marginal=1800.0)
        storage.write(measured, tmp_path)
    text = files.generate(tmp_path)[Path("README.md")]
    (row,) = (line for line in text.splitlines() if line.startswith("| [toy]"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert "1.5" in cells and "abc1234, def5678+" in cells  # three half hours
    assert "python -m benchmarks run --suite toy --backbone resnet10t --strategy none --seeds 3" in text


def test_what_stands_in_the_way_of_a_page_is_named(out):
    board = out / "toy" / "leaderboard.md"
    board.write_bytes(b"\xff")
    (out / "README.md").unlink()
    (out / "README.md").mkdir()
    found = "\n".join(files.check(out))
    assert "README.md cannot be read (Is a directory)" in found
    assert "toy/leaderboard.md differs from its records" in found
    for blocked in (board, out / "README.md"):
        with pytest.raises(UserError, match=f"{blocked.name} was not made by this command"):
            files.write(out)
        blocked.unlink() if blocked.is_file() else blocked.rmdir()
    files.write(out)


def test_pages_that_cannot_be_written_are_the_users_to_mend(out, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_bytes", full)
    with pytest.raises(UserError, match="cannot be written .No space left on device"):
        files.write(out)


def test_links_lead_to_files(fashion):
    for page in fashion.rglob("*.md"):
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
            assert (page.parent / unquote(target)).exists()


def test_same_records_same_bytes_whatever_the_order_of_files(fashion, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    for path in sorted(fashion.rglob("*.json"), reverse=True):
        storage.write(storage.read(path), other)
    assert files.generate(other) == files.generate(fashion)


def test_check_names_what_is_changed_missing_stale_or_unreadable(out):
    board = out / "toy" / "leaderboard.md"
    board.write_text(board.read_text().replace("0.", "1.", 1))
    (out / "two" / "per-class" / "resnet10t.md").unlink()
    stale = out / "toy" / "per-class" / "gone.md"
    stale.write_text((out / "README.md").read_text())
    bad = next((out / "two" / "records").rglob("*.json"))
    bad.write_text("{")
    found = "\n".join(files.check(out))
    assert "toy/leaderboard.md differs from its records, first in line" in found
    assert "two/per-class/resnet10t.md is missing" in found
    assert "toy/per-class/gone.md has no records any more" in found
    assert str(bad) in found
    assert files.write(out) == [found.splitlines()[0]]  # the unreadable record stays a problem
    assert not stale.exists()
    assert len(files.check(out)) == 1


def test_a_new_record_makes_the_check_fail_until_written(out):
    storage.write(make.record(strategy="new"), out)
    assert {line.split()[0] for line in files.check(out)} == {
        "toy/leaderboard.md",
        "toy/per-class/resnet10t.md",
        "README.md",
    }
    files.write(out)
    assert files.check(out) == []


def test_one_suite_alone(out):
    storage.write(make.record(strategy="new"), out)
    assert files.check(out, "two") == []
    assert len(files.check(out, "toy")) == 2
    files.write(out, "toy")
    assert [line.split()[0] for line in files.check(out)] == ["README.md"]


def test_a_file_of_someone_else_is_not_overwritten(tmp_path):
    storage.write(make.record(), tmp_path)
    (tmp_path / "README.md").write_text("# My project\n")
    with pytest.raises(UserError, match="was not made by this command"):
        files.write(tmp_path)
    assert (tmp_path / "README.md").read_text() == "# My project\n"
    assert not (tmp_path / "toy" / "leaderboard.md").exists()


def test_a_misspelt_suite_is_answered_with_those_that_are_there(tmp_path):
    storage.write(make.record(), tmp_path)
    with pytest.raises(UserError, match="no suite 'toi' below .*did you mean 'toy'.*; there are toy"):
        files.check(tmp_path, "toi")


@pytest.mark.parametrize("suite", [None, "toy"])
def test_no_records_is_said_in_one_sentence(tmp_path, suite):
    with pytest.raises(UserError, match="no records below"):
        files.check(tmp_path, suite)


def test_without_a_folder_the_published_records_are_meant_and_without_those_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (Path("runs"), Path("results")):
        storage.write(make.record(), folder)
        assert main(["leaderboard"]) == main(["leaderboard", "--check"]) == 0
        assert capsys.readouterr().out.startswith(f"Leaderboards: {folder / 'README.md'}\n")
        assert (folder / "toy" / "leaderboard.md").is_file()
