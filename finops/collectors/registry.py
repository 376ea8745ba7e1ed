"""Which collector reads which type of source. A collector's module, and with it its SDK, is imported when it is needed."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import cast

from finops.collectors.interface import Collector
from finops.config.source import Source

COLLECTORS = {
    "aws-data-export": "aws.data_export:AwsDataExportCollector",
    "aws-cur": "aws.cur:AwsCurCollector",
    "aws-cost-explorer": "aws.cost_explorer:AwsCostExplorerCollector",
    "aws-organizations": "aws.organizations:AwsOrganizationsCollector",
    "aws-utilisation": "aws.utilisation:AwsUtilisationCollector",
    "gcp-bigquery": "gcp.bigquery:GcpBigQueryCollector",
    "gcp-billing": "gcp.billing:GcpBillingCollector",
    "gcp-utilisation": "gcp.utilisation:GcpUtilisationCollector",
    "prometheus": "prometheus.collector:PrometheusCollector",
    "mlflow": "mlflow.collector:MLflowCollector",
    "azure-export": "azure.export:AzureExportCollector",
    "openai": "llm.openai:OpenAICollector",
    "anthropic": "llm.anthropic:AnthropicCollector",
    "files": "files.folder:FilesCollector",
    "focus-files": "files.folder:FilesCollector",
}


def collector(source_id: str, source: Source, folder: Path) -> Collector:
    """The collector of a configured source; it has not yet connected to anything.

    Args:
        folder: the workspace, from which relative paths start.
    """
    module, name = COLLECTORS[source.type].split(":")
    made = getattr(importlib.import_module(f"finops.collectors.{module}"), name)
    return cast(Collector, made(source_id, source, folder))
