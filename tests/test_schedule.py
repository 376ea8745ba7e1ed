"""``finops schedule`` prints schedules that work as they are printed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import jsonschema
import kubernetes_validate
import pytest
from conftest import Workspace, focus_csv
from ruamel.yaml import YAML

from finops.cli.timetable import parse_timetable
from finops.errors import UsageError

CONFIG = """
[reports]
teams = false
xlsx = false
[sources.bills]
type = "files"
path = "bills"
"""
SECRETS = """
[notify]
urls = ["env:FINOPS_HOOK"]
[sources.prod-aws]
type = "aws-data-export"
bucket = "acme-billing"
export = "cur2"
[sources.ai]
type = "openai"
api_key = "env:OPENAI_ADMIN_KEY"
"""
ODD = 'we\'re 100% "odd" $HOME é ${{ github.token }}'


@pytest.fixture
def odd(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Workspace:
    """A workspace in a folder whose name needs every kind of quoting."""
    (tmp_path / ODD).mkdir()
    workspace = Workspace(tmp_path / ODD, capsys)
    workspace.write("finops.toml", CONFIG)
    workspace.write("bills/bill.csv", focus_csv(*["1.5"] * 30))
    return workspace


def as_cron_does(lines: str) -> tuple[str, str]:
    """The fields of the time, and what is given to the shell: up to a ``%`` that is not escaped."""
    [line] = [line for line in lines.splitlines() if not line.startswith(("#", "CRON_TZ"))]
    *fields, command = line.split(" ", 5)
    return " ".join(fields), re.split(r"(?<!\\)%", command)[0].replace("\\%", "%")


def bare(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """In the environment that cron and systemd give, from another folder."""
    return subprocess.run(
        ["env", "-i", f"HOME={folder}", "PATH=/usr/bin:/bin", *command],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_line_for_cron_and_the_unit_for_systemd_run_the_job(odd: Workspace) -> None:
    fields, command = as_cron_does(odd.finops("schedule", "cron").out)
    assert fields == "0 6 * * 1"
    odd.write("finops.env", "TZ='Europe/Vienna'\n")
    first = bare(["sh", "-c", command], odd.folder)
    assert (first.returncode, first.stdout, first.stderr) == (0, "", ""), "nothing that cron would mail"
    [report] = (odd.folder / "reports").iterdir()
    assert (report / "index.html").is_file()
    assert "30 rows" in (odd.folder / "finops-cron.log").read_text()

    shutil.rmtree(odd.folder / "bills")
    unit = odd.finops("schedule", "systemd").out
    [start] = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    arguments = [each.replace("$$", "$").replace("%%", "%") for each in shlex.split(start)]
    again = bare(arguments, odd.folder)
    assert again.returncode == 3, again.stderr
    assert again.stdout.splitlines()[-1] == str(report / "index.html")


def test_cron_mails_one_line_of_a_run_that_failed_and_reads_the_secrets_before(odd: Workspace, tmp_path: Path) -> None:
    """A stand-in for finops shows what it was given."""
    stand_in = tmp_path / "a finops"
    stand_in.write_text('#!/bin/sh\necho "$FINOPS_SAID: $*"\nexit 5\n')
    stand_in.chmod(0o755)
    odd.write("finops.env", "FINOPS_SAID='a b'\n")
    _, command = as_cron_does(odd.finops("schedule", "cron", "--command", stand_in).out)
    failed = bare(["sh", "-c", command], odd.folder)
    assert failed.returncode == 5
    assert failed.stdout == f"finops run ended with exit code 5: see {odd.folder}/finops-cron.log\n"
    said = "a b: --config finops.toml --no-color run --wait 900\n"
    assert (odd.folder / "finops-cron.log").read_text() == said, "written anew by each run"


def test_the_units_are_valid(odd: Workspace, tmp_path: Path) -> None:
    """With systemd's own eyes, where it is there."""
    (tmp_path / "away").mkdir()
    odd.write("finops.toml", f'{CONFIG}[metrics]\ntextfile = "{tmp_path}/away/finops.prom"\n')
    result = odd.finops(
        "schedule", "systemd", "--output", tmp_path / "units", "--name", "finops-acme", "--timezone", "Europe/Vienna"
    )
    service, timer = map(Path, result.out.splitlines())
    assert (service.name, timer.name) == ("finops-acme.service", "finops-acme.timer")
    assert "systemctl enable --now finops-acme.timer" in result.err
    text = service.read_text()
    escaped = str(odd.folder).replace("%", "%%")
    assert f"WorkingDirectory={escaped}\n" in text
    assert f"EnvironmentFile=-{escaped}/finops.env\n" in text
    writable = re.search(r"^ReadWritePaths=(.*)$", text, re.MULTILINE)
    assert writable
    assert shlex.split(writable[1]) == [escaped, f"-{tmp_path}/away"]
    assert "OnCalendar=Mon *-*-* 06:00:00 Europe/Vienna\nPersistent=true" in (
        timer.read_text().replace("# After a time in which the machine was off, the run is made up for.\n", "")
    )
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not here: the units are not verified")
    verified = subprocess.run(
        ["systemd-analyze", "verify", service, timer], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")


def test_a_workflow_is_valid_and_says_what_it_needs(odd: Workspace) -> None:
    odd.write("finops.toml", CONFIG + SECRETS)
    (odd.folder.parent / ".git").mkdir()
    result = odd.finops("schedule", "github", "--at", "Mon,Thu 05:30", "--timezone", "America/New_York")
    workflow = YAML(typ="safe").load(result.out)
    schema = files("check_jsonschema") / "builtin_schemas" / "vendor" / "github-workflows.json"
    jsonschema.validate(workflow, json.loads(schema.read_text()))
    assert workflow["on"]["schedule"] == [{"cron": "30 5 * * 1,4", "timezone": "America/New_York"}]

    job = workflow["jobs"]["run"]
    steps = {step["name"]: step for step in job["steps"] if "name" in step}
    assert job["env"]["WORKSPACE"] == ODD.replace("${{", "${{ '${{' }}"), "no expression of ours is in a name"
    assert steps["Collect, build, report, send"]["env"] == {
        "NO_COLOR": "1", "FINOPS_HOOK": "${{ secrets.FINOPS_HOOK }}", "OPENAI_ADMIN_KEY": "${{ secrets.OPENAI_ADMIN_KEY }}",
    }  # fmt: skip
    assert "'finops-ledger[notify]==" in result.out
    assert "aws-actions/configure-aws-credentials" in result.out
    for step in job["steps"]:
        if "run" in step:
            subprocess.run(["bash", "-n", "-c", step["run"]], check=True)
    packed = pack(steps["Pack the ledger"]["run"], odd.folder)
    assert "./landing/a bill" in packed
    assert not any("reports" in name for name in packed)


def pack(script: str, folder: Path) -> list[str]:
    """What the step puts into its archive."""
    (folder / "landing").mkdir()
    (folder / "landing" / "a bill").touch()
    (folder / "reports").mkdir()
    environment = {**os.environ, "WORKSPACE": str(folder), "RUNNER_TEMP": str(folder.parent)}
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], env=environment, check=True)
    listing = subprocess.run(["tar", "-tzf", folder.parent / "ledger.tgz"], capture_output=True, text=True, check=True)
    return listing.stdout.splitlines()


