"""``finops schedule``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finops.cli.app import App, pass_app
from finops.errors import UsageError

if TYPE_CHECKING:
    from finops.cli.scheduled import Job
    from finops.cli.timetable import Timetable

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")

AT = click.option("--at", default="Mon 06:00", show_default=True, metavar="WHEN", help="Days and time.")
COMMAND = click.option(
    "--command", type=click.Path(path_type=Path), metavar="PATH", help="Where finops is. Default: this one."
)
ZONE = click.option(
    "--timezone", default="UTC", show_default=True, metavar="ZONE", help="Of that time: UTC, Europe/Vienna …"
)


def _named(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not _NAME.fullmatch(value):
        raise UsageError(
            f"--name {value!r} is no name for it", next_step="Small letters, digits and '-', such as finops-acme."
        )
    return value


NAME = click.option(
    "--name", default="finops", show_default=True, callback=_named, metavar="NAME", help="What it is called there."
)


def both(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several options as one decorator."""

    def decorate(function: Any) -> Any:
        for each in reversed(options):
            function = each(function)
        return function

    return decorate


@click.group()
def schedule() -> None:
    """A ready schedule for 'finops run': cron, systemd, GitHub Actions or Kubernetes.

    It is printed for this workspace and for the finops that prints it; how to install it is said on stderr. By default the job
    runs on Mondays at 06:00, when the week before is over everywhere that counts in UTC, as finops does. WHEN is 'Mon 06:00',
    'Mon,Thu 06:00', 'Mon-Fri 06:00', 'daily 06:00', or '3 06:00' for the third of each month. Which reports it writes is
    [reports] names in finops.toml. docs/scheduling.md has more.
    """


@schedule.command()
@AT
@click.option(
    "--timezone",
    default="",
    metavar="ZONE",
    help="Of that time, as CRON_TZ. Default: this machine's, which cron goes by.",
)
@COMMAND
@pass_app
def cron(app: App, at: str, timezone: str, command: Path | None) -> int:
    """Lines for crontab.

    \b
    Example:
      (crontab -l 2>/dev/null; finops schedule cron) | crontab -
    """
    from finops.cli.schedule_unix import crontab
    from finops.cli.scheduled import ENVIRONMENT, job_of

    job, when = job_of(app, command), _when(app, at, timezone)
    click.echo(crontab(job, when, timezone), nl=False)
    if timezone:
        app.warn(
            "CRON_TZ is for cronie; Debian's and Ubuntu's cron go by the machine's time zone all the same: use systemd there"
        )
    again = _again(job, "cron", at, timezone)
    _install(app, job, f"(crontab -l 2>/dev/null; {again}) | crontab -", f"{job.folder}/{ENVIRONMENT}")
    return 0


@schedule.command()
@both(AT, ZONE, COMMAND, NAME)
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write the files there."
)
@pass_app
def systemd(app: App, at: str, timezone: str, command: Path | None, name: str, output: Path | None) -> int:
    """A service and a timer.

    \b
    Example:
      sudo finops schedule systemd --output /etc/systemd/system
    """
    from finops.cli.schedule_unix import printed, units, write_units
    from finops.cli.scheduled import ENVIRONMENT, job_of

    job, when = job_of(app, command), _when(app, at, timezone)
    files = units(job, when, timezone, name)
    if output:
        for path in write_units(output, files):
            click.echo(path)
    else:
        click.echo(printed(files), nl=False)
    for path in job.written:
        if not path.exists():
            app.warn(f"{path} is not there yet: make it, for the service may not")
    if job.folder.stat().st_uid == 0:
        app.warn(f"{job.folder} belongs to root, so the service runs as root: give it to a user of its own")
    enable = f"sudo systemctl daemon-reload && sudo systemctl enable --now {name}.timer"
    write = f"sudo {_again(job, 'systemd', at, timezone)} --name {name} --output /etc/systemd/system && "
    _install(app, job, enable if output else write + enable, f"{job.folder}/{ENVIRONMENT}")
    return 0


@schedule.command()
@both(AT, ZONE)
@pass_app
def github(app: App, at: str, timezone: str) -> int:
    """A workflow for GitHub Actions.

    \b
    Example:
      finops schedule github > .github/workflows/finops.yml
    """
    from finops.cli.schedule_yaml import repository, workflow
    from finops.cli.scheduled import job_of

    job, when = job_of(app), _when(app, at, timezone)
    click.echo(workflow(job, when, timezone), nl=False)
    if repository(job.folder) is None:
        app.warn(f"{job.folder} is in no git repository: the workflow looks for finops.toml at the root of one")
    _elsewhere(app, job)
    _install(
        app,
        job,
        "save it as .github/workflows/finops.yml and push it",
        "the repository's secrets ('gh secret set NAME')",
    )
    return 0


@schedule.command()
@both(AT, ZONE, NAME)
@click.option(
    "--image", default="", metavar="IMAGE", help="One that has finops. Default: Python's, and pip before each run."
)
@pass_app
def kubernetes(app: App, at: str, timezone: str, name: str, image: str) -> int:
    """A CronJob, and the volume of its workspace.

    \b
    Example:
      finops schedule kubernetes --image registry.example/finops:1 | kubectl apply -f -
    """
    from finops.cli.schedule_yaml import cron_job
    from finops.cli.scheduled import job_of

    job, when = job_of(app), _when(app, at, timezone)
    click.echo(cron_job(job, when, timezone, name, image), nl=False)
    _elsewhere(app, job)
    how = "make the ConfigMaps of its first lines, then pipe it into 'kubectl apply -f -'"
    _install(app, job, how, f"the Secret {name}-secrets")
    return 0


def _when(app: App, at: str, zone: str) -> Timetable:
    """The timetable; a warning, if 'last week' would be another one by then."""
    from finops.cli.timetable import parse_timetable, parse_zone

    when = parse_timetable(at)
    if early := when.falls_before(parse_zone(zone) if zone else None):
        app.warn(
            f"'{at}' is {early} for a part of the year at least: finops counts days in UTC, so 'last-week' and 'last-month' "
            "would then be the ones before; choose a later time, or UTC"
        )
    return when


def _elsewhere(app: App, job: Job) -> None:
    for name in job.secret_files:
        app.warn(f"finops.toml keeps a secret in the file {name}: it has to be there; env:NAME is easier")
    for path in job.written:
        app.warn(f"finops.toml names {path}, outside of the workspace: it is lost after each run, or cannot be written")


def _again(job: Job, kind: str, at: str, zone: str) -> str:
    words = [
        *job.command,
        "--config",
        str(job.config),
        "schedule",
        kind,
        "--at",
        at,
        *(["--timezone", zone] if zone else []),
    ]
    return shlex.join(words)


def _install(app: App, job: Job, how: str, secrets: str) -> None:
    needed = f"; secrets ({', '.join(job.variables)}) go into {secrets}" if job.variables else ""
    app.say(f"To install: {how}{needed}")
