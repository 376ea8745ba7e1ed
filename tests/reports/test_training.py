"""What training cost, by job, experiment, outcome and family: every cent once, whatever runs say about it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from finops.reports.analyses import run_analysis
from finops.rules.catalogue import Catalogue
from reports.conftest import TODAY, Books

CATALOGUE = Catalogue()
JOB = "arn:aws:sagemaker:us-east-1:111122223333:training-job/"
VERTEX = "//aiplatform.googleapis.com/projects/{}/locations/us-central1/customJobs/77"
QUERIES = ("cost_per_training_run", "cost_per_experiment", "training_waste", "training_families")


def rows(books: Books, query: str, **arguments: str) -> list[dict[str, Any]]:
    return run_analysis(books.con, CATALOGUE.get(query), {"period": "2026-10", **arguments}, TODAY).records()


def job(
    books: Books, name: str, cost: str, *, day: str = "2026-10-20", hours: str = "0", unit: str = "Hrs", **about: Any
) -> None:
    """A job's charge."""
    resource = about.pop("resource", JOB + name)
    books.charge(f"{day}T08", cost, resource=resource, **{"kind": "training", **about})
    number = books.dimensions
    books.con.execute("UPDATE ledger.dimension SET ConsumedUnit = ? WHERE dimension_id = ?", [unit, number])
    books.con.execute("UPDATE ledger.charge SET ConsumedQuantity = ? WHERE dimension_id = ?", [Decimal(hours), number])


def known(
    books: Books,
    resource_id: str,
    kind: str,
    state: str,
    name: str | None = None,
    began: str = "2026-10-20",
    **properties: Any,
) -> None:
    """What an inventory says of it."""
    books.con.execute(
        "INSERT INTO inventory.resources (source_id, provider, account_id, resource_id, resource_name, resource_type, state, "
        "created_at, properties, seen_at) VALUES ('s', 'p', 'tracking', ?, ?, ?, ?, ?, ?, TIMESTAMP '2026-10-25')",
        [resource_id, name, kind, state, began, json.dumps(properties)],
    )


def run(books: Books, run_id: str, state: str = "FINISHED", jobs: list[str] | None = None, experiment: str = "1",
        parent: str | None = None, began: str = "2026-10-20") -> None:  # fmt: skip
    """A run of MLflow, as queries/normalise/mlflow_runs.sql has it."""
    about = {
        "ExperimentId": experiment,
        "ExperimentName": {"1": "churn", "2": "vision"}[experiment],
        "RunName": f"run {run_id}",
    }
    known(books, f"mlflow://tracking/{experiment}/{run_id}", "mlflow.Run", state, began=began,
          **about, **({"ParentRunId": parent} if parent else {}), Jobs=jobs or [])  # fmt: skip


