"""How spend found its team, who can tag what has no tag, near misses with the line that mends them, and shared cost."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rules_kit import ALLOCATION, CATALOGUE

from finops.periods import parse_period
from finops.pipeline.build import build
from finops.pipeline.example_ledger import TODAY, insert, new_ledger, write_mappings
from finops.reports.analyses import run_analysis
from finops.reports.compute import compute_report
from finops.warehouse.connection import Connection

TEAMS = [{"team": "search", "owner": "search-leads"}, {"team": "ml-research", "owner": "ml-leads"}, {"team": "vision"}]
QUARTER = {"period": "2026-Q4"}


class Company:
    """A ledger, the mapping files beside it, and what is asked of them."""

    def __init__(
        self, folder: Path, charges: Sequence[Mapping[str, Any]], **mappings: Sequence[Mapping[str, Any]]
    ) -> None:
        self.con: Connection = new_ledger(charges)
        files = {"teams": TEAMS, **mappings}
        self.folder = write_mappings(folder / "mappings", {name: rows for name, rows in files.items() if rows})
        self.build()

    def build(self) -> None:
        build(self.con, ALLOCATION, self.folder, TODAY)

    def rows(self, query_id: str, **arguments: str) -> list[dict[str, Any]]:
        return run_analysis(self.con, CATALOGUE.get(query_id, "analyses"), arguments or QUARTER, TODAY).records()

    def shares(self) -> dict[str, Decimal]:
        """Effective cost by team."""
        return dict(
            self.con.execute("SELECT Team, sum(AllocatedEffectiveCost) FROM allocation.charges GROUP BY 1").fetchall()
        )

    def add_alias(self, line: str) -> None:
        """As a person would: the line, pasted at the end of the file."""
        path = self.folder / "tag_aliases.csv"
        before = path.read_text() if path.is_file() else "kind,alias,canonical\n"
        path.write_text(before + line + "\n")
        self.build()


def charge(cost: str, *, on: str = "2026-10-20", **columns: Any) -> dict[str, Any]:
    return {"from": on, "cost": cost, **columns}


MIXED = [
    charge("60", Tags={"team": "search"}, ResourceId="i-1"),
    charge("30", Tags={"team": "shared"}, ResourceId="eks", effective="33.333333333333333333"),
    charge("5", SubAccountId="map", ServiceName="Amazon S3"),
    charge("0.000000000001", SubAccountId="own", ResourceId="b-1"),
    charge("-7.5", SubAccountId="own", ResourceId="b-2", ChargeCategory="Credit"),
    charge("100", on="2026-09-15", Tags={"team": "vision"}),
    charge("300", on="2026-09-16", SubAccountId="own"),
    charge("8", BillingCurrency="EUR", Tags={"team": "shared"}),
    charge("2", BillingCurrency="EUR", Tags={"team": "vision"}),
    charge("4", BillingCurrency=None, SubAccountId="own"),
    charge("1", BillingCurrency=None, Tags={"team": "shared"}),
]
"""Two currencies and none, credits, a pool with a charge that three teams cannot divide evenly."""


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """Tests only read it."""
    made = Company(
        tmp_path_factory.mktemp("company"), MIXED,
        accounts=[{"account_id": "map", "team": "ml-research"}],
        pools=[{"pool": "shared", "name": "Shared cluster", "split": "even"}],
    )  # fmt: skip
    yield made
    made.con.close()


def in_ledger(con: Connection, since: str, until: str) -> dict[str, Decimal]:
    """Effective cost by currency, from the ledger's own tables."""
    return dict(con.execute(
        "SELECT coalesce(d.BillingCurrency, ''), sum(c.BilledCost + c.EffectiveCostDelta) FROM ledger.charge AS c "
        "JOIN ledger.dimension AS d USING (dimension_id) WHERE c.ChargePeriodStart >= ? AND c.ChargePeriodStart < ? GROUP BY 1",
        [date.fromisoformat(since), date.fromisoformat(until)],
    ).fetchall())  # fmt: skip


