"""OpenCost's allocation, as its API answers and as it exports CSV: weights by cluster, namespace and day, and no money."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from test_detection import Desk, csv_of

DAY = {"start": "2026-10-01T00:00:00Z", "end": "2026-10-02T00:00:00Z", "cpuCoreRequestAverage": 2}
CSV = {
    "Date": "2026-10-01", "Namespace": "search", "Cluster": "prod", "ControllerKind": "deployment", "ControllerName": "web",
    "Pod": "web-1", "Container": "web", "CPUCoreUsageAverage": "0.5", "CPUCoreRequestAverage": "2", "GPUs": "0",
    "GPUCost": "0", "TotalCost": "1.25",
}  # fmt: skip
PUBLISHED = (
    Path(__file__).parents[3] / "shared" / "corpus" / "kubernetes" / "opencost" / "allocation-example-output.json"
)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.con.close()


def answer(*sets: dict[str, Any] | None) -> str:
    return json.dumps({"code": 200, "status": "success", "data": list(sets)})


def allocation(cluster: str, namespace: str, **rest: Any) -> dict[str, Any]:
    return {"properties": {"cluster": cluster, "namespace": namespace}} | DAY | rest


def found(desk: Desk, metric: str) -> dict[tuple[str, str], Decimal]:
    """(resource, day) -> value."""
    rows = desk.con.execute(
        "SELECT resource_id, CAST(day AS VARCHAR), value FROM utilisation.daily WHERE metric = ?",
        [f"kubernetes.{metric}"],
    ).fetchall()
    return {(resource, day): value for resource, day, value in rows}


def test_an_answer_gives_what_each_namespace_took(desk: Desk) -> None:
    search = allocation(
        "prod", "search", totalCost=1.5, cpuCoreHours=48, gpuHours=12.5, ramByteHours=51539607552
    )  # 48 GiB hours
    report = desk.load("a.json", answer({"search": search, "vision": allocation("prod", "vision", totalCost=4e-7)}))
    assert not report.problems
    assert found(desk, "total_cost") == {
        ("kubernetes:prod/search", "2026-10-01"): Decimal("1.5"),
        ("kubernetes:prod/vision", "2026-10-01"): Decimal("0.0000004"),
    }
    for metric, value in {"cpu_core_hours": "48", "gpu_hours": "12.5", "ram_gib_hours": "48"}.items():
        assert found(desk, metric) == {("kubernetes:prod/search", "2026-10-01"): Decimal(value)}
    assert desk.ledger() == []


def test_what_stands_for_several_days_is_divided_by_time(desk: Desk) -> None:
    """From noon of the first until the end of the third: 12 of 60 hours, then 24 and 24."""
    window = {"start": "2026-10-01T12:00:00Z", "end": "2026-10-04T00:00:00Z"}
    desk.load("a.json", answer({"search": allocation("prod", "search", totalCost=10) | window}))
    assert found(desk, "total_cost") == {
        ("kubernetes:prod/search", "2026-10-01"): 2,
        ("kubernetes:prod/search", "2026-10-02"): 4,
        ("kubernetes:prod/search", "2026-10-03"): 4,
    }


@pytest.mark.parametrize(
    ("name", "properties", "resource"),
    [
        ("__idle__", {}, "kubernetes:unnamed/__idle__"),
        ("prod/__idle__", {}, "kubernetes:prod/__idle__"),
        ("prod/__unmounted__", {"cluster": "prod"}, "kubernetes:prod/__unmounted__"),
        ("web", {"cluster": "prod"}, "kubernetes:prod/__unallocated__"),  # aggregated by something else than namespaces
    ],
)
def test_what_is_no_namespace(desk: Desk, name: str, properties: dict[str, str], resource: str) -> None:
    desk.load("a.json", answer({name: DAY | {"name": name, "properties": properties, "totalCost": 1}}))
    assert found(desk, "total_cost") == {(resource, "2026-10-01"): 1}


def test_steps_without_data_are_no_error(desk: Desk) -> None:
    assert not desk.load("a.json", answer(None, {})).problems
    assert not desk.load("b.json", answer({}, {"x": allocation("prod", "search", totalCost=1)})).problems
    assert len(found(desk, "total_cost")) == 1


def test_the_csv_has_a_row_for_each_container(desk: Desk) -> None:
    report = desk.load("export.csv", csv_of(CSV, CSV | {"Pod": "web-2", "TotalCost": "0.000004"}))
    assert [(result.format, result.status) for result in report.results] == [("opencost", "loaded")]
    assert found(desk, "total_cost") == {("kubernetes:prod/search", "2026-10-01"): Decimal("1.250004")}


def test_an_older_csv_names_no_cluster(desk: Desk) -> None:
    desk.load("export.csv", csv_of({key: value for key, value in CSV.items() if key != "Cluster"}))
    assert found(desk, "total_cost") == {("kubernetes:unnamed/search", "2026-10-01"): Decimal("1.25")}


def test_a_newer_delivery_has_the_day(desk: Desk) -> None:
    desk.load("a.csv", csv_of(CSV))
    desk.load("b.csv", csv_of(CSV | {"TotalCost": "2"}, CSV | {"TotalCost": "3", "Date": "2026-10-02"}))
    assert found(desk, "total_cost") == {
        ("kubernetes:prod/search", "2026-10-01"): 2,
        ("kubernetes:prod/search", "2026-10-02"): 3,
    }


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the corpus of published files is not here")
def test_the_published_example(desk: Desk) -> None:
    assert not desk.load("opencost.json", PUBLISHED.read_text()).problems
    costs = found(desk, "total_cost")
    for namespace, total in {"kube-system": "1.52743", "opencost": "0.10937", "prometheus": "0.14136"}.items():
        days = [
            value for (resource, _), value in costs.items() if resource == f"kubernetes:default-cluster/{namespace}"
        ]
        assert len(days) == 8  # seven days, not from midnight
        assert sum(days) == Decimal(total)
