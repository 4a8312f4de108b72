from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.data.layouts.styles_csv import NAME, parse
from benchmarks.support.errors import UserError

HEADER = ["id", "articleType", "year", NAME]
# no line ends: they are tested on their own, because an unquoted one ends the row
CHARACTERS = st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\ufffd")
ROWS = st.lists(st.tuples(st.text(CHARACTERS, max_size=8), st.text(CHARACTERS, max_size=20)), max_size=12)


def content(*lines: str) -> bytes:
    return "\n".join([",".join(HEADER), *lines]).encode()


def names(data: bytes) -> list[str]:
    return list(parse(data, "styles.csv").columns[NAME])


@given(ROWS)
def test_what_a_csv_writer_wrote_comes_back(rows: list[tuple[str, str]]) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(HEADER)
    writer.writerows([str(i), "Tshirts", year, name] for i, (year, name) in enumerate(rows))
    styles = parse(buffer.getvalue().encode(), "styles.csv")
    assert list(zip(styles.columns["year"], styles.columns[NAME], strict=True)) == rows
    assert styles.notes == ()


@given(st.lists(st.text(CHARACTERS, max_size=20).filter(lambda name: not name.startswith('"') and ',"' not in name)))
def test_nobody_needs_to_quote_commas_and_quotes_in_names(written: list[str]) -> None:
    data = content(*(f"{i},Tshirts,2011,{name}" for i, name in enumerate(written)))
    assert names(data) == written
    joined = dict(parse(data, "styles.csv").notes).get("rows whose name held an unquoted comma", 0)
    assert joined == sum("," in name for name in written)


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"]), max_size=40)))
def test_no_text_stops_the_parser_or_loses_the_rows_around_it(lines: list[str]) -> None:
    data = content("a,Tshirts,2011,first", *(f"{line}" for line in lines))
    styles = parse(data, "styles.csv")
    assert styles.columns["id"][0] == "a"
    assert len({len(column) for column in styles.columns.values()}) == 1
    assert len(set(styles.columns["id"])) == len(styles.columns["id"])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (['1,A,2011,"two\nlines"', "2,A,2011,next"], ["two\nlines", "next"]),
        (['1,A,2011,"never closed', "2,A,2011,next"], ['"never closed', "next"]),
        (['1,A,2011,"never closed, comma', "2,A,2011,next"], ['"never closed, comma', "next"]),
        (['1,A,2011,"never closed', '2,A,2011,3.5" heel'], ['"never closed', '3.5" heel']),
        (['1,A,2011,"last row open'], ['"last row open']),
        (['1,A,2011,"quoted, ""well"""'], ['quoted, "well"']),
        (["1,A,2011,x\r", "", "2,A,2011,y\r"], ["x", "y"]),
    ],
)
def test_quotes_and_line_ends(lines: list[str], expected: list[str]) -> None:
    assert names(content(*lines)) == expected


def test_byte_order_mark_short_rows_repeats_and_rows_without_label() -> None:
    styles = parse(b"\xef\xbb\xbf" + content("1,A", ",A,2011,x", "2,,2011,x", "1,B,2011,again", " 3 , C ,2012,z"), "x")
    assert styles.columns["id"] == ("1", "3")
    assert styles.columns["articleType"] == ("A", "C")
    assert dict(styles.notes) == {
        "rows cut short": 1,
        "rows without an id or an article type, dropped": 2,
        "rows that repeat an id, dropped": 1,
    }


def test_bytes_that_are_not_utf8_are_counted() -> None:
    assert dict(parse(content("1,A,2011,x") + b"\n2,A,2011,caf\xe9", "x").notes) == {"rows that are not UTF-8": 1}


def test_a_name_column_in_the_middle_takes_the_surplus() -> None:
    styles = parse(b"id,productDisplayName,articleType,year\n1,a,b,c,Tshirts,2012", "x")
    assert [styles.columns[name] for name in HEADER] == [("1",), ("Tshirts",), ("2012",), ("a,b,c",)]


@pytest.mark.parametrize("data", [b"", b"\n\n", b"id,year,productDisplayName\n1,2,3", b"\x89PNG\r\n\x1a\n\x00\x00"])
def test_another_table_is_refused_by_the_column_it_lacks(data: bytes) -> None:
    with pytest.raises(UserError, match=r"here/styles.csv lacks the column '\w+'"):
        parse(data, "here/styles.csv")
