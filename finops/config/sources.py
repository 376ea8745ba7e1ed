"""Every kind of source that ``finops.toml`` may configure. One class per type."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, Field, field_validator, model_validator

from finops.config.secrets import Secret
from finops.config.section import Section
from finops.config.servers import MLflow, Prometheus
from finops.config.source import Source


def _bucket_name(value: str) -> str:
    if not value.startswith("arn:") and not re.fullmatch(r"[A-Za-z0-9._-]*", value):
        raise ValueError("must be the bucket's name alone: no s3://, no slash, no space; a path in it goes into prefix")
    return value


BucketName = Annotated[str, AfterValidator(_bucket_name)]


def _table_name(value: str) -> str:
    if not re.fullmatch(r"[^`\s]+\.[^.`\s]+\.[^.`\s]+", value):
        raise ValueError("must be project.dataset.table, with dots and without backticks")
    return value


class AwsAccess(Source):
    """How AWS is reached. Left out: the SDK's own order (environment, profile, SSO, instance role)."""

    services: ClassVar[frozenset[str]] = frozenset({"s3", "sts", "bcm-data-exports", "cur", "ce", "organizations"})

    region: str = "us-east-1"
    """Of the bucket, or of the service where it has regions."""
    profile: str = ""
    """A profile of ``~/.aws/config``, single sign-on included."""
    role_arn: str = ""
    """A role to take on, for another account."""
    external_id: str = ""
    """What the role's trust policy asks for."""


class AwsDataExport(AwsAccess):
    """AWS Data Exports: CUR 2.0 or FOCUS."""

    type: Literal["aws-data-export"]
    """The kind of source."""
    bucket: BucketName = ""
    """Where the export is delivered. Left out: asked of the bcm-data-exports API."""
    prefix: str = ""
    """The export's S3 path prefix."""
    export: str
    """The export's name."""


class AwsCur(AwsAccess):
    """The legacy Cost and Usage Report."""

    type: Literal["aws-cur"]
    """The kind of source."""
    bucket: BucketName = ""
    """Where the report is delivered. Left out: asked of the cur API."""
    prefix: str = ""
    """The report's path prefix."""
    report: str
    """The report's name."""


class AwsCostExplorer(AwsAccess):
    """AWS Cost Explorer: daily totals for accounts that have no export. A lower grade: no resources, no hours."""

    type: Literal["aws-cost-explorer"]
    """The kind of source."""
    accounts: list[str] = []
    """Linked accounts to ask for one by one. Left out: all together, with the account they belong to where that is stated."""
    allow_cost: bool = False
    """Agree to what the calls cost (0.01 USD each), so that scheduled runs need no --yes."""


class AwsOrganizations(AwsAccess):
    """AWS Organizations: the accounts' names, organizational units and tags, for the inventory."""

    type: Literal["aws-organizations"]
    """The kind of source."""


class AwsAccount(Section):
    """One account whose resources are read."""

    id: Annotated[str, Field(pattern=r"^\d{12}$")]
    """Twelve digits."""
    role_arn: str = ""
    """A role in it to take on. Left out: the source's own identity reads it."""
    external_id: str = ""
    """What the role's trust policy asks for."""


class AwsUtilisation(AwsAccess):
    """What there is in AWS accounts and what it does: SageMaker, Bedrock, EC2, EBS, EFS, and CloudWatch's metrics."""

    services: ClassVar[frozenset[str]] = frozenset(
        {
            "sts",
            "sagemaker",
            "bedrock",
            "ec2",
            "efs",
            "cloudwatch",
            "application-autoscaling",
            "resourcegroupstaggingapi",
        }
    )

    type: Literal["aws-utilisation"]
    """The kind of source."""
    regions: list[str] = []
    """Such as us-east-1. Left out: region alone."""
    accounts: list[AwsAccount] = []
    """Left out: the account of the identity that asks."""
    history_days: Annotated[int, Field(ge=1, le=455)] = 31
    """How many days of metrics the first run asks for. CloudWatch takes about 0.01 USD for 1,000 series."""


class GcpAccess(Source):
    """How Google Cloud is reached. Left out: application default credentials."""

    services: ClassVar[frozenset[str]] = frozenset(
        {"bigquery", "bigquerystorage", "cloudbilling", "storage", "iamcredentials"}
    )

    credentials: Secret | None = None
    """``file:PATH`` or ``env:NAME`` of a service account's key or a workload identity configuration, as JSON."""
    impersonate: str = ""
    """A service account to act as."""


class GcpBigQuery(GcpAccess):
    """A Cloud Billing export in BigQuery: standard, detailed or FOCUS, told from the table."""

    type: Literal["gcp-bigquery"]
    """The kind of source."""
    project: str
    """Who pays for the queries."""
    table: Annotated[str, AfterValidator(_table_name)]
    """The table: project.dataset.table."""
    location: str = ""
    """The dataset's location. Left out: found out."""
    maximum_bytes_billed: Annotated[int, Field(gt=0)] = 200_000_000_000
    """No query that would scan more is run."""
    usd_per_tib: Decimal = Decimal("6.25")
    """What a scanned TiB costs you, for --dry-run: the on-demand list price of most regions."""


