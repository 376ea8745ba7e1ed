"""The weekly job on the bundled fixtures, as `make demo` runs it."""

from __future__ import annotations

import json
import re
import shutil
import time
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import FIXTURES, REPO, Made, Workspace


@pytest.fixture
def demo(workspace: Workspace) -> Workspace:
    for path in (REPO / "fixtures" / "workspace").iterdir():
        target = workspace.folder / path.name
        shutil.copytree(path, target) if path.is_dir() else shutil.copyfile(path, target)
    config = workspace.folder / "finops.toml"
    config.write_text(config.read_text().replace("../fixtures/deliveries", str(FIXTURES)))
    return workspace


@pytest.fixture
def done(demo: Workspace, made: Made) -> Workspace:
    """The demo's workspace after its weekly job."""
    made(demo, "demo", lambda: demo.finops("--today", "2026-10-26", "run"))
    return demo


def files_in(folder: Path) -> dict[Path, bytes]:
    """Of the report and of each team's in it."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_weekly_job(demo: Workspace) -> None:
    first = demo.finops("--today", "2026-10-26", "run")
    assert first.exit_code == 0, first.err
    page = Path(first.out.splitlines()[-1])
    assert page.name == "index.html"
    text = page.read_text()
    assert "Halcyon Robotics" in text
    assert "q7m3xk2v9pab" in text, "the cluster that somebody left running"
    manifest = json.loads((page.parent / "manifest.json").read_text())
    assert {total["currency"] for total in manifest["totals"]} == {"USD", "EUR"}

    # nothing new: seconds, and the same bytes
    before = files_in(page.parent)
    started = time.monotonic()
    again = demo.finops("--today", "2026-10-26", "run")
    assert again.exit_code == 0
    assert time.monotonic() - started < 20
    assert "0 new" in again.err
    assert files_in(page.parent) == before

    # a file that was changed by hand is written again
    (page.parent / "spend_by_team.csv").write_text("tampered")
    demo.finops("--today", "2026-10-26", "run")
    assert files_in(page.parent) == before

    # from the landing folder alone, the same numbers and the same report
    totals = "SELECT BillingCurrency, sum(BilledCost), sum(EffectiveCost), count(*) FROM focus.cost_and_usage GROUP BY 1 ORDER BY 1"
    teams = (
        "SELECT Team, BillingCurrency, sum(AllocatedEffectiveCost) FROM allocation.charges GROUP BY ALL ORDER BY ALL"
    )
    numbers = demo.query(totals), demo.query(teams)
    assert demo.finops("--today", "2026-10-26", "build", "--full").exit_code == 0
    assert (demo.query(totals), demo.query(teams)) == numbers


def test_explain_leads_from_a_resource_to_its_rule_and_its_files(done: Workspace) -> None:
    explained = json.loads(
        done.finops("--today", "2026-10-26", "explain", "q7m3xk2v9pab", "--json").out, parse_float=Decimal
    )
    assert explained["resource_id"].endswith(":cluster/q7m3xk2v9pab")
    assert explained["allocation"][0]["team"] == "ml-research"
    assert explained["allocation"][0]["rule"] in {rule["id"] for rule in explained["rules_tried"]}
    assert {finding["rule"] for finding in explained["findings"]} == {"hyperpod_cluster"}
    assert all(delivery["file"].endswith(".parquet") for delivery in explained["deliveries"])
    charged = sum(Decimal(str(row["effective_cost"])) for row in explained["charges"])
    allocated = sum(Decimal(str(row["effective_cost"])) for row in explained["allocation"])
    assert charged == allocated
    finding = done.query("SELECT finding_id FROM findings.findings WHERE rule_id = 'hyperpod_cluster'")[0][0]
    assert done.finops("explain", finding).out.startswith(explained["resource_id"])
    family = done.finops(
        "explain", "vision-defect"
    ).out  # as the list of findings shows it; it has no charges of its own
    assert family.startswith("family/")
    assert "on_demand_training: underused" in family
    assert "Charges by month" not in family
    assert "always_on_studio_app: idle" in done.finops("explain", "space-ds-07/JupyterLab").out
    unknown = done.finops("explain", "no-such-thing")
    assert unknown.exit_code == 2
    assert "nothing in the ledger is called" in unknown.err


def test_findings_can_be_filtered(done: Workspace) -> None:

    def found(*args: str) -> list[dict[str, object]]:
        return done.finops("findings", *args, "--format", "json").json()  # type: ignore[no-any-return]

    idle = found("--status", "idle")
    assert idle
    assert {each["status"] for each in idle} == {"idle"}
    assert all(Decimal(str(each["monthly_cost"])) >= 1000 for each in found("--min-cost", "1000"))
    assert {each["team"] for each in found("--team", "vision")} == {"vision"}
    for amount in ("much", "nan", "1e400"):
        wrong = done.finops("findings", "--min-cost", amount)
        assert (wrong.exit_code, wrong.err.splitlines()[0]) == (2, f"error: --min-cost '{amount}' is no amount")
    misspelt = done.finops("findings", "--rule", "idle_endpint")
    assert (misspelt.exit_code, "did you mean 'idle_endpoint'?" in misspelt.err) == (2, True)
    assert {each["rule_id"] for each in found("--rule", "unused_reservation")} == {"unused_reservation"}
    account = str(idle[0]["account_id"])
    assert {each["account_id"] for each in found("--account", account)} == {account}
    for option, wrong_name, right in (("--team", "visoin", "vision"), ("--account", account + "7", account)):
        nothing = done.finops("findings", option, wrong_name, "--format", "json")
        assert (nothing.exit_code, nothing.json()) == (0, [])
        assert f"there is no {option[2:]} '{wrong_name}'; did you mean '{right}'?" in nothing.err

    # since when, and the evidence; on the first run everything is new
    assert {each["state"] for each in idle} == {"new"}
    assert all(each["since"] and each["cost_since_opened"] == each["cost_in_window"] for each in idle)
    assert all(isinstance(each["evidence"], dict) for each in idle)
    assert found("--status", "resolved") == []
    assert len((done.folder / "findings" / "journal.jsonl").read_text().splitlines()) == len(found("--status", "new"))
    table = done.finops("findings", "--status", "idle", "--format", "table")
    assert max(map(len, table.out.splitlines())) <= 120
    for currency in ("USD", "EUR"):
        assert re.search(
            rf"^{currency}: \d+ idle or underused, [\d,.]+ a month; ending them saves [\d,.]+", table.err, re.M
        )


def test_every_table_of_the_report_is_what_its_command_answers(done: Workspace) -> None:
    """The page, the CSV beside it and ``finops analyze`` say the same: the company's and a team's."""
    folder = done.folder / "reports" / "weekly-2026-W43"
    for place in (folder, folder / "teams" / "ml-research"):
        page = (place / "index.html").read_text()
        commands = set(re.findall(r"<code>(finops analyze [^<]+)</code>", page))
        assert len(commands) > 10
        for command in commands:
            query, *options = command.removeprefix("finops analyze ").split()
            answer = done.finops("--today", "2026-10-26", "analyze", query, *options, "--format", "csv")
            assert answer.out.replace("\r\n", "\n") == (place / f"{query}.csv").read_text().replace("\r\n", "\n"), (
                command
            )


def test_a_team_that_there_is_not(done: Workspace) -> None:
    answer = done.finops("analyze", "spend_by_service", "--team", "vison")
    assert answer.exit_code == 2
    assert "there is no team 'vison'; did you mean 'vision'?" in answer.err
