"""Records: what is written is what is read, and nothing else is."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.records import storage, upgrades
from benchmarks.records.bits import pack_bits, unpack_bits
from benchmarks.records.record import RecordError
from tests.leaderboard import make


def reseal(path, **changes) -> None:
    """Change fields of a written record (`...` removes one) and give it a checksum that fits."""
    content = json.loads(path.read_text()) | {"checksum": ...} | changes
    content = {name: value for name, value in content.items() if value is not ...}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    path.write_text(json.dumps(content | {"checksum": hashlib.sha256(canonical).hexdigest()}))


def test_round_trip_of_finished_and_failed(tmp_path):
    for one in (
        make.record(),
        make.record((make.stage_result(),)),
        make.failed(seed=3),
        make.record(extra={"asked": 7}),
    ):
        assert storage.read(storage.write(one, tmp_path)) == one


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=40))
def test_bits_come_back_class_by_class(rows):
    hits_N = np.array([hit for hit, _ in rows], dtype=bool)
    labels_N = np.array([label for _, label in rows], dtype=int)
    expected = [hit for label in range(7) for hit, own in rows if own == label]
    assert unpack_bits(pack_bits(hits_N, labels_N), len(rows)).tolist() == expected


def test_a_truncated_file_is_refused_in_one_sentence(tmp_path):
    path = storage.write(make.record(), tmp_path)
    whole = path.read_bytes()
    last = len(whole) - 2  # without the last line break it is still whole
    for length in {*range(0, last, 17), *range(last - 80, last)}:
        path.write_bytes(whole[:length])
        with pytest.raises(RecordError) as caught:
            storage.read(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@given(st.data())
def test_any_changed_byte_is_detected_or_harmless(tmp_path_factory, data):
    one = make.record()
    path = storage.write(one, tmp_path_factory.mktemp("flip"))
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(RecordError):
        assert storage.read(path) == one  # white space, or the same byte


def test_edited_figure_is_detected(tmp_path):
    path = storage.write(make.record(seconds_alone=600.0), tmp_path)
    path.write_text(path.read_text().replace("600.0", "60.0"))
    with pytest.raises(RecordError, match="checksum"):
        storage.read(path)


def test_an_older_schema_is_read_through_its_upgrades_and_one_that_never_was_is_not(tmp_path, monkeypatch):
    def from_0(content):
        seconds = content.pop("time")
        return {**content, "schema": 1, "seconds_alone": seconds, "extra": {"measured_schema": 0}}

    new = make.record(seconds_alone=600.0)
    path = storage.write(new, tmp_path)
    changes = {"schema": 0, "seconds_alone": ..., "time": 600.0, "setup": ..., "environment": ..., "cost": ...}
    reseal(path, **make.schema_1(new) | changes)
    with pytest.raises(RecordError, match="there is no schema 0"):
        storage.read(path)
    monkeypatch.setitem(upgrades.UPGRADES, 0, from_0)
    assert storage.read(path) == dataclasses.replace(new, extra={"measured_schema": 0})
    path.write_text(path.read_text().replace("600.0", "60.0"))
    with pytest.raises(RecordError, match="checksum"):
        storage.read(path)


def test_newer_schema_says_upgrade(tmp_path):
    path = storage.write(make.record(), tmp_path)
    reseal(path, schema=7)
    with pytest.raises(RecordError, match=r"schema 7 is newer than this version reads \(2\); upgrade"):
        storage.read(path)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"schema": "1", "checksum": ""}', "[" * 100_000, "\xff", "NaN"]
)
def test_foreign_files_are_refused(tmp_path, text):
    path = tmp_path / "foreign.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(RecordError, match="foreign.json"):
        storage.read(path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(RecordError, match="No such file"):
        storage.read(tmp_path / "none.json")


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": "0"}, {"seed": True}, {"protocol": "three-stage"}, {"surprise": 1}, {"backbone": ...}, {"schema": 0},
        {"stages": []}, {"status": "failed"}, {"error": "it failed"}, {"cost": {}},
        {"environment": {"hardware": {"cpu": 1.5}}}, {"setup": None}, {"made": None},
    ],
)  # fmt: skip
def test_a_right_checksum_does_not_excuse_wrong_content(tmp_path, changes):
    path = storage.write(make.record(), tmp_path)
    reseal(path, **changes)
    with pytest.raises(RecordError):
        storage.read(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"top1_hits": (31, 0, 0)}, {"test_n": (30, 8, 3)}, {"rows": 41}, {"train_n": (1, 2)}, {"train_n": (1, 2, -3)},
        {"top1_bits": "AAAAAAA="}, {"top5_bits": "not base64"}, {"validation_top1_hits": (1, 0, 0)},
        {"classes": ("a", "a", "b")}, {"reliability": ((39, 20.5, 30),)}, {"losses": (1.0,)},
        {"accuracies": (0.5, 0.6)},
    ],
)  # fmt: skip
def test_counts_that_contradict_each_other_are_refused(changes):
    with pytest.raises(RecordError, match="stage 'all'"):
        dataclasses.replace(make.stage_result(), **changes)


def test_bits_in_another_order_than_class_by_class_are_refused():
    hits_N, labels_N = np.array([True, False, True, False]), np.array([1, 0, 1, 0])
    good = make.stage_result(train_n=(5, 5), test_n=(2, 2), hits_N=np.array([False, False, True, True]))
    assert good.top1_bits == pack_bits(hits_N, labels_N)
    with pytest.raises(RecordError, match="class by class"):
        dataclasses.replace(good, top1_bits=pack_bits(hits_N, np.zeros(4)))


@pytest.mark.parametrize("changes", [{"seconds_alone": float("nan")}, {"seed": np.int64(1)}, {"seed": "1"}])
def test_what_could_not_be_read_is_not_written(tmp_path, changes):
    with pytest.raises(RecordError, match="cannot be written"):
        storage.write(make.record(**changes), tmp_path)
    assert not list(tmp_path.rglob("*.json"))


def test_paths_are_safe_and_different_names_stay_apart(tmp_path):
    plain = storage.record_path(tmp_path, "s", "resnet50", "a+b(x=1,y=2)", 0)
    assert plain == tmp_path / "s" / "records" / "resnet50" / "a+b(x=1,y=2)-seed0.json"
    names = ["a:b", "a/b", "a_b", "../../etc", "..", ".", "", "x" * 500, "x" * 501, "é", "a\0b", " "]
    found = [storage.record_path(tmp_path, "s", "b", name, 0) for name in names]
    assert len(set(found)) == len(names)
    for path in found:
        assert path.resolve().parent == (tmp_path / "s" / "records" / "b").resolve()
        assert len(path.name) < 200
        assert path.name[0] != "."
    assert storage.read(storage.write(make.record(backbone="../a:b", strategy="x/y"), tmp_path)).backbone == "../a:b"


def test_read_all_skips_bad_files_and_copies_by_name(tmp_path):
    good = [storage.write(make.record(seed=seed), tmp_path) for seed in range(3)]
    good[1].write_text("{")
    copy = good[0].with_name("copy.json")
    copy.write_bytes(good[0].read_bytes())
    found, problems = storage.read_all(tmp_path / "toy" / "records")
    assert [record.seed for record in found] == [0, 2]
    assert sorted(str(path) in problem for problem in problems for path in (copy, good[1])) == [
        False,
        False,
        True,
        True,
    ]


def test_a_folder_that_may_not_be_read_is_no_empty_one(tmp_path, monkeypatch):
    storage.write(make.record(), tmp_path)
    monkeypatch.setattr(os, "access", lambda place, mode: place.name != "resnet10t")
    place = tmp_path / "toy" / "records"
    assert storage.read_all(place)[1] == [f"{place / 'resnet10t'} cannot be read: Permission denied"]


def test_a_killed_writer_leaves_the_old_record(tmp_path):
    path = storage.write(make.record(), tmp_path)
    before = path.read_bytes()
    code = (
        "import os, sys; from pathlib import Path; from benchmarks.records import storage\n"
        "os.fsync = lambda handle: os._exit(9)\n"  # killed after the bytes are written, before they are in place
        "storage.write(storage.read(Path(sys.argv[1])), Path(sys.argv[2]))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path), str(tmp_path)], check=False)
    assert done.returncode == 9
    assert path.read_bytes() == before
    assert storage.read_all(tmp_path / "toy" / "records")[1] == []


def test_a_failed_write_leaves_no_temporary_file(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        storage.write(make.record(), tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
