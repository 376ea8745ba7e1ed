"""What finance books: every line in cents, every bill to the cent of its invoices, whatever the amounts."""

from __future__ import annotations

import csv
import io
import random
import re
import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import FIXTURES, REPO, Workspace
from hypothesis import given
from hypothesis import strategies as st

from finops.config.chargeback import PLACEHOLDERS
from finops.errors import CheckFailedError, ConfigError
from finops.reports.cents import apportion, rounded
from finops.reports.chargeback import Statement, compute_statement, state
from finops.reports.journal_entries import DEFAULT_COLUMNS, LINE_COLUMNS, Column, Layout, journal_csv, lines_csv
from finops.reports.money import exact_sum
from finops.rules.catalogue import Catalogue
from finops.rules.placeholders import problems
from finops.warehouse.connection import connect
from reports.conftest import TODAY, Books

MONTH = date(2026, 9, 1)

AMOUNTS = st.one_of(
    st.decimals(min_value="-99999", max_value="99999", places=18),
    st.decimals(min_value="-0.02", max_value="0.02", places=3),
    st.sampled_from([Decimal(text) for text in ("0", "1e-12", "-1e-12", "0.005", "-0.005", "12345678901234567890.000000000000000001")]),
)  # fmt: skip
UNITS = st.sampled_from([0, 2, 3])


def exact(*amounts: str) -> dict[str, Decimal]:
    """Amounts under the keys a, b, c …"""
    return {chr(ord("a") + index): Decimal(amount) for index, amount in enumerate(amounts)}


def share(amount: str, team: str = "vision", **others: Any) -> dict[str, Any]:
    """A row of the analysis ``chargeback``."""
    row = {
        "BillingCurrency": "USD", "InvoiceIssuerName": "AWS", "BillingAccountId": "payer", "InvoiceId": "INV-1", "Team": team,
        "TeamName": team.title(), "CostCenter": "CC-1", "SubAccountId": "111", "SubAccountName": "main", "ServiceName": "Compute",
        "BilledCost": Decimal(amount), "EffectiveCost": Decimal(amount),
    }  # fmt: skip
    return row | others


def statement_of(*shares: dict[str, Any], cost: str = "billed") -> Statement:
    """A statement whose invoices charge just what is allocated."""
    return state(MONTH, shares, shares, cost)