class GcpBilling(GcpAccess):
    """The Cloud Billing API: billing accounts and the projects linked to them, for the inventory; SKUs of the catalogue."""

    type: Literal["gcp-billing"]
    """The kind of source."""
    billing_accounts: list[str] = []
    """Such as 0A1B2C-3D4E5F-607182. Left out: all that the identity may see."""
    catalogue: bool = True
    """Fetch the public catalogue's SKUs, to explain them."""


class GcpUtilisation(GcpAccess):
    """What there is in Google Cloud projects and what it does: Vertex AI, Workbench, TPUs, GPU machines; and Cloud Monitoring."""

    services: ClassVar[frozenset[str]] = frozenset(
        {"aiplatform", "notebooks", "tpu", "compute", "monitoring", "cloudresourcemanager", "iamcredentials"}
    )

    type: Literal["gcp-utilisation"]
    """The kind of source."""
    projects: Annotated[list[str], Field(min_length=1)]
    """Project ids."""
    locations: list[str] = []
    """Vertex AI locations such as us-central1. Left out: all that the project has."""
    history_days: Annotated[int, Field(ge=1, le=42)] = 31
    """How many days of metrics the first run asks for. Cloud Monitoring keeps six weeks."""


class AzureExport(Source):
    """An Azure Cost Management export (actual, amortized or FOCUS) in a blob container, or in a folder synced from it."""

    services: ClassVar[frozenset[str]] = frozenset({"blob"})

    type: Literal["azure-export"]
    """The kind of source."""
    account: str = ""
    """The storage account's name, or its blob endpoint's URL."""
    container: str = ""
    """The container."""
    path: Path | None = None
    """Instead of account and container: a local folder into which somebody else syncs the container."""
    directory: str = ""
    """The export's root folder in the container."""
    export: str = ""
    """The export's name: the folder below. Left out: every export in the directory."""
    connection_string: Secret | None = None
    """Where a connection string is kept. Left out, with sas and account_key too: the identity of the machine."""
    sas: Secret | None = None
    """Where a shared access signature is kept."""
    account_key: Secret | None = None
    """Where the storage account's key is kept."""

    @model_validator(mode="after")
    def _one_place(self) -> AzureExport:
        remote = bool(self.container and (self.account or self.connection_string or "blob" in self.endpoints))
        if remote and self.path is not None:
            raise ValueError("has both a container and a path: it takes one of them")
        if not remote and self.path is None:
            raise ValueError("needs account (or connection_string) and container, or else path")
        return self


class LlmVendor(Source):
    """What the vendors' cost APIs take."""

    api_key: Secret
    """Where the admin key is kept."""


class OpenAI(LlmVendor):
    """OpenAI: an organisation's costs, and its usage."""

    services: ClassVar[frozenset[str]] = frozenset({"openai"})

    type: Literal["openai"]
    """The kind of source."""
    usage: bool = True
    """Fetch token counts too."""


class Anthropic(LlmVendor):
    """Anthropic: an organisation's cost report, and its usage report."""

    services: ClassVar[frozenset[str]] = frozenset({"anthropic"})

    type: Literal["anthropic"]
    """The kind of source."""
    usage: bool = True
    """Fetch token counts too."""


class FilesSource(AwsAccess):
    """A folder of billing files in any format that finops knows: local, ``s3://bucket/prefix`` or ``gs://bucket/prefix``."""

    services: ClassVar[frozenset[str]] = frozenset({"s3", "sts", "storage", "iamcredentials"})

    type: Literal["files", "focus-files"]
    """The kind of source. focus-files reads FOCUS files only."""
    path: str
    """The folder or file."""
    file_format: Annotated[str, Field(alias="format")] = ""
    """Empty: detected."""
    credentials: Secret | None = None
    """For gs://, as for gcp-bigquery."""
    impersonate: str = ""
    """For gs://, a service account to act as."""

    @property
    def format(self) -> str:
        """The one format that is looked for; empty: detected."""
        return self.file_format or ("focus" if self.type == "focus-files" else "")

    @field_validator("path", mode="before")
    @classmethod
    def _reachable(cls, value: Any) -> Any:
        if isinstance(value, str) and "://" in value and not value.startswith(("s3://", "gs://")):
            raise ValueError("must be a local folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX")
        return value


AnySource = Annotated[
    AwsDataExport
    | AwsCur
    | AwsCostExplorer
    | AwsOrganizations
    | AwsUtilisation
    | GcpBigQuery
    | GcpBilling
    | GcpUtilisation
    | Prometheus
    | MLflow
    | AzureExport
    | OpenAI
    | Anthropic
    | FilesSource,
    Field(discriminator="type"),
]

SOURCE_TYPES: dict[str, type[Source]] = {
    name: model
    for model in get_args(get_args(AnySource)[0])
    for name in get_args(model.model_fields["type"].annotation)
}
"""The class of each type of source."""