@pytest.fixture
def fleet(books: Books) -> Books:
    """Jobs of every kind, and the runs that name them."""
    job(books, "churn-2026-10-20-001", "10.000000000000000001", hours="4")
    job(books, "churn-2026-10-20-001", "0.5", kind="storage.training", hours="30", unit="GB-Mo")
    job(books, "churn-2026-10-20-001", "-1", category="Credit", kind=None)
    job(books, "churn-2026-10-21-002", "7", hours="2.5", kind="training.spot")
    job(books, "churn-2026-10-22-003", "3", hours="5400", unit="Seconds")
    job(books, "segment-a1b2c3d4", "20", hours="8")
    job(books, "lonely", "5", hours="2")
    job(books, "in euros", "9", currency="EUR", hours="3")
    job(books, "", "1.25", resource=None)
    job(books, "", "40", resource=VERTEX.format("123456789"), hours="16")
    books.charge("2026-10-20T08", "1000", resource="i-0aaaaaaaaaaaaaaa1", kind="gpu.ec2")
    job(books, "churn-2026-09-01-000", "99", day="2026-09-01", hours="9")
    job(books, "churn-2026-09-01-000", "-0.25", category="Credit", kind=None)  # comes a month later
    for name, state, more in (
        ("churn-2026-10-20-001", "Completed", {"Family": "churn"}),
        ("churn-2026-10-21-002", "Failed", {"Family": "churn", "FailureReason": "out of memory"}),
        ("churn-2026-10-22-003", "Stopped", {"Family": "churn"}),
        ("segment-a1b2c3d4", "InProgress", {}),
    ):
        known(books, JOB + name, "AWS::SageMaker::TrainingJob", state, name, **more)
    known(books, VERTEX.format("acme-ml"), "aiplatform.googleapis.com/CustomJob", "JOB_STATE_SUCCEEDED", "recsys-20261020",
          Family="recsys", Aliases=[VERTEX.format("123456789")])  # fmt: skip
    run(books, "a", jobs=[JOB + "churn-2026-10-20-001", JOB + "churn-2026-10-21-002"])  # tried again
    run(books, "b", jobs=["churn-2026-10-20-001"], parent="a")  # nested, in the same job
    run(books, "c", jobs=["segment-a1b2c3d4"], experiment="2", state="RUNNING")
    run(books, "d", jobs=[VERTEX.format("acme-ml")], experiment="2")
    run(books, "e", jobs=[JOB + "in euros"], state="KILLED")
    run(books, "f")  # on a laptop
    run(books, "g", jobs=[JOB + "gone"], state="FAILED")
    run(books, "h", parent="f")
    run(books, "i", jobs=[JOB + "churn-2026-09-01-000"], began="2026-09-01")
    return books


TRAINING = {"USD": Decimal("85.500000000000000001"), "EUR": Decimal(9)}


@pytest.mark.parametrize("query", QUERIES)
def test_it_adds_up_to_all_that_was_billed_for_training(query: str, fleet: Books) -> None:
    found = [row for row in rows(fleet, query) if row["BillingCurrency"]]
    sums = {
        currency: sum(row["EffectiveCost"] for row in found if row["BillingCurrency"] == currency)
        for currency in TRAINING
    }
    assert sums == TRAINING


def test_a_job_has_its_cost_its_hours_its_end_and_its_run(fleet: Books) -> None:
    found = {row["JobName"] or row["Run"] or "": row for row in rows(fleet, "cost_per_training_run")}

    def told(name: str) -> tuple[Any, ...]:
        row = found[name]
        return tuple(
            row[key]
            for key in ("Outcome", "EffectiveCost", "BilledHours", "SpotPercent", "Experiment", "Run", "MLflowRuns")
        )

    first = Decimal("9.500000000000000001")
    assert told("churn-2026-10-20-001") == ("completed", first, 4, 0, "churn", "run a", 2), (
        "the nested run adds nothing"
    )
    assert told("churn-2026-10-21-002") == ("failed", 7, Decimal("2.5"), 100, "churn", "run a", 1)
    assert told("churn-2026-10-22-003") == ("stopped", 3, Decimal("1.5"), 0, None, None, 0)
    assert told("segment-a1b2c3d4") == ("running", 20, 8, 0, "vision", "run c", 1), "by its name"
    assert told("recsys-20261020") == ("completed", 40, 16, 0, "vision", "run d", 1), "by another id of it"
    assert told("in euros") == ("stopped", 9, 3, 0, "churn", "run e", 1), "as MLflow says: no inventory knows it"
    assert told("lonely") == ("unknown", 5, 2, 0, None, None, 0)
    assert told("") == ("unknown", Decimal("1.25"), 0, 0, None, None, 0)
    assert told("churn-2026-09-01-000") == ("completed", Decimal("-0.25"), None, 0, "churn", "run i", 1)
    assert found["lonely"]["Note"] == "no inventory knows it"
    assert found[""]["Note"] == "the bill names no resource"
    assert found["churn-2026-10-20-001"]["Note"] == "2 runs name it; the outermost has its cost"
    assert found["churn-2026-10-21-002"]["FailureReason"] == "out of memory"


