"""Frozen months: what finance has booked stays, whatever becomes of rules, mappings, bills and the warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import FOCUS_HEADER, Workspace
from few_rules import few_rules
from hypothesis import given, settings
from hypothesis import strategies as st
from rules_kit import new_ledger, write_mappings

from finops.errors import FrozenMonthError, UsageError
from finops.pipeline.build import BuildReport, build
from finops.pipeline.closing import concerns, freeze, month_states, refuse_freezing, reopen
from finops.pipeline.freezing import LATE
from finops.pipeline.frozen_files import FrozenFiles
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection

SEPTEMBER = date(2026, 9, 1)
NOVEMBER = date(2026, 11, 20)
SHARES = (
    "SELECT ResourceId, Team, x_AllocationRuleId, x_AllocationRuleVersion, x_AllocationMethod, x_AllocationReason, x_AllocationPool, "
    "x_AllocationWeight, AllocatedBilledCost, AllocatedEffectiveCost FROM allocation.charges "
    "WHERE date_trunc('month', BillingPeriodStart) = DATE '2026-09-01' ORDER BY ALL"
)


class Books:
    """Ledgers of the kit that share a folder of frozen months, mappings and rules, as warehouses of one workspace do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = FrozenFiles(folder / "frozen")

    def ledger(self, charges: Sequence[Mapping[str, Any]]) -> Connection:
        con = new_ledger(charges)
        self.build(con)
        return con

    def build(self, con: Connection) -> BuildReport:
        catalogue = Catalogue(self.folder / "queries", few_rules(self.folder.parent))
        return build(con, catalogue, self.folder / "mappings", NOVEMBER, frozen_files=self.files.folder)

    def accounts(self, team: str) -> None:
        write_mappings(self.folder / "mappings", {"accounts": [{"account_id": "111111111111", "team": team}]})

    def freeze(self, con: Connection) -> None:
        freeze(con, self.files, SEPTEMBER, "finance", "booked")
        self.build(con)

    def shared(self, weights: str, pools: Sequence[str] = ("platform",)) -> None:
        """Charges of the service 'Shared' are a pool's, divided by weights such as ``('search', 1), ('vision', 2)``."""
        (self.folder / "mappings").mkdir(exist_ok=True)
        (self.folder / "mappings" / "pools.csv").write_text(
            "pool,name,split\n" + "".join(f"{pool},{pool},by_mine\n" for pool in pools)
        )
        for name, text in {
            "pooled": _rule("pooled", 5, "mapped", "SELECT x_DimensionId, 'platform' AS Team, 'is shared' AS x_AllocationReason "
                            "FROM ledger.dimensions WHERE ServiceName = 'Shared'"),
            "by_mine": _rule("by_mine", 105, "split", f"SELECT 'platform' AS Pool, team AS Team, weight AS Weight FROM (VALUES {weights}) "
                             "AS v (team, weight)", "splits: pools\n"),
        }.items():  # fmt: skip
            path = self.folder / "queries" / "allocate" / f"{name}.sql"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def _rule(name: str, order: int, method: str, select: str, more: str = "") -> str:
    header = f"id: {name}\ntitle: T\nversion: 1\nowner: me\norder: {order}\nmethod: {method}\n{more}why: test\nmisses: nothing\n"
    return f"/*\n{header}*/\nWITH {name} AS ({select})\nSELECT * FROM {name}\n"


@pytest.fixture
def books(tmp_path: Path) -> Books:
    books = Books(tmp_path)
    books.accounts("search")
    return books


def charge(resource: str, cost: object = 1, **more: Any) -> dict[str, Any]:
    return {"ResourceId": resource, "cost": cost, "from": date(2026, 9, 3), **more}


def rows(con: Connection, sql: str = SHARES) -> list[tuple[Any, ...]]:
    return con.execute(sql).fetchall()


BILL = [
    charge("tagged", "7.25", Tags={"team": "vision", "env": "prod"}),
    charge("mapped", "2.5", effective="1.75"),
    charge("nobodys", "0.000000000001", SubAccountId="222222222222"),
    charge("refunded", "-3", ChargeCategory="Usage"),
    charge("pooled", "10", ServiceName="Shared"),
    charge("in euros", "5", BillingCurrency="EUR"),
    charge("october", "4", **{"from": date(2026, 10, 2)}),
]


