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


def test_a_table_that_is_too_wide_is_still_read(loaded: Workspace) -> None:
    """The names of its columns are folded; if that is not enough, its rows stand below each other. Nothing is left out."""
    names = ["PreviousEffectiveCost", "UnallocatedEffectiveCost", "OtherwiseEffectiveCost", "AffectedEffectiveCost"]
    columns = ", ".join(f"{number}.25 AS {name}" for number, name in enumerate([*names, *(f"{n}2" for n in names)]))
    out = loaded.finops("analyze", "--sql", f"SELECT 'search' AS Team, {columns}", "--format", "table").out
    assert [line.split()[0] for line in out.splitlines() if line.strip()][-1] == "search"
    assert "Previous" in out and "PreviousEffectiveCost" not in out and max(map(len, out.splitlines())) <= 160

    columns = ", ".join(f"'{'x' * 20} {number}' AS {'column' * 3}{number}" for number in range(9))
    out = loaded.finops("analyze", "--sql", f"SELECT {columns}", "--format", "table").out
    assert [line.split() for line in out.splitlines() if line] == [
        [f"{'column' * 3}{number}", "x" * 20, str(number)] for number in range(9)
    ]


def test_a_word_of_a_table_is_not_torn_apart(loaded: Workspace) -> None:
    """A suggested line of a mapping file is there to be pasted."""
    line = "value,ml-reserch,ml-research"
    sql = f"SELECT '{line}' AS AliasLine, repeat('some words ', 40) AS Why"
    assert line in loaded.finops("analyze", "--sql", sql, "--format", "table").out


def test_a_table_without_rows_says_so(loaded: Workspace) -> None:
    assert loaded.finops("analyze", "--sql", "SELECT 1 AS one WHERE false", "--format", "table").out.endswith(
        "no rows\n"
    )


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