def summed(rows: Sequence[Mapping[str, Any]], *columns: str) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[row["BillingCurrency"]] += sum(row[column] for column in columns)
    return dict(sums)


class TestSums:
    @pytest.mark.parametrize("query_id", ["allocation_coverage", "spend_by_team", "spend_by_service", "top_resources"])
    def test_of_a_period(self, company: Company, query_id: str) -> None:
        assert summed(company.rows(query_id), "EffectiveCost") == in_ledger(company.con, "2026-10-01", "2027-01-01")

    @pytest.mark.parametrize("query_id", ["coverage_by_month", "coverage_by_team", "coverage_by_week"])
    def test_of_a_series(self, company: Company, query_id: str) -> None:
        rows = company.rows(query_id, period="2026-10")
        assert summed(rows, "EffectiveCost") == in_ledger(company.con, "2026-09-01", "2026-11-01")

    def test_of_a_team_by_method(self, company: Company) -> None:
        rows = company.rows("coverage_by_team")
        parts = ("DirectCost", "InheritedCost", "MappedCost", "SplitCost", "OtherCost")
        assert all(sum(row[part] for part in parts) == row["EffectiveCost"] for row in rows)

    def test_of_what_has_no_tag(self, company: Company) -> None:
        rows = company.rows("untagged_by_owner")
        tagged = {"USD": Decimal("93.333333333333333333"), "EUR": Decimal(10), "": Decimal(1)}
        whole = in_ledger(company.con, "2026-10-01", "2027-01-01")
        left = {
            currency: whole[currency] - tagged[currency] for currency in whole if whole[currency] != tagged[currency]
        }
        assert summed(rows, "UntaggedCost") == left
        assert summed(rows, "UnallocatedCost", "InheritedCost", "MappedCost", "SharedCost") == left

    def test_of_pools(self, company: Company) -> None:
        assert summed(company.rows("shared_costs"), "EffectiveCost") == {
            "USD": Decimal("33.333333333333333333"), "EUR": Decimal(8), "": Decimal(1),
        }  # fmt: skip


class TestCoverage:
    def test_each_method_has_its_part_and_the_change_on_the_month_before(self, company: Company) -> None:
        rows = {(row["Month"].month, row["AllocationMethod"]): row for row in company.rows("coverage_by_month", period="2026-10")
                if row["BillingCurrency"] == "USD"}  # fmt: skip
        assert {key: row["SharePercent"] for key, row in rows.items() if key[0] == 9} == {
            (9, "direct"): 25, (9, "unallocated"): 75,
        }  # fmt: skip
        direct, split = rows[10, "direct"], rows[10, "split"]
        assert (direct["SharePercent"], direct["PreviousSharePercent"], direct["ShareChangePoints"]) == (66.1, 25, 41.1)
        assert (split["PreviousEffectiveCost"], split["PreviousSharePercent"]) == (0, 0), (
            "the month was there, the pool not"
        )
        assert rows[9, "direct"]["PreviousEffectiveCost"] is None, "August is not in the ledger"

    def test_a_shared_row_is_counted_once(self, company: Company) -> None:
        rows = company.rows("allocation_coverage")
        assert sum(row["ChargeCount"] for row in rows if row["BillingCurrency"] == "USD") == 5

    def test_a_team_that_is_given_shares_has_not_tagged_them(self, company: Company) -> None:
        search = next(
            row
            for row in company.rows("coverage_by_team")
            if row["Team"] == "search" and row["BillingCurrency"] == "USD"
        )
        assert (search["DirectCost"], search["DirectPercent"]) == (60, 84.4)

    def test_shares_say_which_pool_and_which_rule(self, company: Company) -> None:
        rows = [row for row in company.rows("shared_costs") if row["BillingCurrency"] == "USD"]
        assert {(row["Pool"], row["PoolName"], row["RuleId"]) for row in rows} == {("shared", "Shared cluster", "even")}
        assert sum(row["Weight"] for row in rows) == 1
        assert {row["Team"] for row in rows} == {"search", "ml-research", "vision"}

    def test_tokens_that_are_shared_are_counted_once(self, tmp_path: Path) -> None:
        tokens = charge("9", quantity="7", ConsumedUnit="1K tokens", x_UsageType="Nova-input-tokens", ServiceName="Amazon Bedrock",
                        x_ServiceCode="AmazonBedrock", Tags={"team": "shared"})  # fmt: skip
        shared = Company(tmp_path, [tokens], pools=[{"pool": "shared", "split": "even"}])
        (row,) = shared.rows("token_spend")
        assert (row["Tokens"], row["EffectiveCost"], row["TeamCount"]) == (7000, 9, 3)