def test_a_frozen_month_keeps_its_allocation_when_mappings_and_rules_change(books: Books) -> None:
    books.shared("('search', 1), ('vision', 2)")
    con = books.ledger(BILL)
    before = rows(con)
    books.freeze(con)
    assert rows(con) == before
    books.accounts("payments")
    books.shared("('payments', 1)")
    books.build(con)
    assert rows(con) == before
    assert rows(con, "SELECT Team FROM allocation.charges WHERE ResourceId = 'october'") == [("payments",)]


def test_reopening_gives_the_month_to_todays_rules(books: Books) -> None:
    con = books.ledger(BILL)
    books.freeze(con)
    books.accounts("payments")
    books.build(con)
    reopen(books.files, SEPTEMBER, "finance", "wrong team")
    assert next(stage for stage in books.build(con).stages if stage.stage == "allocate").status == "built"
    assert rows(con, "SELECT Team FROM allocation.charges WHERE ResourceId = 'mapped'") == [("payments",)]
    assert rows(con, "SELECT count(*) FROM allocation.dimension_team WHERE book <> 0") == [(0,)]
    assert rows(con, "FROM allocation.frozen_months") == rows(con, "FROM allocation.booked") == []


def test_a_warehouse_that_is_made_again_has_other_numbers_but_the_same_books(books: Books) -> None:
    books.shared("('search', 1), ('vision', 2)")
    con = books.ledger(BILL)
    books.freeze(con)
    before = rows(con)
    books.accounts("payments")
    books.shared("('payments', 1)")
    assert rows(books.ledger(BILL[::-1])) == before


def test_nothing_is_built_again_while_nothing_changes(books: Books) -> None:
    con = books.ledger(BILL)
    books.freeze(con)
    assert not books.build(con).changed


def test_what_is_delivered_later_gets_todays_rules_and_says_so(books: Books) -> None:
    books.freeze(books.ledger(BILL))
    books.accounts("payments")
    con = books.ledger([*BILL, charge("late", 9), charge("nobodys too", 1, SubAccountId="333333333333")])
    found = {
        row[0]: row[1:] for row in rows(con, "SELECT ResourceId, Team, x_AllocationReason FROM allocation.charges")
    }
    assert found["late"] == ("payments", f"account 111111111111 in accounts.csv {LATE}")
    assert found["nobodys too"] == ("unallocated", LATE)
    assert found["mapped"] == ("search", "account 111111111111 in accounts.csv")


def test_more_money_on_a_known_kind_of_charge_goes_where_that_was_booked(books: Books) -> None:
    books.freeze(books.ledger([charge("mapped", 2)]))
    books.accounts("payments")
    con = books.ledger([charge("mapped", 3)])
    assert rows(con, "SELECT Team, AllocatedBilledCost FROM allocation.charges") == [("search", 3)]


def test_a_pool_that_was_booked_divides_late_charges_as_it_was_booked(books: Books) -> None:
    books.shared("('search', 1), ('vision', 3)")
    books.freeze(books.ledger(BILL))
    books.shared("('payments', 1)")
    con = books.ledger([*BILL, charge("late", 8, ServiceName="Shared")])
    late = rows(con, "SELECT Team, AllocatedBilledCost FROM allocation.charges WHERE ResourceId = 'late' ORDER BY Team")
    assert late == [("search", 2), ("vision", 6)]


def test_a_pool_that_was_not_booked_divides_late_charges_by_todays_weights(books: Books) -> None:
    books.freeze(books.ledger([charge("mapped")]))
    books.shared("('payments', 1), ('vision', 3)")
    con = books.ledger([charge("mapped"), charge("late", 8, ServiceName="Shared")])
    found = rows(
        con, "SELECT Team, AllocatedBilledCost FROM allocation.charges WHERE ResourceId = 'late' ORDER BY Team"
    )
    assert found == [("payments", 2), ("vision", 6)]
    reasons = rows(con, "SELECT x_AllocationReason FROM allocation.charges WHERE ResourceId = 'late'")
    assert all(reason.endswith(LATE) for (reason,) in reasons)
    steps = "SELECT Team, weight FROM allocation.pool_step WHERE book = 202609 ORDER BY Team"
    assert rows(con, steps) == [("payments", Decimal("0.25")), ("vision", Decimal("0.75"))]