def test_a_run_without_a_job_on_the_bill_says_so(fleet: Books) -> None:
    found = [row for row in rows(fleet, "cost_per_training_run") if row["Provider"] == "MLflow"]
    assert [(row["Run"], row["EffectiveCost"], row["BillingCurrency"], row["Note"]) for row in found] == [
        ("run f", None, "", "not on the bill: the run names no job"),
        ("run g", None, "", f"not on the bill: no training charge is of {JOB}gone"),
    ]
    assert [row["Outcome"] for row in found] == ["completed", "failed"], "as MLflow says"
    # billed in another month: there it has a cost
    (row,) = rows(fleet, "cost_per_training_run", period="2026-09")
    assert (row["Run"], row["EffectiveCost"], row["Note"]) == ("run i", 99, None)


def test_an_experiment_is_the_sum_of_its_jobs(fleet: Books) -> None:
    found = [(row["Experiment"], row["BillingCurrency"], row["EffectiveCost"], row["WastedCost"], row["Jobs"], row["Runs"])
             for row in rows(fleet, "cost_per_experiment")]  # fmt: skip
    assert found == [
        ("churn", "EUR", 9, 9, 1, 1),
        ("vision", "USD", 60, 0, 2, 2),
        ("churn", "USD", Decimal("16.250000000000000001"), 7, 3, 2),
        ("no experiment", "USD", Decimal("9.25"), 3, 2, 0),
    ]


def test_waste_is_apart_from_what_nobody_knows(fleet: Books) -> None:
    found = [(row["Outcome"], row["BillingCurrency"], row["EffectiveCost"], row["BilledHours"], row["Jobs"], row["LargestJob"])
             for row in rows(fleet, "training_waste")]  # fmt: skip
    assert found == [
        ("stopped", "EUR", 9, 3, 1, "in euros"),
        ("failed", "USD", 7, Decimal("2.5"), 1, "churn-2026-10-21-002"),
        ("stopped", "USD", 3, Decimal("1.5"), 1, "churn-2026-10-22-003"),
        ("unknown", "USD", Decimal("6.25"), 2, 1, "lonely"),
        ("running", "USD", 20, 8, 1, "segment-a1b2c3d4"),
        ("completed", "USD", Decimal("49.250000000000000001"), 20, 3, "recsys-20261020"),
    ]


def test_families_say_whether_they_ever_ran_on_spot(fleet: Books) -> None:
    found = {(row["Family"], row["BillingCurrency"]): row for row in rows(fleet, "training_families")}
    assert {key: (row["Jobs"], row["FailedJobs"], row["SpotCost"], row["NeverSpot"]) for key, row in found.items()} == {
        ("churn", "USD"): (4, 2, 7, False),
        ("segment", "USD"): (1, 0, 0, True),
        ("recsys", "USD"): (1, 0, 0, True),
        ("lonely", "USD"): (1, 0, 0, True),
        ("in euros", "EUR"): (1, 1, 0, True),
        (None, "USD"): (0, 0, 0, True),
    }
    assert found["churn", "USD"]["SpotPercent"] == 36.4


def test_a_name_that_two_jobs_have_is_nobodys(books: Books) -> None:
    for region in ("us-east-1", "eu-west-1"):
        job(books, "", "1", resource=JOB.replace("us-east-1", region) + "twin")
    run(books, "a", jobs=["twin"])
    assert [row["Run"] for row in rows(books, "cost_per_training_run")] == [None, None, "run a"]
    assert [(row["Experiment"], row["EffectiveCost"]) for row in rows(books, "cost_per_experiment")] == [
        ("no experiment", 2)
    ]


def test_without_an_inventory_all_is_unknown_and_nothing_is_lost(books: Books) -> None:
    job(books, "churn-2026-10-20", "10", hours="4")
    assert [(row["Outcome"], row["EffectiveCost"]) for row in rows(books, "training_waste")] == [("unknown", 10)]
    assert [row["Family"] for row in rows(books, "training_families")] == ["churn"]
