"""The Cloud Billing API: billing accounts with the projects linked to them, and the SKUs of the public catalogue.

No money is read: a bill has its own, and list prices of the catalogue are not what anybody pays. Each billing account is an
offer, fetched when it or its projects have changed. The catalogue is one offer, fetched once in a calendar week.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from finops.collectors.gcp.access import acting_as
from finops.collectors.gcp.billing_api import HOST, BillingApi
from finops.collectors.interface import (
    Finding,
    Listing,
    Offer,
    Outcome,
    Permission,
    RemoteFile,
    Request,
    Tell,
    Trouble,
    Verdict,
)
from finops.config.sources import GcpBilling
from finops.errors import FinopsError

CATALOGUE = f"{HOST}/services"

SERVICE_IDS = {
    "6F81-5844-456A",  # Compute Engine
    "C7E2-9256-1C43",  # Vertex AI
    "AEFD-7695-64FA",  # Gemini API
    "24E6-581D-38E5",  # BigQuery
    "95FF-2EF5-5EA1",  # Cloud Storage
    "9662-B51E-5089",  # Cloud SQL
    "29E7-DA93-CA13",  # Cloud Functions
    "F17B-412E-CB64",  # App Engine
    "5490-F7B7-8DF6",  # Cloud Logging
    "58CD-E7C3-72CA",  # Cloud Monitoring
    "A1E8-BE35-7EBC",  # Cloud Pub/Sub
    "5AF5-2C11-D467",  # Cloud Memorystore for Redis
}
SERVICES = {
    *("Vertex AI", "Gemini API", "Cloud Machine Learning Engine", "Notebooks", "Cloud TPU", "Cloud Natural Language"),
    *("Cloud Vision API", "Cloud Speech API", "Cloud Text-to-Speech API", "Cloud Document AI API", "Translate"),
    *("Compute Engine", "Kubernetes Engine", "Cloud Run", "Cloud Run Functions", "Cloud Functions", "App Engine"),
    *("Cloud Storage", "Cloud Filestore", "NetApp Volumes", "Artifact Registry", "Networking", "Cloud Build"),
    *("BigQuery", "BigQuery Reservation API", "BigQuery Storage API", "BigQuery BI Engine", "Cloud Dataflow"),
    *("Cloud Dataproc", "Dataplex", "Cloud Composer", "Cloud Pub/Sub", "Cloud SQL", "AlloyDB", "Cloud Spanner"),
    *("Cloud Bigtable", "Cloud Firestore", "Cloud Memorystore for Redis", "Cloud Logging", "Cloud Monitoring"),
    *("Cloud Key Management Service (KMS)", "Secret Manager", "Support"),
}
"""The services whose SKUs are fetched, as the catalogue calls them; the ids stay when a name changes. It has thousands more,
nearly all of them products of the marketplace, and each is a call."""


class GcpBillingCollector:
    """Lists what the identity sees; the listing of an account is its content, so looking is nearly all of the work."""

    def __init__(self, source_id: str, source: GcpBilling, folder: Path) -> None:
        self.source_id = source_id
        self._source = source
        self._api = BillingApi(source, folder)
        self._seen: dict[tuple[str, str], bytes] = {}
        """By key and version of the offers: what ``look`` has read already."""

    def look(self, request: Request) -> Listing:
        """An offer for each billing account, and the catalogue of the week."""
        listing = Listing()
        try:
            accounts = self._accounts(listing)
        except Trouble as trouble:
            if trouble.outcome is not Outcome.DENIED or not self._source.catalogue:
                raise
            accounts = []  # the catalogue takes no permission
            listing.troubles.append(trouble)
        for account in accounts:
            try:
                listing.offers.append(self._offer(account))
            except Trouble as trouble:
                listing.troubles.append(trouble)
        if self._source.catalogue:
            year, week, _ = request.today.isocalendar()
            listing.offers.append(Offer(CATALOGUE, f"{year}-W{week:02}", note="SKUs of the public catalogue"))
        return listing

    def fetch(self, offer: Offer, files: Sequence[RemoteFile], folder: Path, tell: Tell) -> None:
        """Write the lines, one file an offer."""
        folder.mkdir(parents=True, exist_ok=True)
        if offer.key == CATALOGUE:
            self._fetch_catalogue(folder / "skus.jsonl", tell)
            return
        content = self._seen.get((offer.key, offer.version))
        if content is None:
            name = offer.key.removeprefix(f"{HOST}/")
            content = self._lines(self._api.account(name))
            if _version(content) != offer.version:
                raise Trouble(
                    Outcome.INCOMPLETE,
                    "has changed since it was looked at",
                    where=name,
                    next_step="The next run reads what is there then.",
                )
        (file,) = offer.files
        _replace(folder / file.name, [content])
        tell(file.name, len(content))

    def permissions(self) -> Sequence[Permission]:
        """The role Billing Account Viewer has them all; the catalogue is public and takes none."""
        accounts = [f"billing account {each}" for each in self._source.billing_accounts] or ["every billing account"]
        see, why = (
            ("billing.accounts.get", "to read the account's name and whether it is open")
            if self._source.billing_accounts
            else ("billing.accounts.list", "to see the billing accounts")
        )
        link = ("billing.resourceAssociations.list", "to see the projects that are linked to it")
        needed = [Permission(action, on, reason) for on in accounts for action, reason in ((see, why), link)]
        return [*needed, *acting_as(self._source)]

    def examine(self, request: Request) -> Sequence[Finding]:
        """Identity, access, closed accounts, projects without billing."""
        try:
            who = self._api.who
            listing = Listing()
            accounts = list(self._accounts(listing))
        except FinopsError as error:
            return [_failed("billing accounts", error)]
        findings = [Finding("identity", Verdict.OK, who)]
        findings += [_failed("billing accounts", each) for each in listing.troubles]
        for account in accounts:
            try:
                projects = self._api.projects(account.name)
            except Trouble as trouble:
                findings.append(_failed("billing.resourceAssociations.list", trouble))
                continue
            findings += _account_findings(account, projects)
        if self._source.catalogue:
            try:
                services = self._services()
                findings.append(Finding("catalogue", Verdict.OK, f"{len(services)} services are known"))
            except Trouble as trouble:
                findings.append(_failed("catalogue", trouble))
        return findings

    def _accounts(self, listing: Listing) -> list[Any]:
        """The billing accounts; those that are configured and can't be read go to the listing's troubles.

        Raises:
            Trouble: none can be read.
        """
        names = self._source.billing_accounts
        if not names:
            found = self._api.accounts()
            if found:
                return found
            raise Trouble(
                Outcome.DENIED,
                "this identity sees no billing account",
                where=self._api.who,
                next_step="Grant it roles/billing.viewer on the billing account: without, the list comes empty.",
            )
        accounts = []
        for name in names:
            try:
                accounts.append(self._api.account(f"billingAccounts/{name.removeprefix('billingAccounts/')}"))
            except Trouble as trouble:
                if len(names) == 1:
                    raise
                listing.troubles.append(trouble)
        return accounts

    def _services(self) -> list[Any]:
        found = [
            each for each in self._api.services() if each.service_id in SERVICE_IDS or each.display_name in SERVICES
        ]
        return sorted(found, key=lambda each: str(each.service_id))

    def _offer(self, account: Any) -> Offer:
        content = self._lines(account)
        key, version = f"{HOST}/{account.name}", _version(content)
        self._seen[key, version] = content
        name = f"{account.name.rpartition('/')[2]}.jsonl"
        projects = content.count(b"\n") - 1
        return Offer(key, version, [RemoteFile(name, len(content), version)], note=f"{projects} projects")

    def _lines(self, account: Any) -> bytes:
        """The account, and a line for each of its projects: in an order that does not depend on the API's."""
        about = {
            "name": account.name,
            "displayName": account.display_name,
            "open": account.open_,
            "masterBillingAccount": account.master_billing_account,
            "currencyCode": account.currency_code,
        }
        rows: list[dict[str, Any]] = [{"name": None, "projectId": None, "billingEnabled": None}]
        rows += [
            {"name": each.name, "projectId": each.project_id, "billingEnabled": each.billing_enabled}
            for each in sorted(self._api.projects(account.name), key=lambda each: str(each.project_id))
        ]
        return b"".join(_line({"billingAccount": about, "project": row}) for row in rows)

    def _fetch_catalogue(self, target: Path, tell: Tell) -> None:
        """Service by service, so that no more than one is held in memory."""

        def lines() -> Iterable[bytes]:
            for service in self._services():
                about = {"serviceId": service.service_id, "displayName": service.display_name}
                skus = self._api.skus(service.name)
                block = b"".join(_line({"service": about, "sku": sku}) for sku in sorted(map(_sku, skus), key=_sku_id))
                tell(f"SKUs of {service.display_name}", len(block))
                yield block

        if not _replace(target, lines()):
            target.unlink()
            raise Trouble(
                Outcome.CHANGED,
                "the catalogue has none of the services that are known",
                where=CATALOGUE,
                next_step="Set catalogue = false for the source to go on without it.",
            )


