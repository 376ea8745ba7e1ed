"""Mapping files: what is refused and how it is said, what holds when, pools, and tables of the user's own."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rules_kit import ALLOCATION, CATALOGUE, TODAY, new_ledger, write_mappings

from finops.errors import ConfigError
from finops.pipeline.build import build
from finops.rules.mappings import Mappings, read_mappings, store_mappings
from finops.warehouse.connection import Connection, connect

TEAMS = "team,name\nsearch,Search\nvision,Vision\n"


def write(folder: Path, **files: str) -> Path:
    """Files by name; ``tables__x_yaml`` is ``tables/x.yaml``, and what names no kind is a CSV."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_yaml", ".yaml").replace("_csv", ".csv")
        path = path if path.suffix else path.with_suffix(".csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, newline="")
    return folder


def problems(folder: Path) -> list[str]:
    """What is said about the files, without the folder's name."""
    try:
        read_mappings(connect(None), CATALOGUE, folder)
    except ConfigError as error:
        return [line.strip().removeprefix(f"{folder}/") for line in str(error).splitlines()[1:-1]]
    return []


def stored(folder: Path) -> Connection:
    con = connect(None)
    store_mappings(con, read_mappings(con, CATALOGUE, folder))
    return con


def rows(con: Connection, sql: str) -> list[tuple[Any, ...]]:
    return con.execute(sql).fetchall()


def test_pools_and_splits_are_stored_as_their_files_spell_them(tmp_path: Path) -> None:
    con = stored(write(
        tmp_path,
        teams=TEAMS,
        pools="pool,name,split,basis,window,among,fallback\nplatform,Platform,even,,,,\n"
              "gpus,,by_cost,EffectiveCost,last-3-months,Vision; search,even\nrest,,by_percent,,,,\n",
        splits="pool,team,percent,valid_from,valid_until\nREST,Search,33.5,,\nrest,Platform,66.5,,2026-10-01\n"
               "rest,vision,66.5,2026-10-01,\n",
    ))  # fmt: skip
    assert rows(con, "FROM mapping.pools") == [
        ("platform", "Platform", "even", "", "month", "unallocated", 2),
        ("gpus", "gpus", "by_cost", "EffectiveCost", "last-3-months", "even", 3),
        ("rest", "rest", "by_percent", "", "month", "unallocated", 4),
    ]
    assert rows(con, "SELECT pool, string_agg(team, ' ' ORDER BY team) FROM mapping.pool_teams GROUP BY pool ORDER BY pool") == [
        ("gpus", "search vision"), ("platform", "search vision"), ("rest", "search vision"),
    ]  # fmt: skip
    assert rows(con, "FROM mapping.splits") == [
        ("rest", "search", Decimal("33.5"), None, None, 2),
        ("rest", "platform", Decimal("66.5"), None, date(2026, 10, 1), 3),
        ("rest", "vision", Decimal("66.5"), date(2026, 10, 1), None, 4),
    ]


def test_a_pool_may_stand_wherever_a_team_may(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        teams=TEAMS,
        pools="pool,name,split\nshared-platform,The platform,even\n",
        accounts="account_id,team\n100,Shared-Platform\n",
        tag_aliases="kind,alias,canonical\nvalue,infra,shared-platform\n",
    )
    tags = [{"team": "Shared-Platform "}, {"team": "infra"}, {"team": "the platform"}, {}]
    con = new_ledger(
        [{"cost": 2, "SubAccountId": "100", "ResourceId": str(n), "Tags": tag} for n, tag in enumerate(tags)]
    )
    build(con, ALLOCATION, folder, TODAY)
    assert rows(con, "SELECT Team, is_pool, count(*) FROM allocation.dimension_team GROUP BY ALL") == [
        ("shared-platform", True, 4)
    ]
    assert rows(con, "SELECT Team, sum(AllocatedBilledCost) FROM allocation.charges GROUP BY ALL ORDER BY 1") == [
        ("search", 4), ("vision", 4),
    ]  # fmt: skip


def test_pools_without_a_list_of_teams_say_who_takes_part(tmp_path: Path) -> None:
    folder = write(tmp_path, pools="pool,split,among\nshared,even,a;b\n", accounts="account_id,team\n1,shared\n2,a\n")
    con = stored(folder)
    assert rows(con, "FROM mapping.pool_teams") == [("shared", "a"), ("shared", "b")]
    write(folder, pools="pool,split,fallback\nshared,even,\nother,by_cost,even\nthird,by_cost,\n")
    assert problems(folder) == [
        "pools.csv:2: among must say which teams: there is no teams.csv",
        "pools.csv:3: among must say which teams: there is no teams.csv",
    ]


def test_every_problem_of_pools_is_told(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        teams=TEAMS,
        pools="pool,split,window,among,fallback\nSearch,even,,,\nUnallocated,even,,,\na,evn,,,\nb,even,last-month,,\n"
        "c,even,,serch;b,\nd,even,,vision;Vision,evenly\ne,by_percent,,,\n",
        splits="pool,team,percent\nbb,search,100\nb,search,100\n",
    )
    assert problems(folder) == [
        "pools.csv:2: 'Search' is a team (teams.csv:2): choose another name",
        "pools.csv:3: 'unallocated' is what belongs to no team: choose another name",
        "pools.csv:4: no rule 'evn' splits pools; did you mean 'even'?",
        "pools.csv:5: window is one of month, previous-month, last-3-months, not 'last-month'; did you mean 'last-3-months'?",
        "pools.csv:6: among: there is no team 'serch'; did you mean 'search'?",
        "pools.csv:6: among names teams, and 'b' is a pool: pools are fed by splits.csv or a rule of your own",
        "pools.csv:7: fallback is one of unallocated, even, error, not 'evenly'; did you mean 'even'?",
        "pools.csv:7: among names 'Vision' more than once",
        "pools.csv:8: 'e' is split by_percent, but splits.csv has no line for it",
        "splits.csv:2: pools.csv has no pool 'bb'; did you mean 'b'?",
        "splits.csv:3: 'b' is split even (pools.csv:5): percentages are for by_percent",
    ]


POOL = "pool,split\np,by_percent\nq,by_percent\n"


@pytest.mark.parametrize(
    ("splits", "told"),
    [
        ("p,search,50,,\np,vision,49.9,,\n",
         ["splits.csv:2: the percentages of 'p' add up to 99.9, not to 100 (lines 2, 3)"]),
        ("p,search,50,,\np,vision,50,,2026-10-01\np,vision,50.000000000000000001,2026-10-01,\n",
         ["splits.csv:2: the percentages of 'p' add up to 100.000000000000000001 from 2026-10-01, not to 100 (lines 2, 4)"]),
        ("p,search,100,2026-01-01,2026-03-01\np,vision,100,2026-02-01,2026-04-01\n",
         ["splits.csv:2: the percentages of 'p' add up to 200 from 2026-02-01 until 2026-03-01, not to 100 (lines 2, 3)"]),
        # nothing is divided by percentages before the first: that is the fallback's
        ("p,search,100,2026-02-01,2026-03-01\np,vision,100,2026-04-01,\n", []),
        ("p,search,33.333333333333333333,,\np,vision,66.666666666666666667,,\n", []),
        ("p,search,-1,,\np,vision,101,,\n",
         ["splits.csv:2: percent is a number such as 33.5, of 18 places at most, not '-1'"]),
        ('p,search,"99,9",,\n',
         ["splits.csv:2: percent is a number such as 33.5, of 18 places at most, not '99,9'"]),
        ("p,serch,100,,\n", ["splits.csv:2: there is no team or pool 'serch'; did you mean 'search'?"]),
        ("p,search,50,,\nP,Search,50,,\n",
         ["splits.csv:3: P Search is also in line 2",
          "splits.csv:2: the percentages of 'p' add up to 50, not to 100 (line 2)"]),
        ("p,q,50,,\np,vision,50,,\nq,p,100,,\n", ["splits.csv:2: pools feed each other in a circle: p -> q -> p"]),
        ("p,p,1,,\np,vision,99,,\n", ["splits.csv:2: pools feed each other in a circle: p -> p"]),
    ],
)  # fmt: skip
def test_percentages_add_up_at_every_moment(tmp_path: Path, splits: str, told: list[str]) -> None:
    if not splits.count("\nq,"):
        splits += "q,vision,100,,\n"
    write(tmp_path, teams=TEAMS, pools=POOL, splits="pool,team,percent,valid_from,valid_until\n" + splits)
    assert problems(tmp_path) == told


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("1,search,,2026-10-01\n1,vision,2026-10-01,\n", []),
        ("1,vision,2026-10-01,\n1,search,,2026-10-01\n", []),
        ("1,search,,2026-10-02\n1,vision,2026-10-01,\n", ["accounts.csv:3: 1 is also in line 2, for a part of the same time"]),
        ("1,search,,\n1,vision,2026-10-01,\n", ["accounts.csv:3: 1 is also in line 2, for a part of the same time"]),
        ("1,search,,\n1,search,,\n", ["accounts.csv:3: 1 is also in line 2"]),
        ("1,search,2026-10-01,2026-10-01\n",
         ["accounts.csv:2: valid_until 2026-10-01 is exclusive and must come after valid_from 2026-10-01"]),
        ("1,search,2026-02-30,soon\n",
         ["accounts.csv:2: valid_from is a day such as 2026-12-31, not '2026-02-30'",
          "accounts.csv:2: valid_until is a day such as 2026-12-31, not 'soon'"]),
    ],
)  # fmt: skip
def test_a_key_may_repeat_if_its_spans_do_not_overlap(tmp_path: Path, lines: str, told: list[str]) -> None:
    write(tmp_path, teams=TEAMS, accounts="account_id,team,valid_from,valid_until\n" + lines)
    assert problems(tmp_path) == told