def table(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


class TestRounding:
    @given(st.dictionaries(st.text(max_size=3), AMOUNTS, min_size=1, max_size=30), UNITS)
    def test_lines_add_up_to_the_rounded_total_and_none_is_a_cent_off(
        self, amounts: dict[str, Decimal], places: int
    ) -> None:
        total = rounded(exact_sum(amounts.values()), places)
        lines = apportion(amounts, total, places)
        assert exact_sum(lines.values()) == total
        unit = Decimal(1).scaleb(-places)
        for key, amount in lines.items():
            assert exact_sum([amount, amounts[key].copy_negate()]).copy_abs() < unit
            assert amount.as_tuple().exponent == -places

    @given(st.dictionaries(st.text(max_size=3), AMOUNTS, min_size=1, max_size=30), UNITS, st.randoms())
    def test_the_order_of_the_lines_does_not_matter_and_doing_it_again_changes_nothing(
        self, amounts: dict[str, Decimal], places: int, chance: random.Random
    ) -> None:
        total = rounded(exact_sum(amounts.values()), places)
        lines = apportion(amounts, total, places)
        shuffled = list(amounts.items())
        chance.shuffle(shuffled)
        assert apportion(dict(shuffled), total, places) == lines
        assert apportion(lines, total, places) == lines

    @given(st.dictionaries(st.text(max_size=3), AMOUNTS, min_size=1, max_size=10), st.integers(-50, 50))
    def test_a_total_that_is_further_off_is_met_too(self, amounts: dict[str, Decimal], cents: int) -> None:
        total = exact_sum([rounded(exact_sum(amounts.values()), 2), Decimal(cents).scaleb(-2)])
        assert exact_sum(apportion(amounts, total, 2).values()) == total

    def test_the_missing_cent_goes_to_the_largest_remainder(self) -> None:
        assert apportion(exact("1.004", "2.003", "3.003"), Decimal("6.01"), 2) == exact("1.01", "2.00", "3.00")

    def test_of_equal_remainders_to_the_first_by_name(self) -> None:
        third = "33.333333333333333333"
        assert apportion(exact(third, third, third), Decimal("100.00"), 2) == exact("33.34", "33.33", "33.33")

    def test_credits_are_rounded_as_well(self) -> None:
        assert apportion(exact("-10.006", "5.001", "0"), Decimal("-5.01"), 2) == exact("-10.01", "5.00", "0.00")

    def test_what_no_remainder_asks_for_goes_to_the_largest_amount_and_not_to_zero(self) -> None:
        assert apportion(exact("0", "-7", "5"), Decimal("-2.01"), 2) == exact("0", "-7.01", "5")
        assert apportion(exact("0", "7", "-5"), Decimal("2.01"), 2) == exact("0", "7.01", "-5")

    def test_halves_of_an_invoice_are_rounded_away_from_zero(self) -> None:
        assert [rounded(Decimal(each), 2) for each in ("0.005", "-0.005", "0.015")] == [
            Decimal("0.01"), Decimal("-0.01"), Decimal("0.02"),
        ]  # fmt: skip

    def test_nothing_cannot_be_booked_on_nobody(self) -> None:
        assert apportion({}, Decimal(0), 2) == {}
        with pytest.raises(ValueError, match="among nobody"):
            apportion({}, Decimal("0.01"), 2)


class TestStatement:
    def test_a_bill_adds_up_to_its_invoices_each_rounded_by_itself(self) -> None:
        statement = statement_of(share("0.005"), share("0.005", InvoiceId="INV-2", ServiceName="Tax"))
        (total,) = statement.totals()
        assert (total.exact, total.booked, total.invoiced, total.difference) == (
            Decimal("0.010"), Decimal("0.02"), Decimal("0.02"), 0,
        )  # fmt: skip

    def test_a_line_that_is_part_of_two_invoices_is_one_line(self) -> None:
        (line,) = statement_of(share("1"), share("2", InvoiceId=None), share("4", InvoiceId="A")).lines
        assert (line.amount, line.invoices) == (7, ("A", "INV-1", ""))

    def test_currencies_issuers_and_accounts_are_bills_of_their_own(self) -> None:
        statement = statement_of(
            share("1"),
            share("2", BillingCurrency="EUR"),
            share("4", BillingAccountId="other"),
            share("8", InvoiceIssuerName="GCP"),
        )
        assert [(each.bill.currency, each.bill.issuer, each.bill.billing_account, each.booked) for each in statement.totals()] == [
            ("EUR", "AWS", "payer", 2), ("USD", "AWS", "other", 4), ("USD", "AWS", "payer", 1), ("USD", "GCP", "payer", 8),
        ]  # fmt: skip

    def test_a_currency_without_cents_has_none(self) -> None:
        lines = statement_of(
            *(share("0.5", team, BillingCurrency="JPY") for team in ("a", "b", "c", "unallocated"))
        ).lines
        assert [str(line.amount) for line in lines] == ["1", "1", "0", "0"]

    def test_the_effective_cost_is_rounded_as_a_whole(self) -> None:
        rows = [
            share("9", EffectiveCost=Decimal("0.004")),
            share("9", InvoiceId="INV-2", EffectiveCost=Decimal("0.004")),
        ]
        statement = statement_of(*rows, cost="effective")
        assert [each.amount for each in statement.invoices] == [Decimal("0.01")]
        assert [line.exact for line in statement.lines] == [Decimal("0.008")]

    def test_what_is_allocated_but_not_billed_is_not_booked(self) -> None:
        with pytest.raises(CheckFailedError, match=r"USD 1\.000000000000000001 is allocated, USD 1 is billed"):
            state(MONTH, [share("1.000000000000000001")], [share("1")])
        with pytest.raises(CheckFailedError, match="USD 0 is allocated, USD 5 is billed"):
            state(MONTH, [], [share("5")])

    def test_a_part_keeps_the_amounts_of_the_whole_and_says_what_the_others_pay(self) -> None:
        whole = statement_of(share("0.334", "a"), share("0.333", "b"), share("0.333", "unallocated"))
        part = whole.only(["b"])
        assert part.lines == tuple(line for line in whole.lines if line.key.team == "b")
        (total,) = part.totals()
        assert (total.booked, total.others, total.invoiced, total.difference) == (
            Decimal("0.33"), Decimal("0.67"), Decimal("1.00"), 0,
        )  # fmt: skip

    @given(
        st.lists(st.tuples(AMOUNTS, st.sampled_from("abc"), st.sampled_from(["I", "J", None])), max_size=20),
        st.randoms(),
    )
    def test_rows_may_come_in_any_order_and_the_journal_balances(
        self, rows: list[tuple[Decimal, str, str | None]], chance: random.Random
    ) -> None:
        shares = [share(str(amount), team, InvoiceId=invoice) for amount, team, invoice in rows]
        statement = statement_of(*shares)
        chance.shuffle(shares)
        assert statement_of(*shares) == statement
        for whole_or_part in (statement, statement.only(["a"])):
            journal = table(journal_csv(whole_or_part, Layout()))
            debit, credit = (exact_sum(Decimal(line[side] or 0) for line in journal) for side in ("Debit", "Credit"))
            assert debit == credit
        assert all(total.difference == 0 for total in statement.totals())


class TestFiles:
    def test_the_exact_amount_stands_beside_the_rounded_one(self) -> None:
        (row,) = table(lines_csv(statement_of(share("12.345678901234567890")), Layout()))
        assert tuple(row) == LINE_COLUMNS
        assert (row["amount"], row["exact_amount"], row["rounding"]) == (
            "12.35",
            "12.34567890123456789",
            "0.00432109876543211",
        )
        assert (row["month"], row["cost_center"], row["account_name"]) == ("2026-09", "CC-1", "main")

    def test_a_negative_line_is_a_credit_and_a_refund_a_debit_of_the_clearing_account(self) -> None:
        journal = table(journal_csv(statement_of(share("5", "a"), share("-7.5", "b")), Layout()))
        assert [(row["Account"], row["Debit"], row["Credit"]) for row in journal] == [
            ("cloud-costs", "5.00", ""), ("cloud-costs", "", "7.50"), ("cloud-clearing", "2.50", ""),
        ]  # fmt: skip

    def test_lines_of_nothing_are_in_the_list_but_not_in_the_journal(self) -> None:
        statement = statement_of(share("5", "a"), share("0", "b"), share("0.001", "c"))
        assert [row["amount"] for row in table(lines_csv(statement, Layout()))] == ["5.00", "0.00", "0.00"]
        assert len(table(journal_csv(statement, Layout()))) == 2

    def test_each_invoice_has_its_line_of_the_clearing_account(self) -> None:
        statement = statement_of(
            share("5"), share("1", InvoiceId="INV-2", ServiceName="Tax"), share("2", InvoiceId=None)
        )
        journal = table(journal_csv(statement, Layout()))
        assert [(row["Reference"], row["Debit"], row["Credit"]) for row in journal] == [
            ("INV-1; not invoiced", "7.00", ""), ("INV-2", "1.00", ""), ("", "", "2.00"), ("INV-1", "", "5.00"), ("INV-2", "", "1.00"),
        ]  # fmt: skip

    def test_european_numbers_dates_and_columns(self) -> None:
        columns = (
            Column("Datum", "{month_end}", "{month_end}"),
            Column("Konto", "6540", "1590"),
            Column("Betrag", "{amount}", "{amount}"),
            Column("Text", "{line}: {{Cloud}} {team}", "Rechnung {invoice_id}"),
        )
        layout = Layout(columns, date_format="%d.%m.%Y", decimal_comma=True, delimiter=";")
        statement = statement_of(share("-1234.5"))
        assert journal_csv(statement, layout).splitlines() == [
            "Datum;Konto;Betrag;Text",
            "30.09.2026;6540;-1234,50;1: {Cloud} vision",
            "30.09.2026;1590;1234,50;Rechnung INV-1",
        ]
        (row,) = table(lines_csv(statement, layout), ";")
        assert (row["amount"], row["exact_amount"]) == ("-1234,50", "-1234,5")

    def test_text_that_a_spreadsheet_would_run_is_made_harmless_and_numbers_are_not_touched(self) -> None:
        statement = statement_of(share("-1", "=cmd|' /C calc'!A0", ServiceName="+{team}", CostCenter="@x"))
        (row,) = table(lines_csv(statement, Layout()))
        assert (row["team"], row["service"], row["cost_center"], row["amount"]) == (
            "'=cmd|' /C calc'!A0",
            "'+{team}",
            "'@x",
            "-1.00",
        )
        columns = (Column("A", "{team}", ""), Column("B", "{service}", ""), Column("C", "{amount}", "{amount}"))
        assert list(table(journal_csv(statement, Layout(columns)))[0].values()) == [
            "'=cmd|' /C calc'!A0",
            "'+{team}",
            "-1.00",
        ]

    def test_two_currencies_need_a_column_that_tells_them_apart(self) -> None:
        columns = tuple(each for each in DEFAULT_COLUMNS if each.heading != "Currency")
        journal_csv(statement_of(share("1")), Layout(columns))
        with pytest.raises(ConfigError, match=r"2026-09 has EUR, USD, and no column of the journal names \{currency\}"):
            journal_csv(statement_of(share("1"), share("1", BillingCurrency="EUR")), Layout(columns))

    def test_without_a_clearing_account_only_the_teams_have_lines(self) -> None:
        assert len(table(journal_csv(statement_of(share("1")), Layout(clearing_account="")))) == 1

    def test_whoever_has_no_cost_centre_gets_the_default_one(self) -> None:
        statement = statement_of(share("1", "unallocated", CostCenter=None))
        journal = table(journal_csv(statement, Layout(default_cost_center="CC-9999")))
        assert [row["Cost center"] for row in journal] == ["CC-9999", ""]

    @pytest.mark.parametrize("name", PLACEHOLDERS)
    def test_every_name_that_the_configuration_allows_is_known_to_the_journal(self, name: str) -> None:
        columns = (Column("A", f"{{{name}}}", f"{{{name}}}"), Column("{currency}", "{currency}", "{currency}"))
        assert len(table(journal_csv(statement_of(share("1")), Layout(columns)))) == 2


class TestPlaceholders:
    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("{tem}", "there is no {tem}; did you mean 'team'?"),
            ("{team.__class__}", "there is no {team.__class__}; did you mean 'team'?"),
            ("{team[0]}", "there is no {team[0]}; did you mean 'team'?"),
            ("{team!r}", "{team} stands alone in its braces"),
            ("{amount:>10}", "{amount} stands alone in its braces"),
            ("{}", "there is no {}"),
            ("{0}", "there is no {0}"),
            ("{team", "a brace is not closed"),
            ("team}", "a brace is not closed"),
        ],
    )
    def test_only_names_of_the_list(self, text: str, problem: str) -> None:
        assert problems(text, PLACEHOLDERS)[0].startswith(problem)

    def test_a_brace_that_means_itself_is_written_twice(self) -> None:
        assert problems("{{x}} {team}", PLACEHOLDERS) == []


