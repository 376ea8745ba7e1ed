"""Every bill of the open corpus against its truth file, to the last digit.

The corpus are bills that other projects published or that their generators wrote; it lies beside the repository and these
tests are skipped where it is not. A truth file was made by a separate reader (Python's csv and Decimal).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import pytest

from finops.pipeline.loading import Loader, LoadReport
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection, connect
from finops.warehouse.landing import Landing
from finops.warehouse.schema import migrate

CORPUS = Path(__file__).resolve().parent.parent.parent / "shared" / "corpus"
TRUTHS = sorted((CORPUS / "truth").glob("*.json"))
BILLS = [path for path in TRUTHS if "by_currency" in json.loads(path.read_text())]

pytestmark = pytest.mark.skipif(not TRUTHS, reason="the billing corpus is not beside this checkout")

Load = Callable[..., LoadReport]


@pytest.fixture
def con(tmp_path: Path) -> Iterator[Connection]:
    con = connect(tmp_path / "finops.duckdb", threads=2)
    migrate(con)
    yield con
    con.close()


@pytest.fixture
def load(con: Connection, tmp_path: Path) -> Load:
    loader = Loader(con, Landing(tmp_path / "landing"), Catalogue())
    return lambda *paths: loader.load_paths(list(paths))


def dataset(truth: dict[str, Any]) -> list[Path]:
    """The dataset's data files, and the manifests that were delivered with them."""
    files = [CORPUS / file["path"] for file in truth["files"]]
    folder = CORPUS.joinpath(*Path(truth["files"][0]["path"]).parts[:2])
    return [*files, *sorted(set(folder.rglob("*anifest*.json")) - set(files))]


# How a truth file names its groups, as SQL over the ledger. '∅' is a cell that is empty.
ACCOUNT = "coalesce(SubAccountId, '∅')"
BILLING_MONTH = "strftime(BillingPeriodStart, '%Y-%m')"
USAGE_MONTH = "strftime(ChargePeriodStart, '%Y-%m')"
SERVICE = {
    "AWS": "coalesce(x_ServiceCode, '∅')",
    "FOCUS": "ProviderName || ' / ' || ServiceName",
    "GCP": "coalesce(ServiceName, '∅')",
    "Azure": "coalesce(ServiceName, '∅')",
    "OCI": "coalesce(ServiceName, '∅')",
}
KIND = {"AWS": "coalesce(x_LineItemType, '(column absent)')", "FOCUS": "ChargeCategory", "GCP": "x_LineItemType"}


def groups(truth: dict[str, Any]) -> dict[str, str]:
    """The truth's groups that the ledger has too, each with the SQL of its key."""
    provider = truth["format"].split()[0]
    by = {
        "by_service": SERVICE[provider],
        "by_account": ACCOUNT,
        "by_usage_month": USAGE_MONTH,
        "by_charge_category_or_line_item_type": KIND.get(provider, ""),
    }
    if list(truth["by_billing_month"]) != ["∅"]:  # without a stated period the usage month is the period
        by["by_billing_month"] = BILLING_MONTH
        by["by_month_service"] = f"{BILLING_MONTH} || ' | ' || {SERVICE[provider]}"
    if len(truth["by_currency"]) > 1:
        by = {name: sql and f"BillingCurrency || ' | ' || {sql}" for name, sql in by.items()}
    by["by_currency"] = "coalesce(BillingCurrency, '(column absent)')"
    return {name: sql for name, sql in by.items() if sql and name in truth}


def totals(con: Connection, key: str) -> dict[str, tuple[int, Decimal, Decimal, Decimal]]:
    """Rows, delivered cost, effective cost and billed cost per key, rounded as the truth files are."""
    rows = con.execute(
        f"SELECT {key}, count(*), sum(x_DeliveredCost), sum(EffectiveCost), sum(BilledCost) "
        "FROM (SELECT c.*, d.ProviderName FROM focus.cost_and_usage AS c JOIN ledger.dimensions AS d USING (x_DimensionId)) "
        "GROUP BY ALL"
    ).fetchall()
    return {row[0]: (row[1], rounded(row[2]), rounded(row[3]), rounded(row[4])) for row in rows}


def rounded(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("1e-12"), ROUND_HALF_EVEN)


def stated(group: dict[str, Any]) -> dict[str, tuple[int, Decimal, Decimal]]:
    return {key: (each["rows"], Decimal(each["cost"]), Decimal(each["effective"])) for key, each in group.items()}