def test_every_problem_of_the_newer_files_is_told(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        teams=TEAMS,
        tags="key,value,team\napp,[a,search\nApp,x,vision\nuser:app,X ,search\n",
        names="kind,pattern,team\naccont,x,search\naccount,(,vision\n",
        keys="key_id,team\nkey_1,serch\nkey_1,search\n",
        folders="folder,team\n/a/b/,search\na/b,vision\n",
        projects="project_id,team,valid_form\np,search,2026-10-01\n",
        callers="pattern;team\nx;search\n",
        resources='pattern,team\na,search\n"b,vision\nc,vision\n',
    )
    assert problems(folder) == [
        'resources.csv:3: is no CSV from here on: unexpected end of data; is a quotation mark left open?',
        "tags.csv:4: user:app X is also in line 3",
        "callers.csv:1: the columns pattern, team are missing; it has pattern;team; cells are separated by commas",
        "keys.csv:3: key_1 is also in line 2",
        "projects.csv:1: nothing reads the column 'valid_form'; did you mean 'valid_from'?",
        "folders.csv:3: a/b is also in line 2",
        "keys.csv:2: there is no team 'serch'; did you mean 'search'?",
        "names.csv:3: '(' is no regular expression: missing ): (",
        "tags.csv:2: '[a' is no regular expression: missing ]: [a",
        "names.csv:2: kind is one of account, project, resource_group, cost_center, key, not 'accont'; did you mean 'account'?",
    ]  # fmt: skip


