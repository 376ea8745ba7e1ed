"""The legacy Cost and Usage Report, delivered into a bucket.

``<prefix>/<report>/20261001-20261101/<report>-Manifest.json`` is the newest manifest of the month. It names files beside it, in a
folder per assembly, or as Parquet in ``<prefix>/<report>/<report>/year=2026/month=10/``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from finops.collectors.aws.examine import BILLING_REGION, QUICK, role_permission, setting
from finops.collectors.aws.exports import ExportCollector, Months
from finops.collectors.aws.manifests import Place
from finops.collectors.aws.s3 import S3Store, bucket_arn
from finops.collectors.aws.session import client
from finops.collectors.aws.troubles import calling
from finops.collectors.interface import Finding, Listing, Outcome, Permission, RemoteFile, Request, Trouble
from finops.config.sources import AwsCur

_PERIOD = re.compile(r"/(\d{4})(0[1-9]|1[0-2])\d{2}-\d{8}/$")
_REWRITTEN = re.compile(r"/(\d{8}-\d{8}|month=\d{1,2})/[^/]+$", re.IGNORECASE)


class AwsCurCollector(ExportCollector):
    """Offers the months of one legacy report."""

    def __init__(self, source_id: str, source: AwsCur, folder: Path) -> None:
        super().__init__(source_id, source, folder)
        self._source = source
        self._place: Place | None = None

    def place(self) -> Place:
        if self._place is None:
            source = self._source
            if source.bucket:
                self._place = Place(source.bucket, source.prefix.strip("/"), source.report)
            else:
                found = self._definition()
                prefix = found.get("S3Prefix", "").strip("/")
                self._place = Place(found["S3Bucket"], prefix, source.report, found.get("S3Region"))
        return self._place

    def months(self, store: S3Store, place: Place) -> Months:
        found = Months()
        for folder in store.folders(place.base):
            if match := _PERIOD.search(folder):
                month = date(int(match[1]), int(match[2]), 1)
                found.manifests_in.setdefault(month, []).append(f"{folder}{place.name}-Manifest.json")
                found.data_in.setdefault(month, []).append(folder)
        return found

    def manifests(self, store: S3Store, place: Place, prefix: str) -> Sequence[RemoteFile]:
        return [each for each in store.files(prefix) if each.name == prefix]

    def keys(self, content: Mapping[str, Any]) -> Sequence[str] | None:
        files = content.get("reportKeys")
        return [str(each) for each in files] if isinstance(files, list) else None

    def is_rewritten(self, key: str) -> bool:
        return bool(_REWRITTEN.search(key))

    def health(self, request: Request, listing: Listing) -> None:
        """What the cur API says of the last delivery: it does not say of which month it was, so it counts for the present one."""
        if self._source.anonymous:
            return
        try:
            status = self._definition(QUICK).get("ReportStatus") or {}
        except Trouble as trouble:
            listing.notes.append(
                f"{self._source.report}: whether AWS's last delivery failed is not known: {trouble.what}"
            )
            return
        if str(status.get("lastStatus", "")).startswith("ERROR"):
            what = f"the last delivery ended in {status['lastStatus']}"
            step = "Let billingreports.amazonaws.com write into the bucket: see the bucket's policy."
            month = request.today.replace(day=1)
            listing.troubles.append(
                Trouble(Outcome.INCOMPLETE, what, where=self.place().url, next_step=step, period=month)
            )

    def permissions(self) -> Sequence[Permission]:
        source, needed = self._source, not self._source.bucket
        bucket = source.bucket or "BUCKET"
        base = "" if needed else f"{source.prefix.strip('/')}/{source.report}/".lstrip("/")
        why = "to find the report's bucket" if needed else "to see settings and health of the report"
        return [
            *role_permission(source),
            Permission("s3:ListBucket", bucket_arn(source, bucket), "to see which deliveries there are"),
            Permission("s3:GetObject", bucket_arn(source, bucket, f"{base}*"), "to fetch manifests and data files"),
            Permission("cur:DescribeReportDefinitions", "*", why, optional=not needed),
            Permission("ce:ListCostAllocationTags", "*", "for doctor: which tags the bill names", optional=True),
        ]

    def settings(self) -> Sequence[Finding]:
        """The report's settings against the recommended ones.

        Raises:
            Trouble: they cannot be read.
        """
        found = self._definition(QUICK)
        extra, unit, form = (
            found.get("AdditionalSchemaElements") or [],
            found.get("TimeUnit", ""),
            found.get("Format", ""),
        )
        mode, closed = found.get("ReportVersioning", ""), bool(found.get("RefreshClosedReports"))
        named = ", ".join(extra) or "no schema elements"
        return [
            setting("hourly", unit == "HOURLY", f"TimeUnit {unit}", "Make the report with hourly rows."),
            setting("resource ids", "RESOURCES" in extra, named, "Include resource IDs in the report."),
            setting(
                "split cost data", "SPLIT_COST_ALLOCATION_DATA" in extra, named, "Include split cost allocation data."
            ),
            setting("parquet", form == "Parquet", f"format {form}", "Choose Parquet: smaller, and with types."),
            setting(
                "overwrite",
                mode == "OVERWRITE_REPORT",
                mode,
                "Choose overwriting: the bucket keeps one delivery a month.",
            ),
            setting(
                "closed months",
                closed,
                f"RefreshClosedReports {closed}",
                "Let AWS refresh closed months: refunds come late.",
            ),
        ]

    def _definition(self, deadline: float | None = None) -> dict[str, Any]:
        access = self._source
        with calling(f"report {access.report}", "cur:DescribeReportDefinitions", "*", profile=access.profile):
            api = client(access, "cur", region=BILLING_REGION, deadline=deadline)
            pages = api.get_paginator("describe_report_definitions").paginate()
            every = [each for page in pages for each in page.get("ReportDefinitions", ())]
        found: dict[str, Any] | None = next((each for each in every if each["ReportName"] == access.report), None)
        if found is None:
            raise Trouble(
                Outcome.MISSING,
                f"this account has no report called '{access.report}'",
                where="cur",
                next_step="Reports are seen from the account that made them. Correct the name, or write bucket and prefix.",
            )
        return found
