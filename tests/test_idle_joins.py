"""How bills, inventory and activity find each other: names, accounts, regions, creation, statistics; and one verdict for each resource.

One ledger has all cases; each test looks at its own resources.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rules_kit import CATALOGUE, TODAY, new_ledger, write_mappings

from finops.pipeline.build import build
from finops.pipeline.example_ledger import add_utilisation, insert
from finops.rules.catalogue import Catalogue
from finops.rules.finding import find
from finops.warehouse.connection import Connection

Row = dict[str, Any]

ONE, TWO, PROJECT = "111111111111", "222222222222", "acme-ml"
BEGINNING = "2026-10-12"
"""The first day of a window of 14 days."""
ODD = "it's; echo $HOME #"
SECOND_OPINION = """/*
id: second_opinion
title: Endpoints that somebody else doubts
version: 1
owner: us
why: To have two verdicts on one resource.
misses: Everything.
recommended_action: Nothing.
reads: [findings.resource_day, findings.account_day]
*/
WITH second_opinion AS (
    SELECT provider, account_id, region, resource_id, resource_name, resource_type, workload_kind, 'underused' AS status,
        'medium' AS confidence, window_start, window_end, billed_hours, cost_in_window, monthly_cost,
        CAST(NULL AS DECIMAL(38, 18)) AS monthly_saving, currency, 'doubted' AS reason, evidence
    FROM findings.billed_in_window(['inference.endpoint'], $today, 14)
    WHERE resource_id LIKE '%/doubted-%'
)
SELECT * FROM second_opinion
"""


def arn(name: str, account: str = ONE, region: str = "us-east-1") -> str:
    return f"arn:aws:sagemaker:{region}:{account}:endpoint/{name}"


def google(path: str, project: str = PROJECT, service: str = "aiplatform") -> str:
    return f"//{service}.googleapis.com/projects/{project}/{path}"


def billed(resource_id: str, account: str = ONE, region: str = "us-east-1", **more: Any) -> Row:
    """An endpoint on the bill, all the time from before the window; by the day, for there are many."""
    return {
        "from": "2026-10-01", "until": "2026-10-26", "every": "day", "quantity": 24, "ConsumedUnit": "Hrs", "cost": "25.68",
        "ResourceId": resource_id, "SubAccountId": account, "RegionId": region, "x_UsageType": "Host:ml.m5.xlarge",
    } | more  # fmt: skip


def gpu(resource_id: str, **more: Any) -> Row:
    names = {
        "ServiceName": "Amazon Elastic Compute Cloud",
        "x_ServiceCode": "AmazonEC2",
        "x_UsageType": "BoxUsage:g5.12xlarge",
    }
    return billed(resource_id, **(names | more))


def gcp(resource_id: str, **more: Any) -> Row:
    names = dict.fromkeys(("HostProviderName", "ProviderName", "ServiceProviderName"), "Google Cloud")
    return billed(resource_id, PROJECT, "us-central1", x_UsageType=None, **(names | more))


def measured(resource_id: str, value: float, **more: Any) -> Row:
    """Requests on each day of the window."""
    return {
        "resource_id": resource_id, "metric": "Invocations", "statistic": "Sum", "from": BEGINNING, "until": "2026-10-26",
        "value": value, "samples": 24,
    } | more  # fmt: skip


def known(resource_id: str, kind: str, account: str = ONE, **more: Any) -> Row:
    return {
        "source_id": "test", "provider": "GCP" if account == PROJECT else "AWS", "account_id": account, "resource_id": resource_id,
        "resource_type": kind, "created_at": "2026-01-01",
    } | more  # fmt: skip


def read(region: str, outcome: str, source: str = "first") -> Row:
    return {"source_id": source, "provider": "AWS", "account_id": ONE, "region": region, "service": "cloudwatch",
            "covers": "metrics", "outcome": outcome}  # fmt: skip


VERTEX, MACHINE = "locations/us-central1/endpoints", "zones/us-central1-a/instances"
VERTEX_BILL = {
    "ServiceName": "Vertex AI",
    "x_ServiceCode": "C7E2-9256-1C43",
    "SkuMeter": "Online Prediction N1 Predefined Instance Core",
}
GCE_BILL = {
    "ServiceName": "Compute Engine",
    "x_ServiceCode": "6F81-5844-456A",
    "SkuMeter": "Nvidia L4 GPU running in Americas",
}
HOURS: Row = {"every": "hour", "quantity": 1, "cost": "1.07"}

CHARGES = [
    billed(arn("reborn"), **HOURS), billed(arn("reborn-daily")),
    gcp(google(f"{VERTEX}/7", "42"), **VERTEX_BILL), gcp(google(f"{MACHINE}/99", "42", "compute"), **GCE_BILL), gpu("i-0arn"),
    billed(arn("ranker-one-name")), billed(arn("twice")), billed(arn("twice", TWO), TWO), billed(arn("half-known")),
    billed(arn("half-known", TWO), TWO), billed(arn("like-its-model")), billed(arn("capitals")),
    billed(arn("same", ONE)), billed(arn("same", TWO), TWO),
    billed(arn("moved")), billed(arn("moved", region="eu-west-1"), region="eu-west-1"),
    billed(arn("denied-twice", region="sa-east-1"), region="sa-east-1"), billed(arn("denied-once", region="ap-south-1"), region="ap-south-1"),
    billed(arn("scoped-team"), Tags={"team": "search", "environment": "dev"}), billed(arn("scoped-dev"), Tags={"Env": "Dev"}),
    billed(arn("scoped-none")), billed(arn("scoped-over"), until="2026-10-16", Tags={"team": "search"}),
    billed(arn("doubted-idle")), billed(arn("doubted-busy")), billed(arn("excepted")), billed(arn("excepted-once")),
    *(billed(name) for name in ("bare-young", "bare-busy")), billed(arn("holder"), Tags={"team": "search"}),
    *(gcp(google(f"{VERTEX}/{n}", "42"), **VERTEX_BILL) for n in (8, 9)),
    *(billed(arn(name)) for name in ("by-variant", "by-name", "by-model-quiet")), gpu("i-devices"), gpu("i-mean"),
    billed(arn(ODD)), billed(arn("counted")), billed(arn("averages")), gpu("i-sums"), gpu("i-averages"),
    {"from": "2026-10-05", "cost": 10, "ResourceId": "shared-model", "Tags": {"team": "models"}},
]  # fmt: skip

REQUESTS = "aiplatform.googleapis.com/prediction/online/request_count"
UTILISATION = [
    # its dead namesake was busy, on the day of the creation too
    *(measured(arn(name), 500, until="2026-10-16") for name in ("reborn", "reborn-daily")),
    *(measured(arn(name), 0, **{"from": "2026-10-16"}) for name in ("reborn", "reborn-daily")),
    measured(google(f"{VERTEX}/7"), 5, metric=REQUESTS),
    measured(google(f"{MACHINE}/99", PROJECT, "compute"), 55, metric="agent.googleapis.com/gpu/utilization", statistic="Maximum"),
    measured(f"arn:aws:ec2:us-east-1:{ONE}:instance/i-0arn", 55, metric="DCGM_FI_DEV_GPU_UTIL", statistic="Maximum"),
    *(measured(name, 7) for name in ("ranker-one-name", "twice", "half-known", "like-its-model")),
    measured(arn("Capitals"), 7),
    measured(arn("same", ONE), 7), measured(arn("same", TWO), 0),
    measured(arn("moved"), 0), measured(arn("moved", region="eu-west-1"), 7),
    *(measured(arn(name), 0) for name in ("scoped-team", "scoped-dev", "scoped-none", "scoped-over", "doubted-idle")),
    measured(arn("doubted-busy"), 7), *(measured(arn(name), 0) for name in ("excepted", "excepted-once", ODD)),
    measured(arn("denied-twice", region="sa-east-1"), 0), measured(arn("denied-once", region="ap-south-1"), 0),
    measured(arn("counted"), 3, part="blue"), measured(arn("counted"), 1, part="green"),
    *(measured(arn("counted"), value, statistic=name, part="blue")
      for name, value in (("Average", 100), ("HourMaximum", 2), ("HourMinimum", 0), ("SampleCount", 50))),
    measured(arn("averages"), 0.5, statistic="Average"),
    # a part's id begins with its resource's; the whole's hardware alone would look as if nobody had called
    measured(arn("by-variant/variant/blue"), 9), measured("by-name/blue", 9), measured(arn("by-model-quiet") + "#blue", 0),
    *(measured(arn(f"by-{name}"), 0, metric="GPUUtilization", statistic="Maximum") for name in ("variant", "name", "model-quiet")),
    *(measured(f"i-devices/gpu/{part}", 80 if part else 0, metric="DCGM_FI_DEV_GPU_UTIL", statistic=None) for part in range(4)),
    measured("bare-young", 0), measured(arn("bare-busy"), 9), measured(arn("holder"), 0, metric="GPUUtilization", statistic="Maximum"),
    measured(arn("held").replace(":endpoint/", ":inference-component/"), 9),
    measured(google(f"{VERTEX}/8"), 9, metric=REQUESTS), measured(f"projects/{PROJECT}/{VERTEX}/9", 9, metric=REQUESTS),
    # outside SageMaker it is no sum over the four GPUs
    measured("i-mean", 16, metric="GPUUtilization", statistic=None),
    # a sum of percentages is none, and the least of a day proves nothing
    *(measured("i-sums", value, metric="nvidia_smi_utilization_gpu", statistic=name, part=f"{part}")
      for part in range(4) for name, value in (("Maximum", 2), ("Average", 1), ("p95", 2), ("Sum", 24), ("Minimum", 0))),
    *(measured("i-averages", 1, metric="nvidia_smi_utilization_gpu", statistic=name, part=f"{part}")
      for part in range(4) for name in ("Average", "Minimum", "Sum")),
    *({"resource_id": key, "metric": "requests_of_teams", "day": "2026-10-05", "statistic": name, "value": value, "unit": "Count"}
      for key, name, value in (("key-a", "Sum", 30), ("key-b", "Sum", 10), ("key-b", "HourMaximum", 10), ("key-b", "Average", 400))),
]  # fmt: skip

BORN = {"created_at": "2026-10-15 09:30:00"}
INVENTORY = [
    *(known(arn(name), "AWS::SageMaker::Endpoint", **BORN) for name in ("reborn", "reborn-daily")),
    known(google(f"{VERTEX}/7"), "aiplatform.googleapis.com/Endpoint", PROJECT, properties={"Aliases": [google(f"{VERTEX}/7", "42")]}),
    known(google(f"{MACHINE}/box", service="compute"), "compute.googleapis.com/Instance", PROJECT, resource_name="box",
          properties={"Aliases": [google(f"{MACHINE}/99", p, "compute") for p in ("42", PROJECT)]}),
    known(arn("ranker-one-name"), "AWS::SageMaker::Endpoint", resource_name="ranker-one-name"),
    *(known(arn("twice", account), "AWS::SageMaker::Endpoint", account, resource_name="twice") for account in (ONE, TWO)),
    known(arn("bare-young"), "endpoint", **BORN), known(arn("bare-busy"), "endpoint"), known(google(f"{VERTEX}/8"), "endpoint", PROJECT),
    known(arn("holder"), "endpoint"), known(arn("held").replace(":endpoint/", ":inference-component/"), "component",
                                            resource_name="held", properties={"EndpointName": "Holder", "CopyCount": 1}),
    # the other account's inventory was not read
    known(arn("half-known"), "AWS::SageMaker::Endpoint", resource_name="half-known"),
    known(arn("like-its-model"), "AWS::SageMaker::Endpoint", resource_name="like-its-model"),
    known(arn("like-its-model").replace(":endpoint/", ":model/"), "AWS::SageMaker::Model", resource_name="like-its-model"),
]  # fmt: skip
READS = [read("us-east-1", "complete"), read("eu-west-1", "complete"), read("sa-east-1", "denied"), read("ap-south-1", "denied"),
         read("sa-east-1", "failed", "second"), read("ap-south-1", "complete", "second")]  # fmt: skip

MAPPINGS = {
    "teams": [{"team": name} for name in ("search", "a", "b")],
    "keys": [{"key_id": f"key-{name}", "team": name} for name in "ab"],
    "pools": [{"pool": "models", "split": "by_usage", "basis": "requests_of_teams"}],
    "exceptions": [
        {
            "rule_id": "idle_endpoint",
            "resource_id": arn(name),
            "owner": "ml",
            "until": until,
            "reason": "a demo in November",
        }
        for name, until in (("excepted", "2026-11-30"), ("excepted-once", "2026-10-01"))
    ],
}


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """The ledger, built with one rule more than is shipped."""
    folder = tmp_path_factory.mktemp("joins")
    ledger = new_ledger(CHARGES)
    add_utilisation(ledger, UTILISATION)
    for table, rows in (("inventory.resources", INVENTORY), ("inventory.reads", READS)):
        for row in rows:
            insert(ledger, table, row)
    build(ledger, catalogue(folder), write_mappings(folder / "mappings", MAPPINGS), TODAY, lint=False)
    with ledger:
        yield ledger


def catalogue(folder: Path) -> Catalogue:
    own = folder / "queries" / "findings"
    own.mkdir(parents=True)
    (own / "second_opinion.sql").write_text(SECOND_OPINION)
    return Catalogue(own.parent)


def verdict(con: Connection, resource_id: str) -> Row:
    """What stands of a resource. There is one of it."""
    found = con.execute("FROM findings.findings WHERE resource_id = ?", [resource_id])
    names = [each[0] for each in found.description or ()]
    (row,) = found.fetchall()
    return dict(zip(names, row, strict=True))


def status(con: Connection, resource_id: str) -> str:
    return str(verdict(con, resource_id)["status"])


def requests(row: Row) -> Row:
    answer: Row = json.loads(row["evidence"])["activity"].get("requests", {})
    return answer


@pytest.mark.parametrize(("name", "cost"), [("reborn", 255 * Decimal("1.07")), ("reborn-daily", 11 * Decimal("25.68"))])
def test_a_namesake_leaves_neither_bills_nor_datapoints(con: Connection, name: str, cost: Decimal) -> None:
    """Born at 09:30: the hour from 9 is its own, and so is the day where a bill has days; measured is it from the next day on."""
    row = verdict(con, arn(name))
    assert (row["status"], row["cost_in_window"]) == ("unknown", cost)
    assert "younger than the window" in row["reason"] and "2026-10-15" in row["reason"]
    assert (requests(row)["total"], requests(row)["hours_measured"]) == (0, 240)


@pytest.mark.parametrize(
    "resource_id",
    [
        google(f"{VERTEX}/7", "42"),
        google(f"{MACHINE}/99", "42", "compute"),
        "i-0arn",
        arn("ranker-one-name"),
        arn("like-its-model"),
        arn("capitals"),
    ],
)
def test_what_is_measured_under_another_name_is_its_own(con: Connection, resource_id: str) -> None:
    assert status(con, resource_id) == "active"


@pytest.mark.parametrize("name", ["twice", "half-known"])
@pytest.mark.parametrize("account", [ONE, TWO])
def test_a_name_that_two_have_is_nobodys(con: Connection, name: str, account: str) -> None:
    row = verdict(con, arn(name, account))
    assert (row["status"], requests(row)) == ("unknown", {})


def test_one_name_in_two_accounts_and_in_two_regions(con: Connection) -> None:
    assert (status(con, arn("same", ONE)), status(con, arn("same", TWO))) == ("active", "idle")
    assert (status(con, arn("moved")), status(con, arn("moved", region="eu-west-1"))) == ("idle", "active")


def test_a_longer_id_is_a_part(con: Connection) -> None:
    assert [status(con, arn(f"by-{name}")) for name in ("variant", "name", "model-quiet")] == [
        "active",
        "active",
        "idle",
    ]
    assert verdict(con, arn("by-model-quiet"))["reason"].startswith("1 of 1 variants had no request")
    assert status(con, "i-devices") == "active"


def test_a_bill_may_have_names_and_numbers_of_projects(con: Connection) -> None:
    """The young one's bare name would hide when it was made."""
    young = verdict(con, "bare-young")
    assert young["status"] == "unknown" and "2026-10-15" in young["reason"]
    assert status(con, "bare-busy") == "active"
    assert [status(con, google(f"{VERTEX}/{n}", "42")) for n in (8, 9)] == ["active", "active"]


