"""``finops init``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from finops.cli.app import App, pass_app
from finops.errors import UsageError

CONFIG = """\
# A finops workspace. Every key is in docs/configuration.md; paths are relative to this file.

[company]
name = {name}

# Where bills come from: a section per source, named as you like. 'finops collect' reads them all, 'finops run' does that
# and builds and reports. Single files go in with 'finops load FILE'.
#
# [sources.prod-aws]
# type = "aws-data-export"      # CUR 2.0 or FOCUS in S3
# bucket = "acme-billing"
# prefix = "exports"
# export = "cur2-hourly"
# profile = "billing-read"      # or role_arn = "…"; left out: the SDK's own order
#
# [sources.gcp]
# type = "gcp-bigquery"
# project = "acme-billing"      # who pays for the queries
# table = "acme-billing.billing.gcp_billing_export_resource_v1_0A1B2C_3D4E5F_607182"
#
# [sources.openai]
# type = "openai"
# api_key = "env:OPENAI_ADMIN_KEY"   # or file:PATH; a secret is never written here
#
# [sources.somewhere]
# type = "files"                # a folder of bills in any format that finops knows; also s3:// and gs://
# path = "/data/exports"
#
# The other types: aws-cur, aws-cost-explorer, aws-organizations, gcp-billing, azure-export, anthropic. 'finops doctor' says what
# works and what doesn't; 'finops doctor --policy' prints the permissions to ask for.

[landing]
path = "landing"                # every delivered file, as it came, under its hash: back this up

[warehouse]
path = "finops.duckdb"          # derived: 'finops build --full' makes it again from landing/
memory_limit = "3GB"

[paths]
queries = "queries"             # your own SQL: same path as a shipped file replaces it, a new path adds a rule
mappings = "mappings"           # which account, project, resource or tag spelling belongs to which team
templates = "templates"         # your own report templates
findings = "findings"           # since when each finding is open: keep it under version control, it can't be made again
outbox = "outbox"               # what was mailed to whom: keep it from run to run, or a report is mailed again

[reports]
path = "reports"

# Who gets which report by mail: once per recipient, after 'finops run' or by 'finops send' (docs/mail.md). 'finops doctor' asks
# the server; 'finops send --dry-run' writes the mails as files.
#
# [mail]
# from = "finops@example.com"
# team_owners = ["weekly"]      # to the owners in mappings/teams.csv, each their team's
#
# [mail.smtp]                   # or [mail.ses] with a region
# host = "smtp.example.com"     # port 587 with STARTTLS, unless said otherwise
# username = "finops"
# password = "env:FINOPS_MAIL_PASSWORD"
#
# [[mail.recipients]]
# to = ["cfo@example.com"]
# reports = ["weekly", "monthly"]
#
# [[mail.recipients]]
# team = "search"
# to = ["search-leads@example.com"]

# What finance books ('finops allocate chargeback 2026-10'); docs/chargeback.md has the journal's columns:
# [chargeback]
# expense_account = "6540"
# clearing_account = "1590"
# decimal_comma = true

# Thresholds of rules ('finops queries show ID' lists them), for everybody, a team or an environment:
# [params.idle_endpoint]
# window_days = 7
# [params.idle_endpoint.team.ml-research]
# window_days = 21
"""

MAPPINGS = {
    "teams.csv": ("team,name,cost_center,owner", ["search,Search,cc-1042,", "ml-research,ML research,cc-2087,"]),
    "pools.csv": ("pool,name,split,basis,window,among,fallback", ["shared-platform,Shared platform,even,,,,"]),
    "splits.csv": ("pool,team,percent,valid_from,valid_until", []),
    "tag_aliases.csv": ("kind,alias,canonical", ["key,tema,team", "value,ml-reserch,ml-research"]),
    "resources.csv": (
        "pattern,team,valid_from,valid_until",
        ["search-.*,search,,", "shared-cluster,shared-platform,2026-10-01,"],
    ),
    "tags.csv": ("key,value,team", ["app,ranking-.*,search"]),
    "callers.csv": ("pattern,team", [".*:role/search-.*,search"]),
    "keys.csv": ("key_id,team", ["search-assistant,search"]),
    "names.csv": ("kind,pattern,team", ["account,acme-search-.*,search"]),
    "projects.csv": ("project_id,team", ["acme-search-prod,search"]),
    "folders.csv": ("folder,team", ["acme.example/research,ml-research"]),
    "accounts.csv": ("account_id,team,valid_from,valid_until", ["111122223333,search,,"]),
    "exceptions.csv": ("rule_id,resource_id,reason,owner,until", []),
}

QUERIES_README = """\
Your own SQL files. The same path as a shipped file replaces it (finops queries copy ID gives you a start); a new path adds
one: allocate/, findings/, analyses/, checks/, classify/, normalise/. 'finops queries check' tells what is wrong with them.
"""


@click.command()
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option("--example", is_flag=True, help="Put an example line into each mapping file.")
@pass_app
def init(app: App, folder: Path, example: bool) -> None:
    """Start a workspace: finops.toml, mapping files, a folder for your own queries.

    Existing files are never touched.

    \b
    Then:
      finops load BILLS        # files or folders, any format
      finops report            # last week; or --period 2026-10
    """
    config = folder / "finops.toml"
    if config.exists():
        raise UsageError("is a workspace already", where=str(folder.resolve()), next_step="Edit its finops.toml.")
    folder.mkdir(parents=True, exist_ok=True)
    _write(config, CONFIG.format(name=_toml_text(folder.resolve().name)))
    for file, (header, examples) in MAPPINGS.items():
        _write(folder / "mappings" / file, "\n".join([header, *(examples if example else []), ""]))
    _write(folder / "queries" / "README.md", QUERIES_README)
    _write(folder / ".gitignore", "finops.duckdb*\nfinops*.log*\nfinops.env\nlanding/\noutbox/\nreports/\n")
    app.say(f"A workspace is in {folder.resolve()}.")
    app.say("Next: finops load BILLS, then finops report.")


def _toml_text(text: str) -> str:
    """A basic string of TOML: JSON's escapes are among TOML's, but TOML has DEL escaped too, and no half characters."""
    whole = text.encode("utf-8", "replace").decode()
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(text, encoding="utf-8")