@pytest.mark.parametrize("image", ["", "registry.example/finops:1"])
def test_a_cron_job_is_valid_and_runs_with_few_rights(workspace: Workspace, image: str) -> None:
    workspace.write("finops.toml", CONFIG + SECRETS)
    given = ["--image", image] if image else []
    result = workspace.finops("schedule", "kubernetes", "--at", "3 06:00", "--name", "finops-acme", *given)
    claim, job = YAML(typ="safe").load_all(result.out)
    for each in (claim, job):
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)
    assert (job["spec"]["schedule"], job["spec"]["timeZone"]) == ("0 6 3 * *", "Etc/UTC")
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    containers = [*pod.get("initContainers", []), *pod["containers"]]
    assert len(containers) == (1 if image else 2)
    assert all(each["securityContext"]["readOnlyRootFilesystem"] for each in containers)
    assert pod["securityContext"]["runAsNonRoot"]
    volumes = {each["name"] for each in pod["volumes"]}
    assert {mount["name"] for each in containers for mount in each["volumeMounts"]} == volumes
    assert containers[-1]["envFrom"] == [{"secretRef": {"name": "finops-acme-secrets", "optional": True}}]
    assert containers[-1]["resources"]["limits"]["memory"] == "4398Mi", "DuckDB's 3 GB, and room for the rest"
    assert "OPENAI_ADMIN_KEY" in result.err