class TestOwners:
    def test_by_mapping_tag_folder_and_nobody(self, tmp_path: Path) -> None:
        accounts = ("mapped", "tagged", "labelled", "filed", "lost", "root")
        charges = [
            charge(str(number), SubAccountId=name, ResourceId=f"r-{name}") for number, name in enumerate(accounts, 1)
        ]
        charges[2]["x_ProjectTags"] = {"Contact": "vera"}
        company = Company(tmp_path, charges, accounts=[{"account_id": "mapped", "team": "search"}])
        for name, tags, path in (("mapped", {"owner": "not asked"}, None), ("tagged", {"Owner": "tim "}, "Root/Lab"),
                                 ("filed", None, "Root/Lab"), ("root", None, "Root")):  # fmt: skip
            properties = {"UnitPath": path} if path else None
            insert(company.con, "inventory.resources", {"account_id": name, "resource_id": name, "resource_type": "account",
                                                        "tags": tags, "properties": properties})  # fmt: skip
        rows = {row["Owner"]: row for row in company.rows("untagged_by_owner")}
        assert {owner: (row["UnallocatedCost"], row["MappedCost"]) for owner, row in rows.items()} == {
            "search-leads": (0, 1), "tim": (2, 0), "vera": (3, 0), "folder Root/Lab": (4, 0), "nobody known": (11, 0),
        }  # fmt: skip
        assert (rows["nobody known"]["AccountCount"], rows["nobody known"]["TopAccount"]) == (2, "root")
        assert rows["tim"]["OwnerSource"] == "tag Owner of the account"

    def test_the_bill_may_hand_on_the_accounts_tags(self, tmp_path: Path) -> None:
        tags = {"accountTag/owner": "tina", "owner": "the resource's, not the account's"}
        company = Company(tmp_path, [charge("1", SubAccountId="a", Tags=tags)])
        assert [(row["Owner"], row["OwnerSource"]) for row in company.rows("untagged_by_owner")] == [
            ("tina", "tag owner of the account"),
        ]  # fmt: skip

    def test_an_account_that_changed_hands_is_its_last_owners(self, tmp_path: Path) -> None:
        lines = [{"account_id": "a", "team": "search", "valid_until": "2026-10-01"},
                 {"account_id": "a", "team": "ml-research", "valid_from": "2026-10-01"}]  # fmt: skip
        company = Company(tmp_path, [charge("1", SubAccountId="a")], accounts=lines)
        assert [row["Owner"] for row in company.rows("untagged_by_owner")] == ["ml-leads"]


def line_of(company: Company, tag: str) -> str | None:
    """The line that is suggested for a tag, once however many currencies there are."""
    lines = {row["AliasLine"] for row in company.rows("near_miss_tags") if row["Tag"] == tag}
    assert len(lines) <= 1
    return lines.pop() if lines else None


