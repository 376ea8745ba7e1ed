"""Damaged, wrong and hostile files: exit 4, one clear message, nothing of the slice loaded, the old one kept."""

from __future__ import annotations

import gzip
import io
import zipfile
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from conftest import FOCUS_HEADER, Workspace, focus_csv

GOOD = focus_csv("1.5", "2.5")


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return buffer.getvalue()


def parquet(tmp_path: Path) -> bytes:
    csv = tmp_path / "x.csv"
    csv.write_text(GOOD)
    file = tmp_path / "x.parquet"
    duckdb.connect().execute(f"COPY (FROM read_csv('{csv}', all_varchar = true)) TO '{file}' (FORMAT parquet)")
    return file.read_bytes()


def with_cell(column: str, value: str) -> str:
    """The good file with one cell of its second row changed."""
    lines = GOOD.split("\n")
    cells = lines[2].split(",")
    cells[FOCUS_HEADER.split(",").index(column)] = value
    lines[2] = ",".join(cells)
    return "\n".join(lines)


DAMAGED = {
    "cut_off.csv.gz": (gzip.compress(GOOD.encode() * 500)[:-30], "damaged or cut off"),
    "not_gzip.csv.gz": (b"\x1f\x8b" + b"junk" * 100, "damaged or cut off"),
    "junk.csv": (b"\x00\x01\x02\x03" * 500, "neither text nor Parquet"),
    "empty.csv": (b"", "is empty"),
    "words.csv": (b"the quick brown fox\njumps over\n", "is no bill that finops knows"),
    "other.csv": (b"city,population\nBonn,300000\n", "its columns are: city, population"),
    "latin1.csv": (GOOD.replace("Amazon EC2", "Größe").encode("latin-1"), "is not UTF-8: byte 0xf6"),
    "utf16.csv": (GOOD.encode("utf-16"), "UTF-16"),
    "cut_row.csv": (GOOD.rsplit(",", 9)[0].encode(), "more or fewer cells"),
    "cut_quote.csv": (GOOD.encode() + b'A,2026-09-01T00:00:00Z,"never closed', "line 4: a quoted cell never ends"),
    "word.csv": (with_cell("BilledCost", "convertible").encode(), "line 3, column BilledCost: cannot read 'convertible' as an amount of money"),
    "nan.csv": (with_cell("BilledCost", "NaN").encode(), "cannot read 'NaN' as an amount of money"),
    "inf.csv": (with_cell("EffectiveCost", "inf").encode(), "column EffectiveCost: cannot read 'inf'"),
    "absurd.csv": (with_cell("BilledCost", "9e17").encode(), "no line of a bill does"),
    "overflow.csv": (with_cell("BilledCost", "1e300").encode(), "cannot read '1e300' as an amount of money"),
    "no_cost.csv": (with_cell("BilledCost", "").encode(), "1 rows have no cost"),
    "date.csv": (with_cell("ChargePeriodStart", "13/45/2026").encode(), "column ChargePeriodStart: cannot read '13/45/2026' as a date and time"),
    "category.csv": (with_cell("ChargeCategory", "Banana").encode(), "ChargeCategory is 'Banana', which FOCUS does not allow"),
    "tags.csv": (with_cell("Tags", "{broken").encode(), "column Tags: cannot read '{broken' as a JSON object"),
    "huge_tags.csv": (with_cell("Tags", '"{""k"": ""' + "x" * 3_000_000 + '""}"').encode(), "more than 2 MB long"),
    "bomb.zip": (zipped(bill_dot_csv=b"0" * 50_000_000), "more than 200 times its size"),
    "bomb.csv.gz": (gzip.compress(b"0" * 50_000_000), "more than 200 times its size"),
    "tricks.zip": (zipped(**{"..__..__etc__cron_dot_csv": GOOD.encode()}), "points outside of it"),
    "two.zip": (zipped(a_dot_csv=GOOD.encode(), b_dot_csv=GOOD.encode()), "holds 2 files"),
    "doubled.csv": (GOOD.replace("ListCost", "BilledCost").encode(), "has two columns called 'BilledCost'"),
    "comma.csv": ("\n".join(line + ("," if n else "") for n, line in enumerate(GOOD.strip().split("\n"))).encode(), "cells under 21 column names"),
    "backwards.csv": (with_cell("ChargePeriodEnd", "2026-08-01T00:00:00Z").encode(), "1 rows end before they start"),
    "far_future.csv": (with_cell("ChargePeriodStart", "9026-09-01T00:00:00Z").encode(), "a row is of 9026-09-01"),
    "page.json": (b'{"hello": [1, 2', "is not JSON"),
    "other.json": (b'{"kind": "cat", "name": ["x"]}', "is no bill that finops knows"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_and_the_old_slice_kept(workspace: Workspace, name: str) -> None:
    content, message = DAMAGED[name]
    workspace.finops("load", workspace.write("good.csv", focus_csv("7")))
    result = workspace.finops("load", workspace.write(f"in/{name}", content))
    assert result.exit_code == 4, result.err
    assert message in result.err
    assert name in result.err
    assert "Traceback" not in result.err
    assert result.err.count("error:") == 1
    assert workspace.query("SELECT sum(BilledCost), count(*) FROM focus.cost_and_usage") == [(Decimal(7), 1)]


BIG = (
    GOOD.split("\n")[0]
    + "\n"
    + "\n".join(GOOD.split("\n")[1].replace("i-1", f"i-{n * 2654435761 % 2**32:x}") for n in range(20_000))
    + "\n"
)
"""Some megabytes: DuckDB unpacks them without comparing the checksum, and reads no further than it must."""


def with_changed_byte(packed: bytes) -> bytes:
    """A stored block of a gzip, so that one byte is one character of the bill: 1.5 becomes 7.5."""
    place = packed.index(b"Usage,1.5", len(packed) // 2) + len("Usage,")
    return packed[:place] + b"7" + packed[place + 1 :]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("changed.csv.gz", with_changed_byte(gzip.compress(BIG.encode(), 0))),
        ("no_trailer.csv.gz", gzip.compress(BIG.encode())[:-8]),
        ("half_trailer.csv.gz", gzip.compress(BIG.encode())[:-4]),
        ("wrong_length.csv.gz", gzip.compress(BIG.encode())[:-4] + b"\0\0\0\0"),
        ("second_cut.csv.gz", gzip.compress(BIG.encode()) + gzip.compress(BIG.encode())[:-8]),
    ],
)
def test_a_packed_file_of_megabytes_is_checked_to_its_end(workspace: Workspace, name: str, content: bytes) -> None:
    result = workspace.finops("load", workspace.write(f"in/{name}", content))
    assert result.exit_code == 4, result.err
    assert name in result.err and "damaged" in result.err and "Fetch the file again." in result.err
    assert not (workspace.folder / "finops.duckdb").exists() or workspace.query(
        "SELECT count(*) FROM focus.cost_and_usage"
    ) == [(0,)]


def test_a_gzip_of_several_members_is_one_file(workspace: Workspace) -> None:
    """As ``cat a.gz b.gz`` makes it."""
    head, row = BIG.split("\n", 1)
    content = gzip.compress(f"{head}\n".encode()) + gzip.compress(row.encode())
    assert workspace.finops("load", workspace.write("whole.csv.gz", content)).exit_code == 0
    assert workspace.query("SELECT sum(BilledCost) FROM focus.cost_and_usage") == [(Decimal("30000"),)]


@pytest.mark.parametrize("column", ["BilledCost", "ResourceId", "ChargePeriodStart"])
def test_a_parquet_with_a_damaged_page_is_refused_and_forgotten(
    workspace: Workspace, tmp_path: Path, column: str
) -> None:
    """The footer is whole, a page is not; the next build must not trip over what is in landing."""
    csv = tmp_path / "x.csv"
    csv.write_text(focus_csv(*(f"{n}.{n}" for n in range(1, 29))))
    file = workspace.folder / "in" / "damaged.parquet"
    file.parent.mkdir()
    duckdb.connect().execute(
        f"COPY (FROM read_csv('{csv}', all_varchar = true)) TO '{file}' (FORMAT parquet, COMPRESSION snappy)"
    )
    content = bytearray(file.read_bytes())
    row = (
        duckdb.connect()
        .execute(
            f"SELECT least(dictionary_page_offset, data_page_offset) FROM parquet_metadata('{file}') WHERE path_in_schema = '{column}'"
        )
        .fetchone()
    )
    assert row
    content[row[0] + 2 : row[0] + 40] = b"\xff" * 38
    file.write_bytes(content)
    result = workspace.finops("load", file)
    assert result.exit_code == 4, result.err
    assert "damaged.parquet" in result.err and "Traceback" not in result.err
    assert workspace.finops("build").exit_code == 0


def test_small_doubles_of_a_parquet_are_money_too(workspace: Workspace) -> None:
    """2.98e-08 is spelled with an exponent; it was once read as nothing."""
    csv = workspace.write("x.csv", focus_csv("1"))
    file = workspace.folder / "small.parquet"
    duckdb.connect().execute(
        f"COPY (SELECT * REPLACE (2.98023223876953e-08 AS BilledCost, 1.78e-15 AS EffectiveCost, 1e-7 AS ListCost) FROM read_csv('{csv}')) TO '{file}' (FORMAT parquet)"
    )
    assert workspace.finops("load", file).exit_code == 0
    row = workspace.query("SELECT BilledCost, EffectiveCost, ListCost FROM focus.cost_and_usage")
    assert row == [(Decimal("0.000000029802322388"), Decimal("0.000000000000001780"), Decimal("0.0000001"))]


def test_a_folder_without_a_bill_is_said(workspace: Workspace) -> None:
    workspace.write("in/README.md", "nothing here")
    result = workspace.finops("load", workspace.folder / "in")
    assert result.exit_code == 4
    assert "holds no billing file" in result.err


def test_linked_folders_are_read_and_loops_are_not_followed_for_ever(workspace: Workspace) -> None:
    workspace.write("elsewhere/bill.csv", GOOD)
    (workspace.folder / "in").mkdir()
    (workspace.folder / "in" / "link").symlink_to(workspace.folder / "elsewhere")
    (workspace.folder / "elsewhere" / "loop").symlink_to(workspace.folder / "in")
    assert workspace.finops("load", workspace.folder / "in").exit_code == 0
    assert workspace.query("SELECT sum(BilledCost) FROM focus.cost_and_usage") == [(Decimal(4),)]


@pytest.mark.parametrize("cut", [8, 200, 0.5, 0.9])
def test_a_cut_off_parquet_is_refused(workspace: Workspace, tmp_path: Path, cut: float) -> None:
    content = parquet(tmp_path)
    content = content[: int(cut if cut > 1 else cut * len(content))]
    result = workspace.finops("load", workspace.write("in/cut.parquet", content))
    assert result.exit_code == 4
    assert "cut.parquet: the Parquet file is damaged or cut off" in result.err


def test_nan_in_parquet_is_refused_with_its_row_and_column(workspace: Workspace) -> None:
    file = workspace.folder / "nan.parquet"
    duckdb.connect().execute(
        f"""COPY (SELECT 'A' AS BillingAccountId, TIMESTAMP '2026-09-01' AS BillingPeriodStart, TIMESTAMP '2026-10-01' AS
        BillingPeriodEnd, TIMESTAMP '2026-09-02' AS ChargePeriodStart, TIMESTAMP '2026-09-03' AS ChargePeriodEnd, 'Usage' AS
        ChargeCategory, unnest([1.5, 'nan'::DOUBLE]) AS BilledCost, 1.0::DOUBLE AS EffectiveCost, 1.0::DOUBLE AS ListCost,
        1.0::DOUBLE AS ContractedCost, 'USD' AS BillingCurrency, 'X' AS ServiceName, 'AWS' AS ProviderName) TO '{file}'"""
    )
    result = workspace.finops("load", file)
    assert result.exit_code == 4
    assert "nan.parquet, row 2, column BilledCost: cannot read 'nan' as an amount of money" in result.err


def test_one_bad_file_in_a_folder_does_not_stop_the_good_ones(workspace: Workspace) -> None:
    workspace.write("in/good.csv", GOOD)
    workspace.write("in/bad.csv", "city,population\nBonn,300000\n")
    workspace.write("in/README.md", "not a bill, and not an error")
    result = workspace.finops("load", workspace.folder / "in")
    assert result.exit_code == 4
    assert workspace.query("SELECT sum(BilledCost) FROM focus.cost_and_usage") == [(Decimal(4),)]


def test_a_bad_file_leaves_no_delivery_behind_that_a_later_build_would_trip_over(workspace: Workspace) -> None:
    workspace.finops("load", workspace.write("bad.csv", with_cell("BilledCost", "x")))
    assert not list((workspace.folder / "landing" / "deliveries").glob("*.json"))


def test_a_path_that_is_not_there_is_wrong_usage(workspace: Workspace) -> None:
    result = workspace.finops("load", workspace.folder / "nowhere.csv")
    assert result.exit_code == 2
    assert "there is no file or folder" in result.err
