"""Ad hoc questions: every format exact, nothing but reading possible."""

from __future__ import annotations

import json
from decimal import Decimal

import duckdb
import pytest
from conftest import Workspace, focus_csv

SQL = "SELECT ResourceId, BilledCost, ChargePeriodStart FROM focus.cost_and_usage ORDER BY 1"


@pytest.fixture
def loaded(workspace: Workspace) -> Workspace:
    """Two charges: one tiny, one with all 18 places."""
    workspace.finops("load", workspace.write("bill.csv", focus_csv("4e-07", "1.123456789012345678")))
    return workspace


def test_csv_has_every_digit_and_no_exponent(loaded: Workspace) -> None:
    assert loaded.finops("analyze", "--sql", SQL, "--format", "csv").out == (
        "ResourceId,BilledCost,ChargePeriodStart\n"
        "i-1,0.0000004,2026-09-01T00:00:00\n"
        "i-2,1.123456789012345678,2026-09-02T00:00:00\n"
    )


def test_json_numbers_are_plain_decimals(loaded: Workspace) -> None:
    out = loaded.finops("analyze", "--sql", SQL, "--format", "json").out
    assert '"BilledCost": 0.0000004' in out
    assert json.loads(out, parse_float=Decimal)[1]["BilledCost"] == Decimal("1.123456789012345678")


def test_jsonl_is_one_object_a_line(loaded: Workspace) -> None:
    assert [
        json.loads(line)["ResourceId"]
        for line in loaded.finops("analyze", "--sql", SQL, "--format", "jsonl").out.splitlines()
    ] == ["i-1", "i-2"]


def test_markdown_aligns_numbers_and_escapes_bars(loaded: Workspace) -> None:
    out = loaded.finops("analyze", "--sql", "SELECT 'a|b' AS name, 1.50 AS cost", "--format", "markdown").out
    assert out == "| name | cost |\n| --- | ---: |\n| a\\|b | 1.5 |\n"


def test_table_is_for_people(loaded: Workspace) -> None:
    out = loaded.finops("analyze", "--sql", "SELECT 'x' AS name, 1234.5 AS cost", "--format", "table").out
    assert "1,234.50" in out


def test_parquet_keeps_decimals(loaded: Workspace) -> None:
    target = loaded.folder / "out.parquet"
    assert loaded.finops("analyze", "--sql", SQL, "--output", target).exit_code == 0
    row = (
        duckdb.connect()
        .execute(f"SELECT BilledCost, typeof(BilledCost) FROM '{target}' WHERE ResourceId = 'i-2'")
        .fetchone()
    )
    assert row == (Decimal("1.123456789012345678"), "DECIMAL(38,18)")


def test_xlsx_is_written(loaded: Workspace) -> None:
    target = loaded.folder / "out.xlsx"
    assert loaded.finops("analyze", "--sql", SQL, "--output", target).exit_code == 0
    assert target.read_bytes()[:2] == b"PK"


def test_formula_cells_are_neutralised_in_csv(loaded: Workspace) -> None:
    out = loaded.finops("analyze", "--sql", "SELECT '=1+1' AS tag, -5.5 AS cost", "--format", "csv").out
    assert out == "tag,cost\n'=1+1,-5.5\n"


FORBIDDEN = {
    "change": "DELETE FROM ledger.charge",
    "drop": "DROP TABLE ledger.charge",
    "create": "CREATE TABLE x AS SELECT 1",
    "read a file": "SELECT * FROM read_csv('/etc/passwd', columns = {'x': 'VARCHAR'})",
    "read a file by name": "SELECT * FROM '/etc/passwd.csv'",
    "write a file": "COPY (SELECT 1) TO 'out.csv'",
    "attach": "ATTACH 'other.duckdb'",
    "set": "SET enable_external_access = true",
    "install": "INSTALL httpfs",
    "two": "SELECT 1; SELECT 2",
    "export": "EXPORT DATABASE 'x'",
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_nothing_but_reading_is_possible(loaded: Workspace, name: str) -> None:
    result = loaded.finops("analyze", "--sql", FORBIDDEN[name])
    assert result.exit_code == 2, result.out
    assert "Traceback" not in result.err
    assert loaded.query("SELECT count(*) FROM ledger.charge") == [(2,)]
    assert sorted(path.name for path in loaded.folder.glob("*.csv")) == ["bill.csv"]


def test_wrong_sql_says_so_in_the_databases_words(loaded: Workspace) -> None:
    result = loaded.finops("analyze", "--sql", "SELECT BiledCost FROM focus.cost_and_usage")
    assert result.exit_code == 2
    assert "BilledCost" in result.err, "DuckDB names the nearest column"


def test_parameters_are_bound_not_pasted(loaded: Workspace) -> None:
    sql = "SELECT count(*) AS n FROM focus.cost_and_usage WHERE ResourceId = $id"
    assert loaded.finops("analyze", "--sql", sql, "--param", "id=i-1", "--format", "csv").out == "n\n1\n"
    assert loaded.finops("analyze", "--sql", sql, "--param", "id=' OR 1=1 --", "--format", "csv").out == "n\n0\n"
    missing = loaded.finops("analyze", "--sql", sql)
    assert missing.exit_code == 2
    assert "needs a value for $id" in missing.err


def test_an_unknown_query_names_the_nearest(loaded: Workspace) -> None:
    result = loaded.finops("analyze", "spend_by_teem")
    assert result.exit_code == 2
    assert "did you mean 'spend_by_team'?" in result.err


def test_every_named_query_answers(loaded: Workspace) -> None:
    from finops.rules.catalogue import Catalogue

    loaded.finops("build")
    for query in Catalogue().layer("analyses"):
        result = loaded.finops("--today", "2026-09-08", "analyze", query.id, "--format", "csv")
        assert result.exit_code == 0, (query.id, result.err)
        header = result.out.splitlines()[0].split(",")
        assert header == list(query.extra["columns"]), query.id


def test_focus_data_table_has_the_columns_of_every_version(loaded: Workspace) -> None:
    """So that a published FOCUS query runs unchanged, whichever version it was written for."""
    header = (
        loaded.finops("analyze", "--sql", "SELECT * FROM focus_data_table LIMIT 0", "--format", "csv")
        .out.strip()
        .split(",")
    )
    assert {"ProviderName", "PublisherName", "ServiceProviderName", "HostProviderName", "InvoiceDetailId"} <= set(
        header
    )
    assert len(header) == 67


def test_without_a_warehouse_the_message_says_what_to_do(workspace: Workspace) -> None:
    result = workspace.finops("analyze", "--sql", "SELECT 1")
    assert result.exit_code == 2
    assert "Load a bill first" in result.err