SPAN = st.sampled_from(
    [("", ""), ("", "2026-10-10"), ("2026-10-05", "2026-10-15"), ("2026-10-12", ""), ("2026-10-10", "")]
)
PATTERN = st.sampled_from(["job-1", "job-.*", "job-[0-9]", "j.*", "^job-1$", "(job|run)-1", "x.*"])
SLOW = settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
SHAPES = {"job-1": 1, "^job-1$": 1, "job-.*": 2, "j.*": 2}


@SLOW
@given(st.lists(st.tuples(PATTERN, SPAN), max_size=6, unique_by=lambda line: line[0]))
def test_at_each_moment_the_strongest_line_that_holds_wins(
    tmp_path: Path, lines: list[tuple[str, tuple[str, str]]]
) -> None:
    """Exact names, then prefixes, then patterns, then the order of lines: day by day the same as looking at each line."""
    written = [{"pattern": "zzz", "team": "nobody", "valid_from": "", "valid_until": ""}] + [
        {"pattern": pattern, "team": f"t{number}", "valid_from": span[0], "valid_until": span[1]}
        for number, (pattern, span) in enumerate(lines)
    ]
    con = new_ledger([{"cost": 1, "ResourceId": "job-1", "from": "2026-10-01", "until": "2026-10-20"}])
    build(con, ALLOCATION, write_mappings(tmp_path / "mappings", {"resources": written}), TODAY)
    found = dict(rows(con, "SELECT strftime(ChargePeriodStart, '%Y-%m-%d'), Team FROM allocation.charges"))
    con.close()
    for day in (f"2026-10-{number:02d}" for number in range(1, 20)):
        holding = [
            (SHAPES.get(pattern, 3), number)
            for number, (pattern, (begins, ends)) in enumerate(lines)
            if pattern != "x.*" and begins <= day and (not ends or day < ends)
        ]
        assert found[day] == (f"t{min(holding)[1]}" if holding else "unallocated"), day


