"""What ``finops doctor`` says of Azure exports: may they be read, are they fresh, are their settings the useful ones?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from finops.collectors.azure.layout import COSTS
from finops.collectors.interface import Finding, Listing, Request, Verdict
from finops.errors import FinopsError

if TYPE_CHECKING:
    from finops.collectors.azure.export import AzureExportCollector, Chosen

FRESH = 2
"""Days: exports run daily."""


def examine(collector: AzureExportCollector, request: Request, where: str) -> Sequence[Finding]:
    """One finding for each check."""
    listing = Listing()
    try:
        found = collector.choose(replace(request, known={}), listing)  # so that every manifest is read
    except FinopsError as error:
        return [Finding("read the export", Verdict.FAILED, str(error).splitlines()[0], error.next_step)]
    findings = [Finding("read the export", Verdict.OK, f"{where} can be listed and read")]
    findings += [Finding("delivered whole", Verdict.FAILED, str(each).splitlines()[0], each.next_step)
                 for each in listing.troubles]  # fmt: skip
    if not found:
        nothing = Finding("freshness", Verdict.WARNING, f"{where} has nothing of the months that are asked for",
                          "Look at the export's run history in the Azure portal.")  # fmt: skip
        return [*findings, nothing]
    for export in dict.fromkeys(each.export for each in found):
        newest = max((each for each in found if each.export == export), key=lambda each: each.run.at)
        findings += [_freshness(newest, request.today), *_settings(newest)]
    return findings


def _freshness(chosen: Chosen, today: date) -> Finding:
    days = max(0, (today - chosen.run.at.date()).days)
    detail = f"{chosen.export}: the newest run is of {chosen.run.at:%Y-%m-%d}, {days} days ago"
    if days <= FRESH:
        return Finding("freshness", Verdict.OK, detail)
    return Finding("freshness", Verdict.WARNING, detail, "Schedule a 'daily export of month-to-date costs'.")


def _settings(chosen: Chosen) -> list[Finding]:
    if chosen.stated is None:
        detail = (
            f"{chosen.export}: an old export, without a manifest: a half-written file can't be told from a whole one"
        )
        return [Finding("manifest", Verdict.WARNING, detail, "Create the export anew, with file partitioning.")]
    kind = COSTS.get(chosen.stated.kind, "")
    findings = []
    if not kind:
        findings.append(Finding("cost basis", Verdict.UNKNOWN, f"{chosen.export}: the manifest doesn't say"))
    elif kind == "actual":
        detail = f"{chosen.export}: actual costs: a commitment costs its full price on the day it is bought"
        findings.append(Finding("cost basis", Verdict.WARNING, detail, "Export FOCUS or amortised costs instead."))
    else:
        findings.append(Finding("cost basis", Verdict.OK, f"{chosen.export}: {kind} costs"))
    form = str(chosen.stated.delivery.get("fileFormat") or "Csv")
    packed = str(chosen.stated.delivery.get("compressionMode") or "None")
    detail = f"{chosen.export}: {form}, compression {packed}"
    if form.lower() == "csv" and packed.lower() == "none":
        advice = "Choose Parquet with Snappy, or CSV with Gzip: a tenth of the bytes."
        return [*findings, Finding("file format", Verdict.WARNING, detail, advice)]
    return [*findings, Finding("file format", Verdict.OK, detail)]