class TestConfiguration:
    def read(self, workspace: Workspace, text: str) -> str:
        workspace.write("finops.toml", text)
        result = workspace.finops("analyze", "--sql", "SELECT 1")
        return result.err

    def test_all_problems_of_the_journal_are_told_with_their_lines(self, workspace: Workspace) -> None:
        said = self.read(
            workspace,
            '[chargeback]\ndate_format = "%H"  # { not a table\njournal = [\n'
            '  {column = "Date", value = "{month_end}"},\n  {column = "Team", value = "{tem}"}, {column = "X", vlue = "x"},\n'
            '  {column = "Debit", value = "{debit.real}"},\n]\n',
        )
        for part in (
            "line 2, chargeback.date_format: a date is made of %Y",
            "line 5, chargeback.journal.value (entry 2): there is no {tem}; did you mean 'team'?",
            "line 5, chargeback.journal.vlue (entry 3): unknown key; did you mean 'value'?",
            "line 6, chargeback.journal.value (entry 4): there is no {debit.real}; did you mean 'debit'?",
        ):
            assert part in said

    def test_columns_may_be_sections(self, workspace: Workspace) -> None:
        section = '[[chargeback.journal]]\ncolumn = "A"\nvalue = "{%s}"\n'
        assert "line 4, chargeback.journal.value (entry 2): there is no {amuont}" in self.read(
            workspace, section % "amount" + section % "amuont"
        )

    @pytest.mark.parametrize(
        ("columns", "problem"),
        [
            ('{column = "A", value = "{amount}"}, {column = "A", value = "{ledger_account}"}', "two columns are called 'A'"),
            ('{column = "A", value = "{debit} {ledger_account}"}', "no column of the journal has {amount}, or {debit} and {credit}"),
            ('{column = "A", value = "{amount}"}', "tells the lines of the clearing account from the others"),
        ],
    )  # fmt: skip
    def test_a_journal_that_cannot_be_booked_is_refused(self, workspace: Workspace, columns: str, problem: str) -> None:
        assert problem in self.read(workspace, f"[chargeback]\njournal = [{columns}]\n")


