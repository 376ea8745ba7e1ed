"""Prometheus: what a real one answered becomes hours of machines; and what goes wrong is said, loaded by halves never."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import Workspace

from collectors.fakes.recorded import FakePrometheus
from finops.collectors.interface import Fetched, Outcome, Request, Trouble, Verdict
from finops.collectors.prometheus.collector import PrometheusCollector
from finops.collectors.prometheus.machines import Machine, Machines, machine
from finops.config.servers import Prometheus

TODAY = date(2026, 10, 26)
GKE = "//compute.googleapis.com/projects/acme-ml/zones/us-central1-a/instances/gke-1"
SET = "/subscriptions/0f0f/resourceGroups/rg/providers/Microsoft.Compute/virtualMachineScaleSets/pool"
FIRST, SECOND, ALONE = "i-0aaaaaaaaaaaaaaa1", "i-0aaaaaaaaaaaaaaa2", "i-0bbbbbbbbbbbbbbb1"
TOKEN = "glpat-only-for-reading-0123"


@pytest.fixture
def prometheus() -> Iterator[FakePrometheus]:
    with FakePrometheus() as fake:
        yield fake


def configure(workspace: Workspace, prometheus: FakePrometheus, **more: Any) -> None:
    settings = {"url": prometheus.url, "history_days": 2, "account": "111122223333", "deadline": 2, **more}
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    workspace.write("finops.toml", "\n".join(["[sources.gpus]", 'type = "prometheus"', *lines, ""]))


def collector(prometheus: FakePrometheus, **more: Any) -> PrometheusCollector:
    source = Prometheus(type="prometheus", url=prometheus.url, **{"deadline": 1, "history_days": 2, **more})
    return PrometheusCollector("gpus", source, Path())


def request(known: dict[str, Fetched] | None = None, today: date = TODAY, dry: bool = False) -> Request:
    return Request(date(2026, 7, 1), date(2026, 11, 1), today, known or {}, dry)


def reads(workspace: Workspace) -> list[tuple[Any, ...]]:
    return workspace.query(
        "SELECT provider, account_id, service, covers, outcome, what FROM inventory.reads ORDER BY ALL"
    )


def test_what_a_real_prometheus_answers_becomes_daily_activity(
    prometheus: FakePrometheus, workspace: Workspace
) -> None:
    """The fleet is described in recorded/prometheus/record.py."""
    configure(workspace, prometheus)
    result = workspace.finops("--today", "2026-10-26", "collect")
    assert result.exit_code == 0, result.err
    assert prometheus.not_recorded == [], (
        "the questions have changed: run tests/collectors/recorded/prometheus/record.py"
    )

    def days(metric: str, statistic: str) -> list[tuple[Any, ...]]:
        return workspace.query(
            "SELECT resource_id, part, day(day), round(value, 6)::DOUBLE, unit, samples FROM utilisation.daily "
            f"WHERE metric = '{metric}' AND statistic = '{statistic}' ORDER BY ALL"
        )

    busy = [
        (GKE, "0", 24, 7, "Percent", 24), (GKE, "0", 25, 7, "Percent", 24),
        # told of on one day only: the other one is not measured, and not zero
        (SET, "3/0", 24, 0, "Percent", 24),
        # the same node's name was another machine from noon on
        (FIRST, "0", 24, 60, "Percent", 12), (FIRST, "1", 24, 0, "Percent", 12),
        (SECOND, "0", 24, 60, "Percent", 12), (SECOND, "0", 25, 60, "Percent", 24),
        (SECOND, "1", 24, 0, "Percent", 12), (SECOND, "1", 25, 0, "Percent", 24),
        (ALONE, "0", 24, 90, "Percent", 24), (ALONE, "0", 25, 90, "Percent", 24),
    ]  # fmt: skip
    assert days("DCGM_FI_DEV_GPU_UTIL", "Maximum") == busy
    assert days("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "Maximum") == busy, "shares of one became percent"
    # two pods by turns, at 40 and 60, each in a series of its own
    assert [
        row[3] for row in days("DCGM_FI_DEV_GPU_UTIL", "Average") if row[1] == "0" and row[0] in (FIRST, SECOND)
    ] == [50, 50, 50]
    memory = {(row[0], row[1], row[3]) for row in days("DCGM_FI_DEV_FB_USED_PERCENT", "Average")}
    assert memory == {(GKE, "0", 50), (SET, "3/0", 0), (ALONE, "0", 93.75), *((each, "0", 25) for each in (FIRST, SECOND)),
                      *((each, "1", 0) for each in (FIRST, SECOND))}  # fmt: skip
    # a pod that is pending has no GPU; six hours of the 25th nobody told of pods: not measured, and not zero
    assert days("kube_pod_gpu_requests", "Maximum") == [
        (GKE, None, 24, 0, "Count", 24), (GKE, None, 25, 0, "Count", 18),
        (SET, "3", 24, 0, "Count", 24), (SET, "3", 25, 0, "Count", 18),
        (FIRST, None, 24, 1, "Count", 12),
        (SECOND, None, 24, 0, "Count", 12), (SECOND, None, 25, 0, "Count", 18),
    ]  # fmt: skip
    assert [row[3:] for row in days("kube_node_gpus", "Maximum") if row[0] == SECOND] == [
        (2, "Count", 12),
        (2, "Count", 24),
    ]
    lost = "1 GPU series name no machine"
    assert lost in result.err + result.out
    assert reads(workspace) == [
        ("AWS", "111122223333", "prometheus", "metrics", "incomplete", lost),
        ("Azure", "0f0f", "prometheus", "metrics", "incomplete", lost),
        ("GCP", "acme-ml", "prometheus", "metrics", "incomplete", lost),
    ]
    asked = len([each for each in prometheus.calls if each.path.endswith("query_range")])
    again = workspace.finops("--today", "2026-10-26", "collect")
    assert again.exit_code == 0
    assert len([each for each in prometheus.calls if each.path.endswith("query_range")]) == asked, "once a day"
    assert {row[4] for row in reads(workspace)} == {"incomplete"}, "and what could be read is still said"


def test_hours_are_asked_for_a_week_at_a_time_and_from_the_last_complete_day_on(
    prometheus: FakePrometheus, tmp_path: Path
) -> None:
    prefix = collector(prometheus).look(request()).offers[0].key.removesuffix(str(TODAY))

    def spans(known: dict[str, Fetched], history: int) -> list[tuple[str, str]]:
        prometheus.calls.clear()
        asks = collector(prometheus, history_days=history)
        asks.fetch(asks.look(request(known)).offers[0], [], tmp_path, lambda name, size: None)
        calls = [
            each.params
            for each in prometheus.calls
            if each.path.endswith("query_range") and "node_info" in each.params["query"]
        ]
        assert all(each["step"] == "3600" for each in calls)
        return [(moment(each["start"]), moment(each["end"])) for each in calls]

    def moment(seconds: str) -> str:
        return f"{datetime.fromtimestamp(int(seconds), tz=UTC):%m-%d %H}"

    def seen(day: str, version: str = "v") -> dict[str, Fetched]:
        return {prefix + day: Fetched(version, datetime.now(tz=UTC), {})}

    # the value at 01:00 is that of the hour from 00:00 on
    assert spans({}, 9) == [("10-17 01", "10-24 00"), ("10-24 01", "10-26 00")]
    assert spans(seen("2026-10-25"), 9) == [("10-23 01", "10-26 00")]
    assert spans({**seen("2026-10-20"), **seen("2026-10-25", version="")}, 9)[0][0] == "10-18 01", "a half one is none"
    assert spans(seen("2026-10-27"), 2)[0][0] == "10-24 01", "a day of the future is none"


HTML = "<!DOCTYPE html><title>Sign in</title>"
PARTIAL = json.dumps(
    {"status": "success", "warnings": ["no store matched"], "data": {"resultType": "matrix", "result": []}}
)
BROKEN: dict[str, tuple[dict[str, Any], Outcome, str]] = {
    "a token that is not accepted": ({"status": 401}, Outcome.EXPIRED, "does not accept what is in"),
    "no right": ({"status": 403, "body": '{"error": "no"}'}, Outcome.DENIED, "does not let Prometheus be read: no"),
    "another path": ({"status": 404}, Outcome.MISSING, "is not there"),
    "a sign-in page": ({"status": 200, "body": HTML}, Outcome.FAILED, "web page"),
    "a redirect": ({"status": 302, "location": "https://sso.example.com/login?t=1"}, Outcome.MISSING, "redirects to https://sso.example.com,"),
    "a store that is away": ({"status": 200, "body": PARTIAL, "on": "query_range"}, Outcome.INCOMPLETE, "in part: no store matched"),
    "too much for it": ({"status": 422, "body": '{"status": "error", "error": "too many samples"}', "on": "query_range"},
                        Outcome.CHANGED, "too many samples"),
    "always down": ({"status": 503}, Outcome.FAILED, "fails with status 503 for 1 seconds"),
    "half an answer": ({"status": 200, "body": '{"status": "succ'}, Outcome.FAILED, "damaged"),
    "another kind of answer": ({"status": 200, "body": '{"status": "success", "data": {"resultType": "scalar", "result": [0, "1"]}}'},
                               Outcome.CHANGED, "does not answer with a"),
}  # fmt: skip


def test_what_goes_wrong_is_said_and_nothing_is_loaded(
    prometheus: FakePrometheus, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_TOKEN", TOKEN)
    configure(workspace, prometheus, token="env:PROMETHEUS_TOKEN", deadline=1)
    for case, (fault, outcome, said) in BROKEN.items():
        prometheus.faults.clear()
        prometheus.fail(**fault)
        result = workspace.finops("--today", "2026-10-26", "collect")
        assert result.exit_code == 3, case
        assert said in " ".join(result.err.split()), case
        assert TOKEN not in result.err + result.out, case
        assert workspace.query("SELECT count(*) FROM utilisation.daily") == [(0,)], case
        ((provider, account, service, covers, how, what),) = reads(workspace)
        assert (provider, account, service, covers) == (None, "111122223333", "prometheus", "metrics")
        assert how == str(outcome) and said in what, f"{case}: a failed read is in inventory.reads, too"
    prometheus.faults.clear()
    workspace.finops("--today", "2026-10-26", "collect")
    assert workspace.query("SELECT count(*) > 50 FROM utilisation.daily") == [(True,)], "asked again on the same day"
    assert {row[4] for row in reads(workspace)} == {"incomplete"}


def test_throttled_for_a_while_is_waited_out(prometheus: FakePrometheus, tmp_path: Path) -> None:
    prometheus.fail(429, times=1, retry_after="0")
    prometheus.fail(500, times=1, on="query_range")
    asks = collector(prometheus, deadline=20)
    for offer in asks.look(request()).offers:
        asks.fetch(offer, [], tmp_path, lambda name, size: None)
    assert (tmp_path / "metrics.parquet").stat().st_size > 1000


def test_without_gpu_metrics_it_is_empty_and_not_idle(prometheus: FakePrometheus, workspace: Workspace) -> None:
    prometheus.recorded.clear()
    configure(workspace, prometheus)
    result = workspace.finops("--today", "2026-10-26", "collect")
    assert result.exit_code == 0, result.err
    assert [row[4] for row in reads(workspace)] == ["empty"]
    assert workspace.query("SELECT count(*) FROM utilisation.daily") == [(0,)]


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({"token": "env:SECRET"}, f"Bearer {TOKEN}"),
        ({"username": "reader", "password": "env:SECRET"}, "Basic cmVhZGVyOmdscGF0LW9ubHktZm9yLXJlYWRpbmctMDEyMw=="),
    ],
    ids=["token", "password"],
)
def test_identity_tenant_and_path_are_sent(
    settings: dict[str, str], header: str, prometheus: FakePrometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", TOKEN)
    prometheus.wants, prometheus.prefix = header, "/prometheus"
    url = f"{prometheus.url}/prometheus/api/v1/"
    source = Prometheus.model_validate({"type": "prometheus", "url": url, "tenant": "ml", "deadline": 1, **settings})
    asks = PrometheusCollector("gpus", source, Path())
    listing = asks.look(request())
    assert not listing.troubles
    assert prometheus.calls[-1].headers["X-Scope-OrgID"] == "ml"
    assert [each.verdict for each in asks.examine(request())] == [Verdict.OK, Verdict.OK, Verdict.OK]
    monkeypatch.delenv("SECRET")
    (trouble,) = PrometheusCollector("gpus", source, Path()).look(request()).troubles
    assert (trouble.outcome, trouble.where) == (Outcome.EXPIRED, "env:SECRET")


def test_a_dry_look_asks_for_no_metrics(prometheus: FakePrometheus) -> None:
    listing = collector(prometheus).look(request(dry=True))
    assert [each.params["query"] for each in prometheus.calls] == ["vector(1)"]
    assert "2 days" in listing.offers[0].note


def test_only_questions_are_asked(prometheus: FakePrometheus, tmp_path: Path) -> None:
    asks = collector(prometheus)
    for offer in asks.look(request()).offers:
        asks.fetch(offer, [], tmp_path, lambda name, size: None)
    asks.examine(request())
    assert {f"{each.method} {each.path}" for each in prometheus.calls} == {each.action for each in asks.permissions()}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "https://me:secret@prometheus.example.com"}, "must not hold a name or password"),
        ({"url": "https://prometheus.example.com?token=secret"}, "no ? and no #"),
        ({"url": ""}, "sources.gpus.url"),
        ({"token": "env:A", "username": "me", "password": "env:B"}, "needs either token, or username and password"),
        ({"username": "me"}, "needs either token, or username and password"),
        ({"node_labels": ["not a label"]}, "node_labels"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(
    settings: dict[str, Any], said: str, prometheus: FakePrometheus, workspace: Workspace
) -> None:
    configure(workspace, prometheus, **settings)
    result = workspace.finops("collect")
    assert result.exit_code == 2
    assert said in result.err
    assert "secret" not in result.err


def test_a_name_that_means_two_machines_in_an_hour_means_none() -> None:
    one, two = datetime(2026, 10, 24, 1), datetime(2026, 10, 24, 2)

    def node(instance: str, cluster: str = "") -> dict[str, str]:
        return {"node": "n", "provider_id": f"aws:///us-east-1a/{instance}", "cluster": cluster}

    machines = Machines([(node(FIRST, "a"), [one, two]), (node(SECOND, "b"), [two])])
    gpu = {"Hostname": "n"}
    assert machines.of_gpu(gpu, ["Hostname"], one) == Machine("AWS", "", FIRST)
    assert machines.of_gpu(gpu, ["Hostname"], two) is None
    assert machines.of_gpu({**gpu, "cluster": "b"}, ["Hostname"], two) == Machine("AWS", "", SECOND)
    assert machines.of_gpu(gpu, ["Hostname"], datetime(2026, 10, 24, 3)) is None, "nobody knows which of the two"
    assert machines.of_gpu({**gpu, "cluster": "a"}, ["Hostname"], datetime(2026, 10, 24, 3)) == Machine(
        "AWS", "", FIRST
    )
    assert machines.of_gpu({"Hostname": "i-0123456789abcdef01"}, ["Hostname"], one) is None, "too long for an instance"


def test_a_provider_id_names_the_resource_of_the_bill() -> None:
    assert machine("aws:///us-east-1a/i-0abc") == Machine("AWS", "", "i-0abc")
    assert machine("gce://acme-ml/us-central1-a/gke-1") == Machine("GCP", "acme-ml", GKE)
    alone = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm"
    assert machine(f"azure://{alone}") == Machine("Azure", "s", alone)
    assert machine(f"azure://{SET}/virtualMachines/3") == Machine("Azure", "0f0f", SET, "3")
    assert machine("kind://docker/kind/worker") == Machine(None, "", "kind://docker/kind/worker")
    assert [machine(each) for each in ("", "nothing", "aws://")] == [None, None, None]


def test_what_dcgm_leaves_blank_is_not_measured(prometheus: FakePrometheus, tmp_path: Path) -> None:
    """A blank is a very great number; NaN and infinity are none."""
    for answer in prometheus.recorded.values():
        for series in answer["data"]["result"]:
            for number, (seconds, _) in enumerate(series.get("values", [])):
                if "gpu" in series["metric"]:
                    series["values"][number] = [seconds, ("9223372036854775792", "NaN", "+Inf")[number % 3]]
    asks = collector(prometheus)
    asks.fetch(asks.look(request()).offers[0], [], tmp_path, lambda name, size: None)
    import polars

    table = polars.read_parquet(tmp_path / "metrics.parquet")
    assert {each for each in table["metric"].unique() if each.startswith("DCGM")} == set()
    assert {"kube_pod_gpu_requests", "kube_node_gpus"} <= set(table["metric"])


def test_a_series_of_another_shape_is_refused(prometheus: FakePrometheus, tmp_path: Path) -> None:
    asks = collector(prometheus)
    offer = asks.look(request()).offers[0]
    prometheus.fail(
        200, json.dumps({"status": "success", "data": {"resultType": "matrix", "result": [{"values": [["x", "y"]]}]}})
    )
    with pytest.raises(Trouble) as raised:
        asks.fetch(offer, [], tmp_path, lambda name, size: None)
    assert raised.value.outcome is Outcome.CHANGED