@SLOW
@given(st.permutations([("1", "a"), ("2", "b"), ("3", "a"), ("4", "b")]), st.randoms())
def test_the_order_of_exact_lines_does_not_matter(tmp_path: Path, lines: list[tuple[str, str]], chance: Any) -> None:
    names = {
        "accounts": "account_id",
        "projects": "project_id",
        "keys": "key_id",
        "resources": "pattern",
        "callers": "pattern",
    }
    files: dict[str, list[dict[str, str]]] = {}
    for file, column in names.items():
        chance.shuffle(lines)
        files[file] = [{column: f"{file}{word}", "team": f"{file}-{team}"} for word, team in lines]
    columns = {"accounts": "SubAccountId", "projects": "SubAccountId", "keys": "x_ApiKeyId", "resources": "ResourceId",
               "callers": "x_CallerId"}  # fmt: skip
    con = new_ledger([{"cost": 1, columns[file]: f"{file}{word}"} for file in names for word in "1234"])
    build(con, ALLOCATION, write_mappings(tmp_path / "mappings", files), TODAY)
    teams = [team for (team,) in rows(con, "SELECT Team FROM allocation.charges ORDER BY x_DimensionId")]
    con.close()
    assert teams == [f"{file}-{team}" for file in names for team in "abab"]


def test_hundreds_of_dated_patterns(tmp_path: Path) -> None:
    lines = [
        {"pattern": f"it's-[a-z]+-{number}", "team": f"t{number}", "valid_from": "2026-10-01", "valid_until": ""}
        for number in range(250)
    ]
    con = new_ledger([{"cost": 1, "ResourceId": f"it's-x-{number}"} for number in (7, 119, 249, 250)])
    build(con, ALLOCATION, write_mappings(tmp_path / "mappings", {"resources": lines}), TODAY)
    teams = rows(con, "SELECT Team FROM allocation.charges ORDER BY x_DimensionId")
    assert teams == [("t7",), ("t119",), ("t249",), ("unallocated",)]


def test_tables_of_ones_own_are_text_as_it_is_written(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        tables__cost_centers_csv='code,owner\n0123,"Ada, Bob"\n#77,\n',
        tables__org_yaml="- {unit: 0123, open: no, since: 2026-10-01}\n- unit: b\n  open: null\n  since: ''\n",
    )
    con = stored(folder)
    assert rows(con, "FROM reference.cost_centers") == [("0123", "Ada, Bob"), ("#77", "")]
    assert rows(con, "SELECT unit, open, since FROM reference.org") == [("0123", "no", "2026-10-01"), ("b", None, "")]
    (folder / "tables" / "org.yaml").unlink()
    store_mappings(con, read_mappings(con, CATALOGUE, folder))
    assert rows(con, "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'reference'") == [("cost_centers",)]


def test_a_parquet_table_keeps_its_types(tmp_path: Path) -> None:
    folder = tmp_path / "a [1] * folder"
    (folder / "tables").mkdir(parents=True)
    con = connect(None)
    con.execute("COPY (SELECT 1.50::DECIMAL(9, 2) AS rate, DATE '2026-10-01' AS day) TO ? (FORMAT parquet)",
                [str(folder / "tables" / "rates.parquet")])  # fmt: skip
    assert rows(stored(folder), "SELECT rate, day, typeof(rate) FROM reference.rates") == [
        (Decimal("1.50"), date(2026, 10, 1), "DECIMAL(9,2)")
    ]