def test_a_component_tells_its_endpoint_however_its_type_is_spelled(con: Connection) -> None:
    assert status(con, arn("holder")) == "active"
    assert verdict(con, arn("held").replace(":endpoint/", ":inference-component/"))["team"] == "search"


def test_a_percentage_of_a_virtual_machine_is_not_divided(con: Connection) -> None:
    assert status(con, "i-mean") == "active" and "16 percent" in verdict(con, "i-mean")["reason"]


def test_a_problem_is_overcome_where_another_source_has_read_the_same(con: Connection) -> None:
    assert status(con, arn("denied-once", region="ap-south-1")) == "idle"
    row = verdict(con, arn("denied-twice", region="sa-east-1"))
    assert row["status"] == "unknown" and "cloudwatch denied; failed" in row["reason"]


def test_statistics_are_not_mixed_up(con: Connection) -> None:
    counted = verdict(con, arn("counted"))
    assert counted["status"] == "active" and counted["reason"].startswith("56 requests in 14 days")
    assert requests(counted)["total"] == 56
    averages = verdict(con, arn("averages"))
    assert averages["status"] == "active" and requests(averages)["total"] == 14, "an average above none is traffic"
    assert (status(con, "i-sums"), verdict(con, "i-sums")["confidence"]) == ("idle", "high")
    assert json.loads(verdict(con, "i-sums")["evidence"])["activity"]["gpu"]["most"] == 2
    assert status(con, "i-averages") == "unknown"


