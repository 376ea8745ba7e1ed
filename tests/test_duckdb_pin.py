"""Why DuckDB is pinned below 2 (2.0.0 silently loses rows in the pattern that a loader uses most), and what else we rely on."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import pytest

from finops.warehouse.connection import connect


def test_rows_inserted_into_a_table_made_from_an_empty_select_are_there(tmp_path: Path) -> None:
    """In a transaction, with threads: CREATE TABLE … AS SELECT … LIMIT 0, then INSERT from a Parquet file."""
    file = tmp_path / "rows.parquet"
    con = duckdb.connect(str(tmp_path / "w.duckdb"), config={"threads": 4})
    con.execute(
        f"COPY (SELECT range AS n, range % 7 AS k FROM range(500000)) TO '{file}' (FORMAT parquet, ROW_GROUP_SIZE 20000)"
    )
    con.execute("BEGIN")
    con.execute(f"CREATE TABLE t AS SELECT * FROM '{file}' LIMIT 0")
    con.execute(f"INSERT INTO t FROM '{file}'")
    in_transaction = con.execute("SELECT count(*), sum(n) FROM (FROM t WHERE k >= 0)").fetchone()
    con.execute("COMMIT")
    after = con.execute("SELECT count(*), sum(n) FROM (FROM t WHERE k >= 0)").fetchone()
    assert in_transaction == after == (500000, 124999750000)


def test_the_installed_version_is_in_the_range_that_was_tested() -> None:
    assert (1, 5, 6) <= tuple(int(part) for part in duckdb.__version__.split(".")[:3]) < (2, 0, 0)


def test_pandas_is_not_looked_for_at_every_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is none, the search took longer than most statements."""
    looked_for = []

    class Witness:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> None:
            looked_for.append(name)

    con = connect(None)
    monkeypatch.setattr(sys, "meta_path", [Witness, *sys.meta_path])
    assert con.execute("SELECT ?, ?", ["a", [1, None]]).fetchone() == ("a", [1, None])
    con.close()
    assert "pandas" not in looked_for
    with pytest.raises(ModuleNotFoundError):
        import pandas  # noqa: F401