def test_every_problem_of_tables_is_told(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        tables__a_csv="code,Code\n1,2\n",
        tables__b_csv="code,cost centre\n",
        tables__c_csv="code,team\n1,2,3\n\n4\n5,6\n",
        tables__d_csv="",
        tables__e_yaml="- {code: 1}\n- {cod: 2}\n- {code: [1]}\n- x\n",
        tables__f_yaml="code: 1\n",
        tables__g_yaml="- {code: 1\n",
        tables__c_yaml="- {code: 1}\n",
    )
    (folder / "tables" / "h.parquet").write_bytes(b"PAR?")
    (folder / "tables" / "2020-rates.csv").write_text("a\n1\n")
    (folder / "tables" / "notes.txt").write_text("a")
    (folder / "tables" / ".hidden").write_text("a")
    told = problems(folder)
    assert [problem for problem in told if "h.parquet" not in problem] == [
        "tables/2020-rates.csv: '2020-rates' is no table's name: letters, digits and '_', a letter first",
        "tables/a.csv:1: the column Code is there twice",
        "tables/b.csv:1: 'cost centre' is no column's name: letters, digits and '_', a letter first",
        "tables/c.csv:2: 3 cells, but the header has 2 columns",
        "tables/c.csv:4: 1 cell, but the header has 2 columns",
        "tables/c.yaml: the table c is made of c.csv already",
        "tables/d.csv: is empty: the first line names the columns",
        "tables/e.yaml:3: has a list or a map in a cell: a cell is one value",
        "tables/e.yaml:4: is no map of 'column: value'",
        "tables/e.yaml:2: has cod, but the first has code",
        "tables/f.yaml:1: is no list of 'column: value' lines",
        "tables/g.yaml:2: is not YAML: did not find expected ',' or '}'",
        "tables/notes.txt: is no table: .csv, .parquet, .yaml, .yml are read",
    ]
    assert any(problem.startswith("tables/h.parquet: is no Parquet file: ") for problem in told)


def test_a_table_that_changes_is_built_again(tmp_path: Path) -> None:
    con = new_ledger([{"cost": 1, "ResourceId": "i-1"}])
    folder = write(tmp_path, tables__a_csv="code\n1\n")
    build(con, ALLOCATION, folder, TODAY)
    assert not build(con, ALLOCATION, folder, TODAY).changed
    write(folder, tables__a_csv="code\n2\n")
    assert build(con, ALLOCATION, folder, TODAY).changed
    assert rows(con, "FROM reference.a") == [("2",)]


def test_without_mapping_files_every_table_is_there_and_empty() -> None:
    con = connect(None)
    store_mappings(con, Mappings())
    tables = [name for (name,) in rows(con, "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'mapping'")]
    assert {"pools", "pool_teams", "splits", "tags", "names", "keys", "folders", "projects", "accounts"} <= set(tables)
    assert [name for name in tables if rows(con, f"SELECT count(*) FROM mapping.{name}") != [(0,)]] == []
    assert rows(con, "SELECT mapping.resources_lines('x'), mapping.names_lines('account', 'x')") == [([], [])]


def test_the_example_of_the_page_is_as_it_says(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "mappings.md").read_text()
    dated, pools, splits, table = (block.split("```")[0] for block in page.split("```csv\n")[1:])
    folder = write(
        tmp_path,
        teams="team\nsearch\nml-research\nother\n",
        pools=pools,
        splits=splits,
        accounts=dated + "444455556666,shared-platform,,\n",
        tables__cost_centers_csv=table,
    )
    con = new_ledger([
        {"cost": 10, "SubAccountId": "444455556666", "from": "2026-10-01"},
        {"cost": 1, "SubAccountId": "111122223333", "from": "2026-10-09", "until": "2026-10-11"},
    ])  # fmt: skip
    build(con, ALLOCATION, folder, TODAY)
    paid = rows(con, "SELECT SubAccountId, Team, sum(AllocatedBilledCost), min(ChargePeriodStart)::DATE FROM allocation.charges "
                "GROUP BY ALL ORDER BY ALL")  # fmt: skip
    assert paid == [
        ("111122223333", "ml-research", 1, date(2026, 10, 10)),
        ("111122223333", "search", 1, date(2026, 10, 9)),
        ("444455556666", "ml-research", 2, date(2026, 10, 1)),
        ("444455556666", "search", 8, date(2026, 10, 1)),
    ]
    assert rows(con, "SELECT team FROM reference.cost_centers WHERE code = 'CC-100'") == [("search",)]
