"""AWS Data Exports: CUR 2.0 and FOCUS, delivered into a bucket.

``<prefix>/<export>/metadata/<partition>/…-Manifest.json`` names files in ``<prefix>/<export>/data/<partition>/``. The partition
is ``BILLING_PERIOD=2026-10`` or ``billing_period=2026-10``. An export either overwrites its files or makes a new folder for each
execution, with a manifest of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date
from pathlib import Path
from typing import Any

from finops.collectors.aws.examine import BILLING_REGION, QUICK, role_permission, setting
from finops.collectors.aws.exports import ExportCollector, Months
from finops.collectors.aws.manifests import Place
from finops.collectors.aws.s3 import S3Store, bucket_arn
from finops.collectors.aws.session import client
from finops.collectors.aws.troubles import calling
from finops.collectors.interface import Finding, Listing, Outcome, Permission, RemoteFile, Request, Trouble
from finops.config.sources import AwsDataExport

_PARTITION = re.compile(r"billing_period=(\d{4})-(0[1-9]|1[0-2])/$", re.IGNORECASE)
_CUR2 = "COST_AND_USAGE_REPORT"


class AwsDataExportCollector(ExportCollector):
    """Offers the months of one data export."""

    def __init__(self, source_id: str, source: AwsDataExport, folder: Path) -> None:
        super().__init__(source_id, source, folder)
        self._source = source
        self._place: Place | None = None

    def place(self) -> Place:
        if self._place is None:
            self._place = self._configured() if self._source.bucket else self._asked()
        return self._place

    def months(self, store: S3Store, place: Place) -> Months:
        found = Months()
        for below, months in (("metadata/", found.manifests_in), ("data/", found.data_in)):
            for folder in store.folders(place.base + below):
                if match := _PARTITION.search(folder):
                    months.setdefault(date(int(match[1]), int(match[2]), 1), []).append(folder)
        return found

    def manifests(self, store: S3Store, place: Place, prefix: str) -> Sequence[RemoteFile]:
        return [each for each in store.files(prefix) if each.name.lower().endswith("-manifest.json")]

    def keys(self, content: Mapping[str, Any]) -> Sequence[str] | None:
        files = content.get("dataFiles")
        if not isinstance(files, list):
            return None
        return [re.sub(r"^s3://[^/]+/", "", str(each)) for each in files]

    def is_rewritten(self, key: str) -> bool:
        return key.split("/")[-3:-2] == ["data"]

    def health(self, request: Request, listing: Listing) -> None:
        """The newest execution, if it failed. An execution does not say of which month it is: that of the day it began."""
        if self._source.anonymous:
            return
        try:
            arn = self._arn(QUICK)
            if not arn:
                raise self._unknown()
            last = self._last_execution(arn)
        except Trouble as trouble:
            listing.notes.append(
                f"{self._source.export}: whether AWS's last deliveries failed is not known: {trouble.what}"
            )
            return
        if not last or not str(last["ExecutionStatus"]["StatusCode"]).endswith("FAILURE"):
            return
        status = last["ExecutionStatus"]
        began = status["CreatedAt"].astimezone(UTC)
        reason = f" ({status['StatusReason']})" if status.get("StatusReason") else ""
        month = date(began.year, began.month, 1)
        failure = Trouble(
            Outcome.INCOMPLETE,
            f"the export's last execution, of {began:%Y-%m-%d %H:%M} UTC, ended in {status['StatusCode']}{reason}",
            where=self.place().url,
            next_step="Look at the export in the AWS console. The bucket's policy must let "
            "billingreports.amazonaws.com and bcm-data-exports.amazonaws.com write.",
            period=month,
        )
        if month in request.months():
            listing.troubles.append(failure)
        else:
            listing.notes.append(failure.what)

    def permissions(self) -> Sequence[Permission]:
        api, source = f"arn:aws:bcm-data-exports:{BILLING_REGION}:*:export/*", self._source
        needed = not source.bucket
        bucket, base = source.bucket or "BUCKET", f"{source.prefix.strip('/')}/{source.export}/".lstrip("/")
        if needed:
            base = "*"
        why = "to find the export's bucket" if needed else "to find the export, for its health"
        return [
            *role_permission(source),
            Permission("s3:ListBucket", bucket_arn(source, bucket), "to see which deliveries there are"),
            Permission(
                "s3:GetObject", bucket_arn(source, bucket, base.rstrip("*") + "*"), "to fetch manifests and data files"
            ),
            Permission("bcm-data-exports:ListExports", "*", why, optional=not needed),
            Permission("bcm-data-exports:GetExport", api, "to read the export's settings", optional=not needed),
            Permission("bcm-data-exports:ListExecutions", api, "to see whether deliveries failed", optional=True),
            Permission("ce:ListCostAllocationTags", "*", "for doctor: which tags the bill names", optional=True),
        ]

    def settings(self) -> Sequence[Finding]:
        """The export's settings against the recommended ones.

        Raises:
            Trouble: they cannot be read.
        """
        arn = self._arn(QUICK)
        if not arn:
            raise self._unknown()
        export = self._get(arn, QUICK)
        options = export["DestinationConfigurations"]["S3Destination"]["S3OutputConfigurations"]
        tables = export["DataQuery"].get("TableConfigurations") or {}
        table: str = next(iter(tables), "")
        stated: dict[str, str] = tables.get(table, {})
        if table == _CUR2:
            stated = {"INCLUDE_RESOURCES": "FALSE", "INCLUDE_SPLIT_COST_ALLOCATION_DATA": "FALSE"} | stated
        found = [
            setting(
                check,
                stated[name].upper() == good,
                f"{name} = {stated[name]}",
                f"Make the export with {name} = {good}.",
            )
            for name, (check, good) in _RECOMMENDED.items()
            if name in stated
        ]
        form, mode = options["Format"], options["Overwrite"]
        return [
            *found,
            setting("parquet", form == "PARQUET", f"format {form}", "Choose Parquet: smaller, and with types."),
            setting(
                "overwrite",
                mode == "OVERWRITE_REPORT",
                mode,
                "Choose overwriting: the bucket keeps one delivery a month.",
            ),
        ]

    def _configured(self) -> Place:
        source = self._source
        return Place(source.bucket, source.prefix.strip("/"), source.export)

    def _asked(self) -> Place:
        arn = self._arn()
        if not arn:
            raise self._unknown()
        found = self._get(arn)["DestinationConfigurations"]["S3Destination"]
        return Place(
            found["S3Bucket"], found.get("S3Prefix", "").strip("/"), self._source.export, found.get("S3Region")
        )

    def _arn(self, deadline: float | None = None) -> str:
        """The export's ARN; empty: the account has no export of this name."""
        with self._calling("bcm-data-exports:ListExports", "*"):
            pages = self._api(deadline).get_paginator("list_exports").paginate()
            every = (each for page in pages for each in page.get("Exports", ()))
            return next((each["ExportArn"] for each in every if each["ExportName"] == self._source.export), "")

    def _get(self, arn: str, deadline: float | None = None) -> dict[str, Any]:
        with self._calling("bcm-data-exports:GetExport", arn):
            answer = self._api(deadline).get_export(ExportArn=arn)
        export: dict[str, Any] = answer["Export"]
        return export

    def _last_execution(self, arn: str) -> dict[str, Any] | None:
        """The newest execution that has ended."""
        with self._calling("bcm-data-exports:ListExecutions", arn):
            api = self._api(QUICK)
            pages = api.get_paginator("list_executions").paginate(ExportArn=arn)
            ended = [
                each
                for page in pages
                for each in page.get("Executions", ())
                if each["ExecutionStatus"]["StatusCode"].endswith(("FAILURE", "SUCCESS"))
                and each["ExecutionStatus"].get("CreatedAt")
            ]
        return max(ended, key=lambda each: each["ExecutionStatus"]["CreatedAt"], default=None)

    def _api(self, deadline: float | None) -> Any:
        return client(self._source, "bcm-data-exports", region=BILLING_REGION, deadline=deadline)

    def _unknown(self) -> Trouble:
        return Trouble(
            Outcome.MISSING,
            f"this account has no data export called '{self._source.export}'",
            where="bcm-data-exports",
            next_step="Exports are seen from the account that made them. Correct the name, or write bucket and prefix.",
        )

    def _calling(self, action: str, resource: str) -> Any:
        return calling(f"export {self._source.export}", action, resource, profile=self._source.profile)


_RECOMMENDED = {
    "TIME_GRANULARITY": ("hourly", "HOURLY"),
    "INCLUDE_RESOURCES": ("resource ids", "TRUE"),
    "INCLUDE_SPLIT_COST_ALLOCATION_DATA": ("split cost data", "TRUE"),
}
