"""What may be written in a source's section, and what is refused before anybody is asked: each in words, with its line."""

from __future__ import annotations

import pytest
from conftest import Workspace

AWS = 'type = "aws-data-export"\nexport = "cur2"\n'
BIGQUERY = 'type = "gcp-bigquery"\nproject = "acme"\n'
AZURE = 'type = "azure-export"\ncontainer = "exports"\naccount = "acme"\n'
OPENAI = 'type = "openai"\napi_key = "env:NO_KEY"\n'

REFUSED = {
    "bucket with s3://": (AWS + 'bucket = "s3://acme-billing"', "must be the bucket's name alone"),
    "bucket with a path": (AWS + 'bucket = "acme-billing/exports"', "must be the bucket's name alone"),
    "bucket with spaces": (AWS + 'bucket = " acme-billing "', "must be the bucket's name alone"),
    "table with backticks": (BIGQUERY + 'table = "`acme.billing.export`"', "must be project.dataset.table"),
    "table with a colon": (BIGQUERY + 'table = "acme:billing.export"', "must be project.dataset.table"),
    "container and path": (AZURE + 'path = "exports"', "has both a container and a path"),
    "neither of them": ('type = "azure-export"\n', "needs account (or connection_string) and container, or else path"),
    "endpoint of nobody": (OPENAI + 'endpoints = { opanai = "http://127.0.0.1:1" }', "is no service of this source"),
    "endpoint of another": (OPENAI + 'endpoints = { s3 = "http://127.0.0.1:1" }', "it asks openai"),
    "endpoint with no scheme": (AWS + 'endpoints = { s3 = "127.0.0.1:1" }', "must begin with http:// or https://"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_setting_that_cannot_be_meant_is_refused_with_its_line(case: str, workspace: Workspace) -> None:
    section, said = REFUSED[case]
    workspace.write("finops.toml", f"[sources.mine]\n{section}\n")
    result = workspace.finops("collect")
    assert result.exit_code == 2
    assert said in result.err
    assert "line " in result.err and "sources.mine" in result.err


@pytest.mark.parametrize(
    "section",
    [
        AWS + 'bucket = "arn:aws:s3:eu-west-1:111122223333:accesspoint/billing"',
        AWS + 'bucket = "acme.billing-1"\nendpoints = { s3 = "https://s3.example.com", sts = "http://127.0.0.1:1" }',
        BIGQUERY + 'table = "example.com:acme.billing.export"',
        BIGQUERY + 'table = "acme.billing.export"\nendpoints = { bigquerystorage = "127.0.0.1:1" }',
    ],
)
def test_what_can_be_meant_is_taken(section: str, workspace: Workspace) -> None:
    workspace.write("finops.toml", f"[sources.mine]\n{section}\n")
    result = workspace.finops("doctor", "--policy")
    assert result.exit_code == 0, result.err