def test_pools_in_pools_are_booked_with_their_steps(books: Books) -> None:
    books.shared("('search', 1), ('rest', 1)", ("platform", "rest"))
    rule = books.folder / "queries" / "allocate" / "by_mine.sql"
    rule.write_text(
        rule.read_text().replace("AS v (team, weight)", "AS v (team, weight) UNION ALL SELECT 'rest', 'vision', 1")
    )
    con = books.ledger(BILL)
    steps = "SELECT pool, Team, is_pool, basis, weight FROM allocation.pool_step WHERE book = {} ORDER BY ALL"
    open_book = rows(con, steps.format(0))
    assert ("platform", "rest", True, 1, Decimal("0.5")) in open_book
    before = rows(con)
    books.freeze(con)
    books.shared("('payments', 1)")
    books.build(con)
    assert rows(con, steps.format(202609)) == open_book
    assert rows(con) == before


def test_weights_that_a_rule_gives_at_once_are_booked(books: Books) -> None:
    rule = books.folder / "queries" / "allocate" / "parts.sql"
    rule.parent.mkdir(parents=True)
    select = (
        "SELECT x_DimensionId, team AS Team, weight AS Weight, 'in parts' AS x_AllocationReason "
        "FROM ledger.dimensions, (VALUES {}) AS v (team, weight) WHERE ServiceName = 'Shared'"
    )
    rule.write_text(_rule("parts", 5, "split", select.format("('search', 1), ('vision', 2)")))
    con = books.ledger(BILL)
    before = rows(con)
    books.freeze(con)
    rule.write_text(_rule("parts", 5, "split", select.format("('payments', 1), ('vision', 2)")))
    assert rows(books.ledger(BILL[::-1])) == before


def test_a_team_that_is_gone_keeps_what_was_booked(books: Books) -> None:
    con = books.ledger(BILL)
    books.freeze(con)
    write_mappings(books.folder / "mappings", {"teams": [{"team": "payments"}, {"team": "vision"}]})
    books.accounts("payments")
    books.build(con)
    assert ("mapped", "search") in [row[:2] for row in rows(con)]


def test_the_invoices_number_may_come_with_the_final_bill(books: Books) -> None:
    books.freeze(books.ledger([charge("mapped")]))
    books.accounts("payments")
    con = books.ledger([charge("mapped", InvoiceId="INV-7")])
    assert rows(con, "SELECT Team, x_AllocationReason FROM allocation.charges") == [
        ("search", "account 111111111111 in accounts.csv")
    ]


def test_kinds_of_charges_that_only_the_invoice_tells_apart_are_told_apart(books: Books) -> None:
    rule = books.folder / "queries" / "allocate" / "by_invoice.sql"
    rule.parent.mkdir(parents=True)
    rule.write_text(_rule("by_invoice", 5, "mapped", "SELECT x_DimensionId, 'team of ' || InvoiceId AS Team, 'invoice' AS "
                          "x_AllocationReason FROM ledger.dimensions WHERE InvoiceId IS NOT NULL"))  # fmt: skip
    bill = [charge("same", 1, InvoiceId="A"), charge("same", 2, InvoiceId="B")]
    con = books.ledger(bill)
    books.freeze(con)
    before = rows(con)
    assert [row[1] for row in before] == ["team of A", "team of B"]
    rule.unlink()
    assert rows(books.ledger(bill[::-1])) == before


def test_tags_are_the_same_in_any_order(books: Books) -> None:
    books.freeze(books.ledger([charge("x", Tags={"a": "1", "b": "2"})]))
    books.accounts("payments")
    assert rows(books.ledger([charge("x", Tags={"b": "2", "a": "1"})]))[0][1] == "search"


def test_a_charge_of_another_month_on_the_bill_belongs_to_the_bills_month(books: Books) -> None:
    """Months are frozen by billing period: October's charge on a September bill is booked, September's on October's is not."""
    con = new_ledger([charge("early", **{"from": date(2026, 10, 1)})])
    con.execute("UPDATE ledger.slice SET billing_period_start = TIMESTAMP '2026-09-01'")
    books.build(con)
    books.freeze(con)
    books.accounts("payments")
    books.build(con)
    assert rows(con)[0][:2] == ("early", "search")


