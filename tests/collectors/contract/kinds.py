"""Every kind of source, and how its stage is made."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from collectors.fakes.aws import FakeAws

from .aws import Cur2Overwritten, FocusKept, LegacyCur
from .azure import AzureStage
from .cost_explorer import CostExplorerStage
from .files import GcsFolder, LocalFolder, S3Folder
from .google import BigQueryStage
from .inventory import CloudBilling, Names, Organization
from .llm import AnthropicStage, OpenAIStage
from .stage import Stage


class Fakes:
    """What takes long to start, shared by the stages of a module."""

    def __enter__(self) -> Fakes:
        return self

    def __exit__(self, *_: object) -> None:
        if "aws" in self.__dict__:
            self.aws.stop()

    @cached_property
    def aws(self) -> FakeAws:
        return FakeAws()


KINDS: dict[str, Callable[[Path, Fakes], Stage]] = {
    "aws-data-export-cur2": lambda folder, fakes: Cur2Overwritten(folder, fakes.aws),
    "aws-data-export-focus": lambda folder, fakes: FocusKept(folder, fakes.aws),
    "aws-cur": lambda folder, fakes: LegacyCur(folder, fakes.aws),
    "aws-cost-explorer": lambda folder, fakes: CostExplorerStage(folder),
    "gcp-bigquery": lambda folder, fakes: BigQueryStage(folder),
    "azure-export": lambda folder, fakes: AzureStage(folder),
    "openai": lambda folder, fakes: OpenAIStage(folder),
    "anthropic": lambda folder, fakes: AnthropicStage(folder),
    "files-local": lambda folder, fakes: LocalFolder(folder),
    "files-s3": lambda folder, fakes: S3Folder(folder, fakes.aws),
    "files-gs": lambda folder, fakes: GcsFolder(folder),
}

NAMES: dict[str, Callable[[Path, Fakes], Names]] = {
    "aws-organizations": lambda folder, fakes: Organization(folder, fakes.aws),
    "gcp-billing": lambda folder, fakes: CloudBilling(folder),
}
"""Every kind of source that has names for the inventory, and no bills."""
