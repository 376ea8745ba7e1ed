"""The bills of the open corpus, put where a provider would put them, collected, and compared with their truth to the last digit.

``test_corpus.py`` loads them as files; here they come through a bucket, a container or an API. Each is collected, collected
again (nothing may be fetched), and made again from landing alone. Skipped where the corpus is not beside this checkout.
"""

from __future__ import annotations

import gzip
import json
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import CORPUS, Workspace
from test_corpus import billed, groups, stated, tagged, totals

from .fakes.aws import FakeAws
from .fakes.azureblob import FakeBlobService
from .fakes.gcs import FakeGcs
from .fakes.llm import LlmWorld

pytestmark = pytest.mark.skipif(
    not (CORPUS / "truth").is_dir(), reason="the billing corpus is not beside this checkout"
)

TODAY = "2026-10-26"


class Shops:
    """The providers that hold the bills."""

    def __init__(self, aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
        self.aws = aws
        self._monkeypatch = monkeypatch
        self._started = ExitStack()
        self.azure = self._started.enter_context(FakeBlobService())
        self.gcs = self._started.enter_context(FakeGcs("acme-copies"))
        self.llm = self._started.enter_context(LlmWorld())
        aws.reset()
        keys = {"AZURE": self.azure.connection_string, "OPENAI": self.llm.openai.key}
        for name, value in {**aws.environment(), **keys}.items():
            monkeypatch.setenv(name, value)

    def close(self) -> None:
        self._started.close()

    def reads(self) -> list[str]:
        """What was fetched since ``forget``: objects and blobs."""
        return [
            *(call.what for call in self.aws.called("s3:GetObject")),
            *self.azure.asked("Get"),
            *self.gcs.asked("get"),
        ]

    def forget(self) -> None:
        self.aws.calls.clear()
        self.azure.calls.clear()
        self.gcs.calls.clear()

    # ways of publishing; each returns the section of finops.toml

    def data_export(self, truth: dict[str, Any]) -> str:
        """A data export of FOCUS as AWS delivers it, each execution in a folder of its own."""
        self.aws.make_export("focus", "acme", overwrite=False, partition="billing_period", table="FOCUS_1_2_AWS")
        content = [gzip.compress(path.read_bytes()) for path in files(truth)]
        self.aws.publish("focus", month(truth), content, suffix=".csv.gz")
        return 'type = "aws-data-export"\nexport = "focus"\n'

    def legacy_report(self, truth: dict[str, Any]) -> str:
        """A legacy report with an assembly's manifest."""
        self.aws.make_report("hourly", "acme")
        self.aws.publish_report("hourly", month(truth), [gzip.compress(path.read_bytes()) for path in files(truth)])
        return 'type = "aws-cur"\nreport = "hourly"\n'

    def cur_bucket(self, truth: dict[str, Any]) -> str:
        """The legacy report's bucket as it was generated, manifests included."""
        self._s3("finops-billing", below(truth, 2))
        return 'type = "aws-cur"\nbucket = "finops-billing"\nprefix = "finops"\nreport = "cur-hourly"\n'

    def cur2_bucket(self, truth: dict[str, Any]) -> str:
        """The export's bucket with its own manifests."""
        self._s3("bucket", below(truth, 2), "cur2-hourly/")
        return 'type = "aws-data-export"\nbucket = "bucket"\nexport = "cur2-hourly"\n'

    def s3_folder(self, truth: dict[str, Any]) -> str:
        """A bucket into which somebody copied the files, and the manifests beside them."""
        self._s3("acme-copies", {f"in/{name}": path for name, path in below(truth, 2).items()})
        return 'type = "files"\npath = "s3://acme-copies/in"\n'

    def gs_folder(self, truth: dict[str, Any]) -> str:
        for path in files(truth):
            self.gcs.put("acme-copies", f"in/{path.name}", path.read_bytes())
        return f'type = "files"\npath = "gs://acme-copies/in"\nanonymous = true\nendpoints = {{ storage = "{self.gcs.url}" }}\n'

    def azure_runs(self, truth: dict[str, Any]) -> str:
        """An export with file partitioning: each run has a manifest."""
        kind = {"FOC": "FocusCost", "Azu": "ActualCost"}[truth["format"][:3]]
        kind = "AmortizedCost" if "Amortized" in truth["format"] else kind
        first = date.fromisoformat(f"{month(truth)}-01")
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        run = str(uuid.uuid4())
        folder = f"costs/daily/{first:%Y%m%d}-{last:%Y%m%d}/{last:%Y%m%d}0400/{run}/"
        blobs = []
        for number, path in enumerate(files(truth)):
            name = f"{folder}part_{number}_0001.csv"
            self.azure.put("exports", name, path.read_bytes())
            blobs.append({"blobName": name, "byteCount": path.stat().st_size, "dataRowCount": truth["rows"]})
        manifest = {
            "exportConfig": {"exportName": "daily", "type": kind},
            "deliveryConfig": {"fileFormat": "Csv", "compressionMode": "None"},
            "runInfo": {"runId": run, "submittedTime": f"{last}T04:00:00Z", "startDate": f"{first}T00:00:00"},
            "blobs": blobs,
        }
        self.azure.put("exports", folder + "manifest.json", json.dumps(manifest))
        return AZURE + 'directory = "costs"\nexport = "daily"\n'

    def azure_folder(self, truth: dict[str, Any]) -> str:
        """An export of old, without manifests, in folders named by days."""
        for name, path in below(truth, 2).items():
            self.azure.put("exports", name, path.read_bytes(), at=datetime(2026, 10, 2, tzinfo=UTC))
        return AZURE + 'directory = "exp"\nexport = "costexport"\n'

    def _s3(self, bucket: str, objects: dict[str, Path], prefix: str = "") -> None:
        for name, path in sorted(objects.items(), key=lambda each: "anifest" in each[0]):
            self.aws.put(bucket, prefix + name, path.read_bytes())


AZURE = 'type = "azure-export"\nconnection_string = "env:AZURE"\ncontainer = "exports"\n'

BILLS: dict[str, Callable[[Shops, dict[str, Any]], str]] = {
    "cur-nise-ml-2026": Shops.cur_bucket,
    "cur-focus_converters-2023-11": Shops.legacy_report,
    "cur-keboola-2024-01": Shops.s3_folder,
    "cur-sbroenne-2025-01": Shops.s3_folder,
    "cur2-derived-nise-ml-2026": Shops.cur2_bucket,
    "cur2-keboola-2024-09": Shops.s3_folder,
    "focus-1.0-sample-2024-09": Shops.gs_folder,
    "focus-1.2-fdt-aws-2026-05": Shops.data_export,
    "focus-1.2-fdt-azure-2026-05": Shops.azure_runs,
    "focus-1.3-fdt-clientlike": Shops.s3_folder,
    "gcp-google-finops-agent-2026": Shops.gs_folder,
    "gcp-nise-ml-eur-2026": Shops.gs_folder,
    "azure-ea-actual-2023": Shops.azure_runs,
    "azure-ea-amortized-2023": Shops.azure_runs,
    "azure-nise-eur-2026": Shops.azure_folder,
}
"""How each bill is published."""


def files(truth: dict[str, Any]) -> list[Path]:
    return [CORPUS / each["path"] for each in truth["files"]]


def month(truth: dict[str, Any]) -> str:
    """The one billing month of a bill."""
    (found,) = truth["by_billing_month"]
    return str(found)


def below(truth: dict[str, Any], depth: int) -> dict[str, Path]:
    """A bill's files and manifests, named from its folder in the corpus on."""
    parts = Path(truth["files"][0]["path"]).parts
    root = CORPUS.joinpath(*parts[:depth])
    found = {*files(truth), *root.rglob("*anifest*.json")}
    return {path.relative_to(root).as_posix(): path for path in sorted(found)}


@pytest.fixture(scope="module")
def aws() -> Iterator[FakeAws]:
    with FakeAws() as started:
        yield started


@pytest.fixture
def shops(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shops]:
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    started = Shops(aws, monkeypatch)
    yield started
    started.close()


def collect(workspace: Workspace, since: str, until: str) -> dict[str, Any]:
    run = workspace.finops("--today", TODAY, "collect", "--since", since, "--until", until, "--json")
    (report,) = run.json()
    assert (run.exit_code, report["outcome"], report["holes"]) == (0, "complete", []), run.err
    return dict(report)


@pytest.mark.parametrize("name", BILLS)
def test_a_bill_that_is_collected_equals_its_truth(name: str, shops: Shops, workspace: Workspace) -> None:
    truth = json.loads((CORPUS / "truth" / f"{name}.json").read_text())
    workspace.write("finops.toml", "[warehouse]\nthreads = 1\n[sources.bill]\n" + BILLS[name](shops, truth))
    if name.startswith("cur2-derived"):  # see test_corpus: the CSV twin's truth has the exact numbers
        truth |= json.loads((CORPUS / "truth" / "cur-nise-ml-2026.json").read_text()) | {"format": truth["format"]}

    months = re.findall(r"\d{4}-\d\d", " ".join([*truth["by_billing_month"], *truth["by_usage_month"]]))

    assert collect(workspace, min(months), max(months))["fetched"]
    assert shops.reads()
    compare(workspace, truth)

    shops.forget()
    again = collect(workspace, min(months), max(months))
    assert again["fetched"] == []
    assert [each for each in shops.reads() if not each.lower().endswith("manifest.json")] == []
    compare(workspace, truth)

    (workspace.folder / "finops.duckdb").unlink()
    rebuilt = workspace.finops("--today", TODAY, "build", "--full")
    assert rebuilt.exit_code == 0, rebuilt.err
    compare(workspace, truth)


def compare(workspace: Workspace, truth: dict[str, Any]) -> None:
    """The ledger's groups and the truth's: rows, cost, effective and billed cost, rows of each tag."""
    with workspace.warehouse() as con:
        for name, key in groups(truth).items():
            found = {value: measures[:3] for value, measures in totals(con, key).items()}
            assert found == stated(truth[name]), name
        for currency, (*_, found_billed) in totals(con, "coalesce(BillingCurrency, '(column absent)')").items():
            assert found_billed == billed(truth, currency), currency
        for key, rows in tagged(truth).items():
            counted = con.execute("SELECT count(*) FROM focus.cost_and_usage WHERE map_contains(Tags, ?)", [key])
            assert counted.fetchone() == (rows,), key


def test_openais_own_example_of_a_page_is_collected(shops: Shops, workspace: Workspace) -> None:
    page = json.loads((CORPUS / "llm" / "openai_openapi" / "costs.json").read_text(), parse_float=Decimal)
    buckets = page["data"]
    shops.llm.openai.put(
        {datetime.fromtimestamp(each["start_time"], tz=UTC).date(): each["results"] for each in buckets}
    )
    endpoint = f'endpoints = {{ openai = "{shops.llm.url}" }}\n'
    workspace.write("finops.toml", f'[sources.bill]\ntype = "openai"\napi_key = "env:OPENAI"\n{endpoint}')
    owed = sum(each["amount"]["value"] for bucket in buckets for each in bucket["results"])
    expected = [("USD", owed, owed)]

    collect(workspace, "2024-11", "2024-11")
    sql = "SELECT BillingCurrency, sum(BilledCost), sum(EffectiveCost) FROM focus.cost_and_usage GROUP BY ALL"
    assert workspace.query(sql) == expected
    again = collect(workspace, "2024-11", "2024-11")
    assert {each["status"] for each in again["deliveries"]} == {"unchanged"}
    assert workspace.query(sql) == expected