class TestNearMisses:
    @pytest.mark.parametrize(
        ("tags", "line"),
        [
            ({"team": "ml-reserch"}, "value,ml-reserch,ml-research"),
            ({"team": "ML Research"}, "value,ML Research,ml-research"),
            ({"Team ": " searhc"}, "value,searhc,search"),
            ({"team": "the search team"}, "value,the search team,search"),
            ({"team": 'sea"rch,'}, 'value,"sea""rch,",search'),
            ({"tema": "search"}, "key,tema,team"),
            ({"Teams": "ml-research"}, "key,Teams,team"),
            ({"owner_teem": "vision"}, "key,owner_teem,team"),
            ({"acme:team": "vision"}, "key,acme:team,team"),
            ({'"team"': "vision"}, 'key,"""team""",team'),
        ],
    )
    def test_the_line_mends_it(self, tmp_path: Path, tags: dict[str, str], line: str) -> None:
        """Suggested, pasted, built: the money is with the team, and nothing is suggested any more."""
        charges = [
            charge("7.25", Tags=tags, ResourceId="i-1"),
            charge("2", Tags=tags, ResourceId="i-2", SubAccountId="mapped"),
        ]
        company = Company(tmp_path, [*charges, charge("1", Tags={"team": "search"})],
                          accounts=[{"account_id": "mapped", "team": "vision"}])  # fmt: skip
        (row,) = company.rows("near_miss_tags")
        assert row["AliasLine"] == line
        assert (row["UnallocatedCost"], row["OtherwiseCost"], row["ResourceCount"]) == (Decimal("7.25"), 2, 2)
        before = company.shares()
        company.add_alias(line)
        team = next(iter(csv.reader([line])))[2]
        team = next(iter(tags.values())) if team == "team" else team
        after = company.shares()
        assert "unallocated" not in after
        moved = row["UnallocatedCost"] + (row["OtherwiseCost"] if team != "vision" else 0)
        assert after[team] - before.get(team, Decimal(0)) == moved
        assert company.rows("near_miss_tags") == []

    @pytest.mark.parametrize(
        "tags",
        [
            {"team": "platform"}, {"team": "research"}, {"team": "vi"}, {"team": "Search "}, {"TEAM": "vision"}, {"team": " "},
            {"env": "search-1"}, {"app": "search"}, {"term": "autumn"}, {"team-lead": "anna"}, {"costCategory/teams": "search"},
        ],
        ids=str,
    )  # fmt: skip
    def test_what_is_none_is_left_alone(self, tmp_path: Path, tags: dict[str, str]) -> None:
        """Other words, spellings that are folded anyway, and keys whose values are no teams."""
        assert Company(tmp_path, [charge("1", Tags=tags)]).rows("near_miss_tags") == []

    def test_a_key_of_another_name_whose_values_are_teams_is_one(self, tmp_path: Path) -> None:
        values = ("search", "vision", "ml-research", "someone else")
        company = Company(tmp_path, [charge("1", Tags={"department": value}) for value in values])
        (row,) = company.rows("near_miss_tags")
        assert (row["AliasLine"], row["Why"]) == ("key,department,team", "3 of its 4 values are teams")
        assert row["AffectedCost"] == 3, "the fourth would not move"

    def test_numbers_are_no_spelling_mistakes_and_two_teams_as_near_are_no_suggestion(self, tmp_path: Path) -> None:
        squads = [{"team": "squad-1"}, {"team": "payments-eu"}, {"team": "payment-us"}]
        charges = [charge("1", Tags={"team": value}) for value in ("squad-2", "payments-us", "payments-xu")]
        company = Company(tmp_path, charges, teams=squads)
        assert {row["Tag"]: row["AliasLine"] for row in company.rows("near_miss_tags")} == {
            "payments-us": "value,payments-us,payment-us",
        }  # fmt: skip
        company = Company(
            tmp_path, [charge("1", Tags={"team": "marketinx"})], teams=[{"team": "marketinga"}, {"team": "marketingb"}]
        )
        (row,) = company.rows("near_miss_tags")
        assert (row["Suggestion"], row["AliasLine"], row["Why"]) == (
            None,
            None,
            "as near to marketinga as to marketingb",
        )

    def test_what_a_right_tag_has_decided_is_not_in_it(self, tmp_path: Path) -> None:
        both = charge("5", Tags={"team": "search", "tema": "vision"})
        pooled = charge("6", Tags={"team": "shared", "squad": "visionn"})
        company = Company(tmp_path, [both, pooled, charge("3", Tags={"tema": "vision"})],
                          pools=[{"pool": "shared", "split": "even"}])  # fmt: skip
        assert {row["Tag"]: row["AffectedCost"] for row in company.rows("near_miss_tags")} == {"tema": 3}

    def test_a_projects_label_is_looked_at_too(self, tmp_path: Path) -> None:
        company = Company(tmp_path, [charge("5", SubAccountId="p", x_ProjectTags={"team": "visoin"})])
        assert line_of(company, "visoin") == "value,visoin,vision"
        company.add_alias("value,visoin,vision")
        assert company.shares() == {"vision": 5}

    def test_currencies_are_rows_of_their_own(self, tmp_path: Path) -> None:
        charges = [charge("5", Tags={"tema": "vision"}, BillingCurrency=currency) for currency in ("USD", "EUR", None)]
        company = Company(tmp_path, [*charges, charge("-2", Tags={"tema": "vision"})])
        assert {row["BillingCurrency"]: row["AffectedCost"] for row in company.rows("near_miss_tags")} == {
            "USD": 3, "EUR": 5, "": 5,
        }  # fmt: skip

    def test_without_a_list_of_teams_a_key_is_known_by_the_values_of_the_right_one(self, tmp_path: Path) -> None:
        charges = [
            charge("1", Tags={"team": "search"}),
            charge("2", Tags={"tema": "search"}),
            charge("4", Tags={"term": "autumn"}),
        ]
        company = Company(tmp_path, charges, teams=[])
        assert [row["AliasLine"] for row in company.rows("near_miss_tags")] == ["key,tema,team"]
        company.add_alias("key,tema,team")
        assert company.shares()["search"] == 3