OWN = "{folder}/finops.duckdb"
FORBIDDEN = {
    "change": "DELETE FROM ledger.charge",
    "drop": "DROP TABLE ledger.charge",
    "create": "CREATE TABLE x AS SELECT 1",
    "create for a while": "CREATE TEMP TABLE x AS SELECT 1",
    "macro": "CREATE TEMP MACRO x() AS 1",
    "change in a CTE": "WITH gone AS (DELETE FROM ledger.charge RETURNING *) SELECT * FROM gone",
    "prepare": "PREPARE x AS DELETE FROM ledger.charge",
    "execute": "EXECUTE x",
    "read a file": "SELECT * FROM read_csv('/etc/passwd', columns = {'x': 'VARCHAR'})",
    "read a file as text": "SELECT * FROM read_text('/etc/passwd')",
    "read a file as bytes": "SELECT * FROM read_blob('/etc/passwd')",
    "read a file by name": "SELECT * FROM '/etc/passwd.csv'",
    "read Parquet's metadata": "SELECT * FROM parquet_metadata('/etc/passwd')",
    "list files": "SELECT * FROM glob('/etc/*')",
    "read secrets": "SELECT * FROM duckdb_secrets()",
    "read the environment": "SELECT getenv('HOME')",
    "read the network": "SELECT * FROM 'https://localhost/x.csv'",
    "write a file": "COPY (SELECT 1) TO 'out.csv'",
    "write its own file": f"COPY (SELECT 'gone') TO '{OWN}' (FORMAT csv, USE_TMP_FILE false)",
    "write its own log": f"COPY (SELECT from_base64('AAAA')) TO '{OWN}.wal' (FORMAT blob)",
    "write its own folder": f"COPY (SELECT 1) TO '{OWN}.tmp/x.csv'",
    "write while explaining": f"EXPLAIN ANALYZE COPY (SELECT 'gone') TO '{OWN}' (FORMAT csv, USE_TMP_FILE false)",
    "write while explaining, with options": f"EXPLAIN (ANALYZE, FORMAT json) COPY (SELECT 1) TO '{OWN}.wal' (FORMAT csv)",
    "write behind a comment": f"EXPLAIN /* x */ ANALYZE -- y\n COPY (SELECT 1) TO '{OWN}.wal' (FORMAT csv)",
    "write inside of query()": f"SELECT * FROM query($$COPY (SELECT 1) TO '{OWN}.wal'$$)",
    "write after a question": f"SELECT 1; COPY (SELECT 1) TO '{OWN}.wal' (FORMAT csv)",
    "log to a file": f"SELECT * FROM enable_logging(storage = 'file', storage_path = '{OWN}.tmp')",
    "log under another spelling": "SELECT * FROM query('FROM system.main.enable_' || 'logging()')",
    "profile to a file": "SELECT * FROM enable_profiling(format = 'json', save_location = 'x.json')",
    "profile while explaining": "EXPLAIN ANALYZE SELECT (SELECT count(*) FROM enable_profiling())",
    "hidden SQL": "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('FROM enable_logging()'))",
    "checkpoint": "CHECKPOINT",
    "checkpoint as a table": "SELECT * FROM checkpoint()",
    "vacuum": "VACUUM",
    "analyze": "ANALYZE",
    "call": "CALL enable_logging()",
    "pragma": "PRAGMA enable_profiling = 'json'",
    "import": "PRAGMA import_database('/etc')",
    "attach": "ATTACH 'other.duckdb'",
    "detach": "DETACH finops",
    "use": "USE memory",
    "transaction": "BEGIN TRANSACTION",
    "set": "SET enable_external_access = true",
    "set a variable": "SET VARIABLE x = 1",
    "reset": "RESET memory_limit",
    "install": "INSTALL httpfs",
    "load": "LOAD httpfs",
    "two": "SELECT 1; SELECT 2",
    "none": ";",
    "export": "EXPORT DATABASE 'x'",
    "copy all": "COPY FROM DATABASE finops TO memory",
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_nothing_but_reading_is_possible(loaded: Workspace, name: str) -> None:
    """DuckDB's own sandbox still writes the file that is open, so only statements that read get as far as DuckDB."""
    before = {path: path.read_bytes() for path in loaded.folder.rglob("*") if path.is_file()}
    result = loaded.finops("analyze", "--sql", FORBIDDEN[name].replace("{folder}", str(loaded.folder)))
    assert result.exit_code == 2, result.out
    assert "Traceback" not in result.err
    assert {path: path.read_bytes() for path in loaded.folder.rglob("*") if path.is_file()} == before
    assert loaded.query("SELECT count(*) FROM ledger.charge") == [(2,)]


@pytest.mark.parametrize(
    "sql",
    ["FROM ops.loads", "VALUES (1)", "DESCRIBE ops.loads", "SHOW ALL TABLES", "SUMMARIZE ops.loads", "EXPLAIN FROM ops.loads",
     "EXPLAIN ANALYZE SELECT 1", "EXPLAIN (FORMAT json) SELECT 1", ";SELECT ';' -- one; only;\n;",
     "PIVOT ops.loads ON status IN ('current') USING count(*)"],
)  # fmt: skip
def test_every_form_of_a_question_is_answered(loaded: Workspace, sql: str) -> None:
    for ending in ("csv", "json", "parquet"):
        result = loaded.finops("analyze", "--sql", sql, "--output", loaded.folder / f"out.{ending}")
        assert result.exit_code == 0, result.err


def test_a_pivot_names_its_columns(loaded: Workspace) -> None:
    """Without IN, DuckDB makes a type from what it finds first: that is a second statement, and no question."""
    result = loaded.finops("analyze", "--sql", "PIVOT ops.loads ON status USING count(*)")
    assert result.exit_code == 2
    assert "ON column IN ('a', 'b')" in result.err


def test_a_question_that_needs_too_much_memory_is_refused(loaded: Workspace) -> None:
    loaded.write("finops.toml", '[warehouse]\nmemory_limit = "100MB"\n')
    result = loaded.finops("analyze", "--sql", "SELECT list(range) FROM range(1000000000)", "--format", "csv")
    assert result.exit_code == 2
    assert "raise memory_limit" in result.err


def test_times_with_a_zone_are_shown_as_utc(loaded: Workspace) -> None:
    sql = "SELECT TIMESTAMPTZ '2026-10-05 01:00:00+02' AS t, [TIMESTAMPTZ '2026-10-05 12:00:00+00'] AS many; -- done"
    assert loaded.finops("analyze", "--sql", sql, "--format", "json").json() == [
        {"t": "2026-10-04T23:00:00Z", "many": ["2026-10-05T12:00:00Z"]}
    ]
    assert loaded.finops("analyze", "--sql", "SELECT now()", "--format", "csv").exit_code == 0


def test_a_column_whose_name_repeats_is_not_lost(loaded: Workspace) -> None:
    sql = "SELECT 1 AS a, 2 AS a, 3 AS a_1"
    assert loaded.finops("analyze", "--sql", sql, "--format", "csv").out == "a,a,a_1\n1,2,3\n"
    assert loaded.finops("analyze", "--sql", sql, "--format", "json").json() == [{"a": 1, "a_2": 2, "a_1": 3}]
    target = loaded.folder / "out.parquet"
    assert loaded.finops("analyze", "--sql", sql, "--output", target).exit_code == 0
    assert duckdb.connect().execute(f"SELECT a, a_2, a_1 FROM '{target}'").fetchall() == [(1, 2, 3)]


def test_json_has_no_nan_and_only_text_as_keys(loaded: Workspace) -> None:
    sql = "SELECT 'nan'::DOUBLE AS n, ['-inf'::DOUBLE] AS i, MAP {DATE '2026-10-05': 1.50} AS days"
    out = loaded.finops("analyze", "--sql", sql, "--format", "jsonl").out
    assert out == '{"n": null, "i": [null], "days": {"2026-10-05": 1.5}}\n'
    out = loaded.finops("analyze", "--sql", "SELECT histogram(DATE '2026-10-05') AS days", "--format", "csv").out
    assert out == 'days\n"{""2026-10-05"":1}"\n'


def test_parquet_is_written_column_by_column(loaded: Workspace) -> None:
    """Types stay; what Parquet's readers do not share is text; and no cell is made a Python object on the way."""
    target = loaded.folder / "out.parquet"
    sql = (
        "SELECT MAP {'a': 1.123456789012345678} AS m, sum(range) AS n, INTERVAL 1 DAY AS i, DATE '2026-10-05' AS d, "
        "now() AS t FROM range(3)"
    )
    assert loaded.finops("analyze", "--sql", sql, "--output", target).exit_code == 0
    rows = duckdb.connect().execute(f"SELECT m, n, i, d::VARCHAR, typeof(t) FROM '{target}'").fetchall()
    assert rows == [('{"a":1.123456789012345678}', 3, "1 day", "2026-10-05", "TIMESTAMP")]


def test_an_error_in_a_late_row_leaves_no_file(loaded: Workspace) -> None:
    sql = "SELECT CASE WHEN range = 90000 THEN error('late') END AS x FROM range(100000)"
    for ending in ("csv", "parquet", "xlsx"):
        result = loaded.finops("analyze", "--sql", sql, "--output", loaded.folder / f"out.{ending}")
        assert result.exit_code == 2, result.err
        assert "late" in result.err
    assert not list(loaded.folder.glob("*out.*"))


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