@given(
    bill=st.lists(
        st.fixed_dictionaries(
            {
                "ResourceId": st.sampled_from(["a", "b", "c"]),
                "ServiceName": st.sampled_from(["Shared", "Compute"]),
                "SubAccountId": st.sampled_from([None, "111111111111", "", "2"]),
                "BillingCurrency": st.sampled_from(["USD", "EUR", None]),
                "Tags": st.sampled_from([None, {}, {"team": "vision"}, {"team": "", "x": "\N{SNOWMAN}'\""}]),
                "cost": st.sampled_from(["0", "-1.5", "0.000000000001", "12345678901.123456789012345678"]),
                "from": st.sampled_from([date(2026, 9, 1), date(2026, 9, 30)]),
            }
        ),
        min_size=1,
        max_size=6,
        unique_by=lambda each: tuple(str(value) for key, value in each.items() if key not in ("cost", "from")),
    ),
    weights=st.sampled_from(["('search', 1)", "('search', 1), ('vision', 2)", "('a', 1), ('b', 1), ('c', 1)"]),
)
@settings(max_examples=4, deadline=None)
def test_any_bill_is_given_back_as_it_was_booked(
    tmp_path_factory: pytest.TempPathFactory, bill: list[dict[str, Any]], weights: str
) -> None:
    books = Books(tmp_path_factory.mktemp("books"))
    books.accounts("search")
    books.shared(weights)
    con = books.ledger(bill)
    before = rows(con)
    books.freeze(con)
    books.accounts("payments")
    books.shared("('payments', 1)")
    books.build(con)
    assert rows(con) == before
    again = books.ledger(bill[::-1])
    assert rows(again) == before
    assert rows(again, "SELECT count(*) FROM allocation.charges WHERE x_AllocationReason LIKE '%after the month%'") == [
        (0,)
    ]


def test_what_a_change_of_rules_would_have_moved(books: Books) -> None:
    con = books.ledger(BILL)
    books.freeze(con)
    books.accounts("payments")
    books.build(con)
    found = con.execute(Catalogue().get("frozen_months").body)
    names = [column[0] for column in found.description]
    told = {
        (row["Team"], row["BillingCurrency"]): (
            row["BookedCost"],
            row["ChargedCost"],
            row["CostIfOpen"],
            row["WouldMove"],
        )
        for row in (dict(zip(names, each, strict=True)) for each in found.fetchall())
    }
    assert told["search", "EUR"] == (5, 5, 0, -5)
    assert told["payments", "EUR"] == (0, 0, 5, 5)
    assert told["vision", "USD"] == (Decimal("7.25"), Decimal("7.25"), Decimal("7.25"), 0)
    reopen(books.files, SEPTEMBER, "finance", "why")
    books.build(con)
    assert con.execute(Catalogue().get("frozen_months").body).fetchall() == []


# --- the files


def frozen(books: Books) -> tuple[Connection, Path]:
    con = books.ledger(BILL)
    books.freeze(con)
    return con, next(books.files.folder.glob("*.parquet"))


def test_the_journal_only_grows(books: Books) -> None:
    con, _ = frozen(books)
    first = books.files.journal.read_bytes()
    reopen(books.files, SEPTEMBER, "Ann, finance", 'the "wrong"\nteam')
    second = books.files.journal.read_bytes()
    freeze(con, books.files, SEPTEMBER, "finance", "")
    assert second.startswith(first) and books.files.journal.read_bytes().startswith(second)
    entries = books.files.entries()
    assert [entry.action for entry in entries] == ["freeze", "reopen", "freeze"]
    assert (entries[1].by, entries[1].reason) == ("Ann, finance", 'the "wrong" team')
    assert entries[0].billed == {"USD": Decimal("16.750000000001"), "EUR": Decimal(5)}
    assert entries[0].charges == 6
    assert entries[1].digest == entries[0].digest