class TestReport:
    def test_it_shows_coverage_by_week_by_month_and_by_team(self, company: Company) -> None:
        report = compute_report(company.con, CATALOGUE, parse_period("2026-W43", TODAY), TODAY)
        dollars = next(each for each in report.coverages if each.currency == "USD")
        last = dollars.weeks.bars[-1]
        assert [segment.text.replace("\N{NO-BREAK SPACE}", " ") for segment in last.segments] == [
            "direct, week 43 (19 Oct), 1 days only: 66.1 %",
            "mapped, week 43 (19 Oct), 1 days only: 5.5 %",
            "split, week 43 (19 Oct), 1 days only: 36.7 %",
            "unallocated, week 43 (19 Oct), 1 days only: \N{MINUS SIGN}8.3 %",
        ]
        assert [row.cells[0].text for row in dollars.months.rows] == ["Oct 2026", "Sep 2026"]
        assert dollars.months.rows[0].cells[2].note == "+41.1 points"
        assert dollars.months.rows[0].cells[0].note == "1 of 31 days"
        assert [row.cells[0].text for row in dollars.teams.rows] == ["search", "ml-research", "vision"]
        assert {each.currency for each in report.coverages} == {"USD", "EUR", ""}

    def test_amounts_of_nearly_nothing_do_not_break_the_chart(self, tmp_path: Path) -> None:
        company = Company(tmp_path, [charge("1000000000000", Tags={"team": "search"}),
                                     charge("-999999999999.999999999999999999", SubAccountId="x")])  # fmt: skip
        report = compute_report(company.con, CATALOGUE, parse_period("2026-W43", TODAY), TODAY)
        assert [bar.segments for bar in report.coverages[0].weeks.bars] == [()] * 13

    def test_shared_cost_and_near_misses_have_sections(self, tmp_path: Path) -> None:
        company = Company(tmp_path, [charge("5", Tags={"tema": "vision"})])
        report = compute_report(company.con, CATALOGUE, parse_period("2026-W43", TODAY), TODAY)
        assert not report.sections["shared"].tables
        (table,) = report.sections["near_misses"].tables
        assert [cell.text for cell in table.rows[0].cells][:2] == ["tema", "key,tema,team"]
        assert report.sections["owners"].tables[0].rows[0].cells[0].text == "nobody known"