@pytest.mark.parametrize(
    ("text", "cron", "calendar"),
    [
        ("Mon 06:00", "0 6 * * 1", "Mon *-*-* 06:00:00 UTC"),
        ("monday 6:05", "5 6 * * 1", "Mon *-*-* 06:05:00 UTC"),
        ("Mon,Thu 23:59", "59 23 * * 1,4", "Mon,Thu *-*-* 23:59:00 UTC"),
        ("Fri-Mon 00:00", "0 0 * * 1,5,6,0", "Mon,Fri,Sat,Sun *-*-* 00:00:00 UTC"),
        ("daily 07:30", "30 7 * * *", "*-*-* 07:30:00 UTC"),
        ("07:30", "30 7 * * *", "*-*-* 07:30:00 UTC"),
        ("3 06:00", "0 6 3 * *", "*-*-03 06:00:00 UTC"),
    ],
)
def test_a_time_as_cron_and_systemd_write_it(text: str, cron: str, calendar: str) -> None:
    when = parse_timetable(text)
    assert (when.cron, when.on_calendar("UTC")) == (cron, calendar)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
def test_systemd_understands_the_times() -> None:
    times = [parse_timetable(each).on_calendar("Europe/Vienna") for each in ("Fri-Mon 00:00", "daily 07:30", "3 06:00")]
    subprocess.run(["systemd-analyze", "calendar", *times], check=True, capture_output=True)


@pytest.mark.parametrize(
    "text", ["", "Mon", "Mon 24:00", "Mon 06:60", "Mo 06:00", "Mon-Foo 06:00", "29 06:00", "0 06:00", "06:00 Mon"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_timetable(text)


@pytest.mark.parametrize(
    ("at", "zone", "early"),
    [
        ("Mon 06:00", "UTC", ""),
        ("Mon 06:00", "America/Los_Angeles", ""),
        ("Mon 06:00", "Pacific/Auckland", "Sunday 17:00 UTC"),
        ("Mon 01:30", "Europe/Vienna", "Sunday 23:30 UTC"),  # in summer only
        ("Tue 06:00", "Pacific/Auckland", ""),
        ("1 06:00", "Asia/Tokyo", "Wednesday 21:00 UTC"),
        ("2 06:00", "Asia/Tokyo", ""),
    ],
)
def test_a_time_at_which_last_week_is_another_one_is_seen(at: str, zone: str, early: str) -> None:
    assert parse_timetable(at).falls_before(ZoneInfo(zone)) == early


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cron", "--at", "sometimes"], "Write it as 'Mon 06:00'"),
        (["systemd", "--timezone", "Mars/Phobos"], "is no time zone"),
        (["systemd", "--timezone", "../UTC"], "is no time zone"),
        (["systemd", "--name", "a/b"], "is no name"),
        (["cron", "--command", "/no/finops"], "is no program"),
    ],
)
def test_what_cannot_be_scheduled_says_why(workspace: Workspace, arguments: list[str], said: str) -> None:
    result = workspace.finops("schedule", *arguments)
    assert (result.exit_code, result.out) == (2, "")
    assert said in result.err


def test_a_path_that_no_schedule_can_hold_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("two\nlines", "blank at its end "):
        (tmp_path / name).mkdir()
        result = Workspace(tmp_path / name, capsys).finops("schedule", "cron")
        assert result.exit_code == 2
        assert "cannot stand in a schedule" in result.err


def test_what_a_pod_would_lose_is_refused(workspace: Workspace) -> None:
    workspace.write("finops.toml", '[landing]\npath = "/srv/landing"\n')
    result = workspace.finops("schedule", "kubernetes")
    assert result.exit_code == 2
    assert "[landing] path is /srv/landing, outside of the workspace" in result.err