def test_the_analysis_says_who_pays_and_from_which_cost_centre(books: Books) -> None:
    books.con.execute("INSERT INTO mapping.teams (team, name, cost_center) VALUES ('vision', 'Vision', 'CC-1')")
    books.charge("2026-09-10T00", "10", "vision", billed="12", invoice="INV-9")
    books.charge("2026-09-11T00", "5", "vision", invoice="INV-9")
    books.charge("2026-09-11T00", "-0.5", None, invoice="INV-9", category="Credit", service="Credit")
    books.charge("2026-10-01T00", "99", "vision")
    statement = compute_statement(books.con, Catalogue(), MONTH, TODAY)
    assert [(each.key.team, each.team_name, each.cost_center, each.key.account, each.exact) for each in statement.lines] == [
        ("unallocated", "unallocated", "", "111", Decimal("-0.5")), ("vision", "Vision", "CC-1", "111", 17),
    ]  # fmt: skip
    assert [(each.id, each.amount) for each in statement.invoices] == [("INV-9", Decimal("16.50"))]


@pytest.fixture(scope="module")
def booked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's workspace, with Amazon's bills of three months."""
    folder = tmp_path_factory.mktemp("chargeback")
    shutil.copytree(REPO / "fixtures" / "workspace" / "mappings", folder / "mappings")
    (folder / "finops.toml").write_text('[company]\nname = "Test"\n')
    return folder


class TestCommand:
    @pytest.fixture
    def demo(self, booked: Path, capsys: pytest.CaptureFixture[str]) -> Workspace:
        workspace = Workspace(booked, capsys)
        if not (booked / "finops.duckdb").exists():
            for source in ("aws-cur2", "azure"):
                assert workspace.finops("load", "--source", source, FIXTURES / source).exit_code == 0
        return workspace

    def test_both_files_of_a_month_add_up_to_what_is_billed(self, demo: Workspace) -> None:
        result = demo.finops("--today", "2026-10-26", "allocate", "chargeback", "2026-09")
        assert result.exit_code == 0, result.err
        assert "USD 106,486.79" in result.out
        assert "2026-09 is not frozen" in result.err
        folder = demo.folder / "reports" / "chargeback-2026-09"
        assert sorted(path.name for path in folder.iterdir()) == [
            "chargeback-2026-09-journal.csv",
            "chargeback-2026-09.csv",
        ]
        lines = table((folder / "chargeback-2026-09.csv").read_text())
        billed = demo.query(
            "SELECT BillingCurrency, sum(BilledCost), round(sum(BilledCost), 2) FROM focus.cost_and_usage "
            "WHERE BillingPeriodStart = '2026-09-01' GROUP BY 1 ORDER BY 1"
        )
        assert [currency for currency, _, _ in billed] == ["EUR", "USD"]
        for currency, exactly, cents in billed:
            mine = [line for line in lines if line["currency"] == currency]
            assert exact_sum(Decimal(line["exact_amount"]) for line in mine) == exactly
            assert exact_sum(Decimal(line["amount"]) for line in mine) == cents
        assert all(
            exact_sum([Decimal(line["exact_amount"]), Decimal(line["rounding"])]) == Decimal(line["amount"])
            for line in lines
        )
        keys = [
            tuple(line[name] for name in ("month", "team", "cost_center", "account_id", "service", "currency"))
            for line in lines
        ]
        assert len(set(keys)) == len(keys)
        before = {path: path.read_bytes() for path in folder.iterdir()}
        assert demo.finops("--today", "2026-10-26", "allocate", "chargeback", "2026-09").exit_code == 0
        assert {path: path.read_bytes() for path in folder.iterdir()} == before

    def test_a_quarter_is_its_months(self, demo: Workspace, tmp_path: Path) -> None:
        result = demo.finops(
            "--today", "2026-10-26", "allocate", "chargeback", "2026-Q3", "--output", tmp_path, "--json"
        )
        assert [month["month"] for month in result.json()] == ["2026-08", "2026-09"]
        assert "no bill of 2026-07: it is not in the files" in result.err
        assert {path.name for path in tmp_path.iterdir()} == {
            Path(each).name for month in result.json() for each in month["files"]
        }
        assert all(bill["difference"] == 0 and bill["lines"] for month in result.json() for bill in month["bills"])

    def test_a_month_that_is_not_over_may_still_move(self, demo: Workspace, tmp_path: Path) -> None:
        result = demo.finops("--today", "2026-10-26", "allocate", "chargeback", "2026-10", "--output", tmp_path)
        assert "2026-10 is not over" in result.err

    def test_what_has_no_invoice_yet_and_what_could_not_be_read_is_said(self, demo: Workspace, tmp_path: Path) -> None:
        con = connect(demo.folder / "finops.duckdb")
        con.execute(
            "INSERT INTO ops.holes (source_id, billing_period, outcome, what) VALUES ('eu', '2026-10-01', 'denied', 'no access'), "
            "('labs', NULL, 'expired', 'the key is too old'), ('other', '2026-09-01', 'denied', 'of another month')"
        )
        con.close()
        result = demo.finops("--today", "2026-11-05", "allocate", "chargeback", "--output", tmp_path)
        con = connect(demo.folder / "finops.duckdb")
        con.execute("DELETE FROM ops.holes")
        con.close()
        assert result.exit_code == 0
        for said in ("Amazon Web Services, Inc. has not invoiced all", "eu: no access", "labs: the key is too old"):
            assert said in result.err
        assert "of another month" not in result.err

    def test_a_team_alone_is_called_a_part(self, demo: Workspace, tmp_path: Path) -> None:
        result = demo.finops(
            "allocate", "chargeback", "2026-09", "--only", "Search", "--output", tmp_path, "--format", "json"
        )
        assert "This is a part: search" in result.err
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "chargeback-2026-09-part-search-journal.csv", "chargeback-2026-09-part-search.json",
        ]  # fmt: skip
        unknown = demo.finops("allocate", "chargeback", "2026-09", "--only", "serch")
        assert unknown.exit_code == 2
        assert "there is no team 'serch'; did you mean 'search'?" in unknown.err

    @pytest.mark.parametrize(
        ("period", "said"),
        [("2026-W40", "is not made of whole months"), ("2031-01", "the ledger has no bill of January 2031")],
    )
    def test_periods_that_cannot_be_booked(self, demo: Workspace, period: str, said: str) -> None:
        result = demo.finops("allocate", "chargeback", period)
        assert (result.exit_code, said in result.err) == (2, True)

    def test_the_configuration_chooses_the_columns(self, demo: Workspace, tmp_path: Path) -> None:
        config = demo.folder / "finops.toml"
        plain = config.read_text()
        config.write_text(
            plain
            + '\n[chargeback]\ndelimiter = ";"\ndecimal_comma = true\nexpense_account = "6540"\nclearing_account = "1590"\n'
            'journal = [{column = "Konto", value = "{ledger_account}"}, {column = "Betrag", value = "{amount}"},\n'
            '  {column = "W", value = "{currency}"}]\n'
        )
        try:
            result = demo.finops("allocate", "chargeback", "2026-09", "--output", tmp_path)
        finally:
            config.write_text(plain)
        assert result.exit_code == 0, result.err
        journal = table((tmp_path / "chargeback-2026-09-journal.csv").read_text(), ";")
        assert {row["Konto"] for row in journal} == {"6540", "1590"}
        for currency in ("EUR", "USD"):
            assert sum(Decimal(row["Betrag"].replace(",", ".")) for row in journal if row["W"] == currency) == 0

    def test_a_target_that_cannot_be_written_leaves_nothing_behind(self, demo: Workspace, tmp_path: Path) -> None:
        (tmp_path / "chargeback-2026-09-journal.csv").mkdir()
        assert demo.finops("allocate", "chargeback", "2026-09", "--output", tmp_path).exit_code != 0
        assert not [path for path in tmp_path.iterdir() if "partial" in path.name]


BILL = """\
BillingAccountId,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,BilledCost,EffectiveCost,\
ListCost,ContractedCost,BillingCurrency,ServiceName,ServiceCategory,ProviderName,PublisherName,InvoiceIssuerName,InvoiceId,ResourceId,\
SubAccountId,SubAccountName,Tags
"""


def charge(cost: str, service: str, resource: str, team: str = "", category: str = "Usage") -> str:
    """A row of a FOCUS bill of October."""
    tags = f'"{{""team"": ""{team}""}}"' if team else ""
    return (
        f"999988887777,2026-10-01T00:00:00Z,2026-11-01T00:00:00Z,2026-10-05T00:00:00Z,2026-10-05T01:00:00Z,{category},{cost},{cost},"
        f"{cost},{cost},EUR,{service},Compute,AWS,AWS,Amazon Web Services EMEA SARL,EUINV26-4711,{resource},111122223333,prod,{tags}\n"
    )


def test_the_example_of_the_documentation(workspace: Workspace) -> None:
    """docs/chargeback.md shows a section of finops.toml, and the two files that it makes."""
    text = (REPO / "docs" / "chargeback.md").read_text()
    toml, lines, journal = re.findall(r"```(?:toml|csv)\n(.*?)```", text, re.DOTALL)
    workspace.write("finops.toml", toml)
    workspace.write("mappings/teams.csv", "team,name,cost_center\nsearch,Search,1100\nml-research,ML Research,1200\n")
    bill = workspace.write(
        "october.csv",
        BILL
        + charge("60.001", "Amazon EC2", "i-1", "search")
        + charge("40.002", "Amazon EC2", "i-2", "search")
        + charge("50.002", "Amazon SageMaker", "nb-1", "ml-research")
        + charge("-12.5", "AWS Credits", "nb-1", "ml-research", "Credit")
        + charge("7.3349", "AWS Data Transfer", "nat-1"),
    )
    assert workspace.finops("load", bill).exit_code == 0
    result = workspace.finops("--today", "2026-11-05", "allocate", "chargeback")
    assert result.exit_code == 0, result.err
    folder = workspace.folder / "reports" / "chargeback-2026-10"
    assert (folder / "chargeback-2026-10.csv").read_text() == lines
    assert (folder / "chargeback-2026-10-journal.csv").read_text() == journal