def test_usage_is_divided_by_what_was_added_up_and_by_nothing_else(con: Connection) -> None:
    shares = con.execute(
        "SELECT Team, CAST(sum(AllocatedBilledCost) AS DECIMAL(18, 2)) FROM allocation.charges "
        "WHERE ResourceId = 'shared-model' GROUP BY Team ORDER BY Team"
    ).fetchall()
    assert shares == [("a", Decimal("7.50")), ("b", Decimal("2.50"))]


def test_of_two_rules_the_graver_verdict_stands(con: Connection) -> None:
    idle, busy = verdict(con, arn("doubted-idle")), verdict(con, arn("doubted-busy"))
    assert (idle["rule_id"], idle["status"]) == ("idle_endpoint", "idle")
    assert (busy["rule_id"], busy["status"]) == ("second_opinion", "underused")
    others = [
        {each["rule_id"]: each["status"] for each in json.loads(row["evidence"])["other_rules"]} for row in (idle, busy)
    ]
    assert others[0]["second_opinion"] == "underused" and others[1]["idle_endpoint"] == "active"


def test_an_exception_holds_until_its_day(con: Connection) -> None:
    excepted, once = verdict(con, arn("excepted")), verdict(con, arn("excepted-once"))
    assert excepted["status"] == "excepted" and "a demo in November" in excepted["reason"]
    assert once["status"] == "idle"