def _account_findings(account: Any, projects: Sequence[Any]) -> list[Finding]:
    name = f"{account.display_name} ({account.name.rpartition('/')[2]})"
    if not account.open_:
        advice = "Link its projects to an open account, or leave it out of billing_accounts."
        findings = [Finding("billing account", Verdict.WARNING, f"{name} is closed", advice)]
    else:
        findings = [Finding("billing account", Verdict.OK, f"{name} is open, {len(projects)} projects are linked")]
    disabled = sorted(str(each.project_id) for each in projects if not each.billing_enabled)
    if disabled:
        shown = ", ".join(disabled[:5]) + (" …" if len(disabled) > 5 else "")
        detail = f"{len(disabled)} of the projects linked to {name} have billing disabled: {shown}"
        findings.append(Finding("projects", Verdict.WARNING, detail, "Enable billing for them, or delete them."))
    return findings


def _failed(check: str, error: FinopsError) -> Finding:
    return Finding(check, Verdict.FAILED, str(error).splitlines()[0], error.next_step)


def _sku(sku: Any) -> dict[str, Any]:
    """What explains a SKU: no price."""
    priced = max(sku.pricing_info, key=lambda each: str(each.effective_time or ""), default=None)
    return {
        "skuId": sku.sku_id,
        "description": sku.description,
        "category": {
            "resourceFamily": sku.category.resource_family,
            "resourceGroup": sku.category.resource_group,
            "usageType": sku.category.usage_type,
        },
        "serviceRegions": sorted(sku.service_regions),
        "serviceProviderName": sku.service_provider_name,
        "usageUnit": priced.pricing_expression.usage_unit if priced else "",
    }


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _sku_id(sku: dict[str, Any]) -> str:
    return str(sku["skuId"])


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _replace(target: Path, blocks: Iterable[bytes]) -> int:
    """Write a file whole or not at all; gives its size."""
    partial = target.with_name(f".{target.name}.partial")
    with partial.open("wb") as out:
        for block in blocks:
            out.write(block)
        out.flush()
        os.fsync(out.fileno())
        size = out.tell()
    partial.replace(target)
    return size