def tagged(truth: dict[str, Any]) -> dict[str, int]:
    """Rows per tag key, without the prefix that AWS puts before it."""
    keys = truth["tags"]["keys"]
    return {re.sub(r"^(resourceTags/user:|user_)", "", key): each["rows"] for key, each in keys.items()}


def billed(truth: dict[str, Any], currency: str) -> Decimal:
    """What BilledCost must add up to, by the rule of the format."""
    group = truth["by_currency"][currency]
    if truth["format"].startswith("GCP"):  # an invoice is after credits
        return Decimal(group["effective"])
    if "Amortized" in truth["format"]:  # committed usage was paid by the purchase of the commitment
        kinds = truth["by_charge_category_or_line_item_type"]
        covered = [kinds[kind]["cost"] for kind in kinds if kind.endswith(("/Reservation", "/SavingsPlan"))]
        return Decimal(group["cost"]) - sum(map(Decimal, covered))
    return Decimal(group["cost"])


@pytest.mark.parametrize("path", BILLS, ids=lambda path: path.stem)
def test_a_bill_equals_its_truth(path: Path, load: Load, con: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    truth = json.loads(path.read_text())
    tolerance = Decimal(0)
    if truth["name"].startswith("cur2-derived"):
        # this truth was summed from binary doubles cast straight to DECIMAL(38,18): 9.2 counted as 9.199999999999999289, so
        # its twelfth decimal is noise. Its twin, the same bill as CSV, has the exact numbers: we must equal those to the
        # last digit, and these to a billionth.
        twin = json.loads((CORPUS / "truth" / "cur-nise-ml-2026.json").read_text())
        twin["format"], twin["files"], twin["name"] = (
            truth["format"],
            truth["files"],
            truth["name"] + " (its CSV twin's truth)",
        )
        check(twin, load, con, capsys, Decimal(0))
        tolerance = Decimal("1e-9")
    check(truth, load, con, capsys, tolerance)


def check(
    truth: dict[str, Any], load: Load, con: Connection, capsys: pytest.CaptureFixture[str], tolerance: Decimal
) -> None:
    report = load(*dataset(truth))
    assert not report.problems
    compared = 0
    for name, key in groups(truth).items():
        found, expected = totals(con, key), stated(truth[name])
        assert found.keys() == expected.keys(), name
        for value, (rows, cost, effective) in expected.items():
            assert found[value][0] == rows, (name, value)
            assert abs(found[value][1] - cost) <= tolerance, (name, value, "cost")
            assert abs(found[value][2] - effective) <= tolerance, (name, value, "effective")
            compared += 1
    for key, rows in tagged(truth).items():
        found_rows = con.execute(
            "SELECT count(*) FROM focus.cost_and_usage WHERE map_contains(Tags, ?)", [key]
        ).fetchone()
        assert found_rows == (rows,), ("tag", key)
    for currency, (_, _, _, found_billed) in totals(con, "coalesce(BillingCurrency, '(column absent)')").items():
        assert abs(found_billed - billed(truth, currency)) <= tolerance, (currency, "billed")
    money = ", ".join(
        f"{currency} {each['cost']} -> {each['effective']}" for currency, each in truth["by_currency"].items()
    )
    with capsys.disabled():
        print(f"\n  {truth['name']}: {truth['rows']:,} rows, {compared} totals equal; {money}", end="")


def test_what_is_no_bill_is_refused_with_a_reason(load: Load) -> None:
    folder = CORPUS / "aws_api" / "aws_cli_examples"
    nothing = [
        *sorted(folder.glob("*.json")),
        CORPUS / "azure" / "opencost_billingexports" / "headersets" / "BOM.csv",  # a header and a row without a cost
        *sorted((CORPUS / "llm" / "openai_openapi").glob("result_*.json")),
    ]
    for path in nothing:
        report = load(path)
        assert not report.results, path.name
        assert [problem.exit_code for problem in report.problems] == [4], path.name
        assert path.name in str(report.problems[0]) and report.problems[0].next_step


def test_a_file_with_a_header_only_is_empty_and_no_error(load: Load) -> None:
    report = load(CORPUS / "azure" / "finops_toolkit_ea" / "EA_NoRows.csv")
    assert not report.problems
    assert [result.status for result in report.results] == ["empty"]