def test_what_was_booked_before_a_reopening_stays(books: Books) -> None:
    con, path = frozen(books)
    books.accounts("payments")
    reopen(books.files, SEPTEMBER, "finance", "wrong team")
    books.build(con)
    books.freeze(con)
    assert path.is_file() and len(list(books.files.folder.glob("*.parquet"))) == 2
    assert rows(con, "SELECT Team FROM allocation.charges WHERE ResourceId = 'mapped'") == [("payments",)]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "is not there"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is not the one that was written"),
        (
            lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1"),
            "is not the one that was written",
        ),
        (lambda path: path.with_name("journal.csv").unlink(), "the journal is not there"),
        (lambda path: path.with_name("journal.csv").write_text("time,action\n"), "the header is not"),
    ],
)
def test_a_damaged_book_stops_the_build_before_anything_changes(books: Books, damage: Any, message: str) -> None:
    con, path = frozen(books)
    before = (
        rows(con),
        rows(con, "FROM allocation.dimension_team ORDER BY ALL"),
        rows(con, "FROM ops.stages ORDER BY ALL"),
    )
    books.accounts("payments")
    damage(path)
    with pytest.raises(FrozenMonthError, match=message) as error:
        books.build(con)
    assert error.value.next_step and error.value.where
    assert before == (
        rows(con), rows(con, "FROM allocation.dimension_team ORDER BY ALL"), rows(con, "FROM ops.stages ORDER BY ALL")
    )  # fmt: skip


def test_every_wrong_line_of_the_journal_is_told(books: Books) -> None:
    frozen(books)
    line = books.files.journal.read_text().splitlines()[1]
    books.files.journal.write_text(
        "\n".join(
            [
                books.files.journal.read_text().splitlines()[0],
                line,
                line,
                line.replace("freeze", "frieze"),
                line.replace("2026-09,", "2026-13,"),
                line.replace("freeze,2026-09", "reopen,2026-08"),
                line.replace("USD 16", "USD sixteen"),
                "one cell",
            ]
        )
    )
    with pytest.raises(FrozenMonthError) as error:
        books.files.entries()
    for number, message in enumerate(
        [
            "2026-09 is frozen twice", "not 'frieze'; did you mean 'freeze'?", "'2026-13' is no month",
            "2026-08 is reopened, but is not frozen", "'USD sixteen.750000000001' is no amount", "1 cells",
        ],
        start=3,
    ):  # fmt: skip
        assert f"journal.csv:{number}: " in str(error.value) and message in str(error.value)


def test_a_file_that_the_journal_names_elsewhere_is_not_read(books: Books) -> None:
    _, path = frozen(books)
    text = books.files.journal.read_text()
    books.files.journal.write_text(text.replace(path.name, f"../{path.name}"))
    with pytest.raises(FrozenMonthError, match="is no file of this folder"):
        books.files.entries()


def test_lines_that_git_could_not_merge_are_called_that(books: Books) -> None:
    frozen(books)
    header, line = books.files.journal.read_text().splitlines()
    books.files.journal.write_text("\n".join([header, "<<<<<<< HEAD", line, "=======", line, ">>>>>>> close", ""]))
    with pytest.raises(FrozenMonthError, match="git could not merge the journal") as error:
        books.files.entries()
    assert str(error.value.where).endswith("journal.csv:2")