def test_an_odd_name_is_one_word_of_a_command(con: Connection) -> None:
    lines = verdict(con, arn(ODD))["recommended_action"].splitlines()
    (change,) = [line.removeprefix("Change: ") for line in lines if line.startswith("Change: ")]
    said = subprocess.run(["bash", "-c", f"printf '%s\\n' {change}"], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["aws", "sagemaker", "delete-endpoint", "--endpoint-name", ODD, "--region", "us-east-1"]


def test_thresholds_of_teams_and_environments(con: Connection, tmp_path: Path) -> None:
    """A team's value goes before an environment's; where the rule says nothing with it, nothing is said. The last test: it finds anew."""
    base = find_windows(con)
    assert {base[arn(f"scoped-{name}")] for name in ("team", "dev", "none", "over")} == {datetime(2026, 10, 12)}
    params = {
        "idle_endpoint": {"team": {"search": {"window_days": 7}}, "environment": {"dev": {"window_days": 3}}},
    }
    find(con, CATALOGUE, params, TODAY)
    windows = find_windows(con)
    assert windows[arn("scoped-team")] == datetime(2026, 10, 19)
    assert windows[arn("scoped-dev")] == datetime(2026, 10, 23)
    assert windows[arn("scoped-none")] == datetime(2026, 10, 12)
    assert arn("scoped-over") not in windows


def find_windows(con: Connection) -> dict[str, datetime]:
    found = con.execute("SELECT resource_id, window_start FROM findings.findings WHERE resource_id LIKE '%/scoped-%'")
    return dict(found.fetchall())