def test_a_freeze_that_is_killed_before_its_line_is_written_leaves_nothing_frozen(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    con = books.ledger(BILL)
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(FrozenFiles, "append", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        books.freeze(con)
    assert len(list(books.files.folder.glob("*.parquet"))) == 1
    assert books.files.entries() == []
    books.freeze(con)
    assert list(books.files.frozen()) == [SEPTEMBER]


def test_a_bill_may_be_in_points(books: Books) -> None:
    con = books.ledger([charge("spent", "12.5", BillingCurrency="REWARD POINTS")])
    books.freeze(con)
    assert books.files.frozen()[SEPTEMBER].billed == {"REWARD POINTS": Decimal("12.5")}


# --- what speaks against freezing


def test_a_month_is_frozen_once_and_only_with_charges(books: Books) -> None:
    con, _ = frozen(books)
    with pytest.raises(UsageError, match="2026-09 is frozen: by finance on") as error:
        refuse_freezing(con, books.files, SEPTEMBER)
    assert "finops allocate reopen 2026-09" in error.value.next_step
    with pytest.raises(UsageError, match="no charge is billed in 2026-08") as error:
        refuse_freezing(con, books.files, date(2026, 8, 1))
    assert error.value.next_step == "Months with charges: 2026-09, 2026-10."


def test_only_a_frozen_month_is_reopened(books: Books) -> None:
    frozen(books)
    with pytest.raises(UsageError, match="2026-10 is not frozen") as error:
        reopen(books.files, date(2026, 10, 1), "me", "why")
    assert error.value.next_step == "Frozen months: 2026-09."


def test_a_month_that_may_not_be_complete(books: Books) -> None:
    con = books.ledger(
        [charge("x", InvoiceId="I-8", **{"from": date(2026, 8, 3)}), charge("x"), charge("y", source="other")]
    )
    assert concerns(con, SEPTEMBER, date(2026, 9, 30)) == ["2026-09 is not over: today is 2026-09-30"]
    assert concerns(con, SEPTEMBER, date(2026, 10, 1)) == [
        "test: AWS has not invoiced all of it yet: 1 charges have no invoice, as those of other months have"
    ]  # 'other' never names an invoice
    con.execute("UPDATE ops.loads SET delivered_at = TIMESTAMP '2026-09-12 08:00:00' WHERE source_id = 'other'")
    con.execute(
        "INSERT INTO ops.holes (source_id, billing_period, what) VALUES ('test', DATE '2026-09-01', 'access denied')"
    )
    assert concerns(con, SEPTEMBER, date(2026, 10, 1))[::2] == [
        "other: the bill of payer is of 2026-09-12, before the month was over", "test: access denied",
    ]  # fmt: skip
    assert concerns(con, date(2026, 8, 1), date(2026, 10, 1)) == []


def test_states_of_months(books: Books) -> None:
    books.freeze(books.ledger(BILL))
    con = books.ledger([*BILL[:-1], charge("late", "0.5"), charge("mapped", 1)])
    states = {(state.month, state.currency): state for state in month_states(con, books.files)}
    dollars = states[SEPTEMBER, "USD"]
    assert (dollars.booked, dollars.billed, dollars.difference, dollars.late) == (
        Decimal("16.750000000001"), Decimal("18.250000000001"), Decimal("1.5"), Decimal("0.5")
    )  # fmt: skip
    assert states[SEPTEMBER, "EUR"].difference == 0
    assert list(states) == [(SEPTEMBER, "EUR"), (SEPTEMBER, "USD")]


# --- the commands


def bill(*rows: str, month: str = "2026-09") -> str:
    """A FOCUS bill: ``account,resource,cost`` a row."""
    following = f"2026-{int(month[-2:]) + 1:02}"
    lines = []
    for row in rows:
        account, resource, cost = row.split(",")
        lines.append(
            f"A,{month}-01T00:00:00Z,{following}-01T00:00:00Z,{month}-02T00:00:00Z,{month}-02T01:00:00Z,Usage,{cost},{cost},{cost},"
            f"{cost},USD,Amazon EC2,Compute,AWS,AWS,AWS,{resource},{account},1,Hours,"
        )
    return "\n".join([FOCUS_HEADER, *lines, ""])


TEAM = "SELECT Team, CAST(sum(AllocatedBilledCost) AS VARCHAR) FROM allocation.charges GROUP BY ALL ORDER BY ALL"


@pytest.fixture
def closed(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """September of a company with one account."""
    shipped = few_rules(workspace.folder.parent)
    monkeypatch.setattr("finops.rules.catalogue.shipped_queries", lambda: shipped)
    workspace.write("mappings/accounts.csv", "account_id,team\nacct-1,search\n")
    workspace.write("in/bill.csv", bill("acct-1,i-1,5", "acct-1,i-2,2.5"))
    assert workspace.finops("load", workspace.folder / "in").exit_code == 0
    return workspace


def test_freeze_builds_first_and_reopen_builds_again(closed: Workspace) -> None:
    result = closed.finops("--today", "2026-11-02", "allocate", "freeze", "last-month", "--by", "Ann")
    assert result.exit_code == 2 and "no charge is billed in 2026-10" in result.err
    result = closed.finops("--today", "2026-11-02", "allocate", "freeze", "2026-09", "--by", "Ann", "--json")
    assert result.exit_code == 0, result.err
    assert result.json()["billed"] == {"USD": 7.5} and result.json()["by"] == "Ann"
    closed.write("mappings/accounts.csv", "account_id,team\nacct-1,payments\n")
    assert closed.finops("build").exit_code == 0
    assert [row[0] for row in closed.query(TEAM)] == ["search"]
    assert closed.finops("allocate", "reopen", "2026-09").exit_code == 2
    assert closed.finops("allocate", "reopen", "2026-09", "--reason", " ").exit_code == 2
    result = closed.finops("allocate", "reopen", "2026-09", "--reason", "wrong team")
    assert result.exit_code == 0 and "2026-09 is open" in result.err
    assert [row[0] for row in closed.query(TEAM)] == ["payments"]
    journal = closed.finops("allocate", "journal", "--json").json()
    assert [(line["action"], line["reason"]) for line in journal] == [("freeze", ""), ("reopen", "wrong team")]
    assert "wrong team" in closed.finops("allocate", "journal").out


def test_freeze_loads_what_a_new_warehouse_lacks(closed: Workspace) -> None:
    (closed.folder / "finops.duckdb").unlink()
    result = closed.finops("--today", "2026-11-02", "allocate", "freeze", "2026-09")
    assert result.exit_code == 0 and "2026-09 is frozen: USD 7.50 billed, 2 charges." in result.err


def test_a_month_that_is_not_over_needs_a_yes(closed: Workspace) -> None:
    result = closed.finops("--today", "2026-09-15", "allocate", "freeze", "2026-09")
    assert result.exit_code == 2 and "2026-09 is not over: today is 2026-09-15" in result.err and "--yes" in result.err
    assert not (closed.folder / "frozen").exists()
    result = closed.finops("--today", "2026-09-15", "allocate", "freeze", "2026-09", "--yes")
    assert result.exit_code == 0 and "warning: 2026-09 is not over" in result.err


def test_what_does_not_add_up_is_not_frozen(closed: Workspace) -> None:
    closed.write(
        "queries/checks/never.sql",
        "/*\nid: never\ntitle: Never right\nversion: 1\nowner: me\ngrade: stop\nwhy: test\nmisses: nothing\n*/\n"
        "WITH never AS (SELECT 1 AS wrong)\nSELECT * FROM never\n",
    )
    result = closed.finops("--today", "2026-11-02", "allocate", "freeze", "2026-09")
    assert result.exit_code == 1 and "Never right" in result.err
    assert not (closed.folder / "frozen").exists()


def test_a_week_is_no_month(closed: Workspace) -> None:
    result = closed.finops("allocate", "freeze", "2026-W40")
    assert result.exit_code == 2 and "'2026-W40' is no month" in result.err


def test_books_outlive_the_warehouse(closed: Workspace) -> None:
    assert closed.finops("--today", "2026-11-02", "allocate", "freeze", "2026-09").exit_code == 0
    closed.write("mappings/accounts.csv", "account_id,team\nacct-1,payments\n")
    (closed.folder / "finops.duckdb").unlink()
    assert closed.finops("build", "--full").exit_code == 0
    assert [row[0] for row in closed.query(TEAM)] == ["search"]


def test_a_corrected_bill_is_told_by_build_and_status(closed: Workspace) -> None:
    assert closed.finops("--today", "2026-11-02", "allocate", "freeze", "2026-09").exit_code == 0
    closed.write("in/bill.csv", bill("acct-1,i-1,5", "acct-1,i-2,3", "acct-1,i-3,1"))
    closed.finops("load", closed.folder / "in")
    result = closed.finops("build")
    assert result.exit_code == 0
    assert "Frozen months are still what was booked: month 2026-09, team search, currency USD" in result.err
    [state] = closed.finops("allocate", "status", "--json").json()
    assert (state["state"], state["booked"], state["billed"], state["difference"], state["late"]) == (
        "frozen",
        7.5,
        9,
        1.5,
        1,
    )
    assert "USD 1.50" in closed.finops("allocate", "status").out


def test_a_lost_book_is_an_error_with_what_next(closed: Workspace) -> None:
    assert closed.finops("--today", "2026-11-02", "allocate", "freeze", "2026-09").exit_code == 0
    next((closed.folder / "frozen").glob("*.parquet")).unlink()
    result = closed.finops("build")
    assert result.exit_code == 2
    assert "2026-09 is frozen, but the file with its allocation is not there" in result.err
    assert "finops allocate reopen 2026-09 --reason TEXT" in result.err
    assert closed.finops("allocate", "reopen", "2026-09", "--reason", "the file is lost").exit_code == 0


def test_nothing_frozen_says_how(workspace: Workspace) -> None:
    assert "finops allocate freeze 2026-10" in workspace.finops("allocate", "journal").err
    assert workspace.finops("allocate", "journal", "--json").json() == []
