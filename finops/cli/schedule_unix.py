"""A schedule for cron, and units for systemd."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from finops import __version__
from finops.cli.scheduled import ENVIRONMENT, Job
from finops.cli.timetable import Timetable
from finops.errors import UsageError

CRON_LOG = "finops-cron.log"
"""What the last run said; written anew each time, so that it never grows."""
_CRON_BYTES = 990
"""Debian's cron cuts a line after about a thousand."""


def crontab(job: Job, at: Timetable, zone: str) -> str:
    """Lines for ``crontab -``. A run that succeeds prints nothing, so that cron mails nothing; one that fails prints a line.

    Args:
        zone: for ``CRON_TZ``; empty: the machine's.

    Raises:
        UsageError: the paths make the line too long, or cron can't hold them.
    """
    command = cron_command(job)
    line = f"{at.cron} {command.replace('%', chr(92) + '%')}"
    if "\\%" in command or len(line.encode()) > _CRON_BYTES:
        raise UsageError(
            "cron cannot hold these paths: the line is too long, or has '\\%' in it",
            next_step="Use 'finops schedule systemd', or shorter paths.",
        )
    times = f"in {zone}" if zone else "in this machine's time zone"
    note = f"# finops {__version__}: the scheduled job. The time is {times}. Secrets are in {ENVIRONMENT}, one NAME='value' a line."
    return "\n".join([note, *([f"CRON_TZ={zone}"] if zone else []), line, ""])


def cron_command(job: Job) -> str:
    """What cron gives to ``sh -c``: the secrets are read, output goes to a file, the exit code stays."""
    environment = f"[ ! -r ./{ENVIRONMENT} ] || {{ set -a; . ./{ENVIRONMENT}; set +a; }}"
    run = f"{shlex.join(job.run(job.config.name))} > {CRON_LOG} 2>&1"
    failed = f'{{ code=$?; echo "finops run ended with exit code $code: see $PWD/{CRON_LOG}"; exit $code; }}'
    return f"cd {shlex.quote(str(job.folder))} && {{ {environment}; {run} || {failed}; }}"


def units(job: Job, at: Timetable, zone: str, name: str) -> dict[str, str]:
    """The service and the timer, by their files' names."""
    folder = str(job.folder)
    writable = " ".join(_word(path) for path in (folder, *(f"-{each}" for each in job.written)))
    program, *arguments = job.run(str(job.config))
    start = " ".join([_word(program), *(_word(each).replace("$", "$$") for each in arguments)])
    service = f"""\
[Unit]
Description=finops: collect the bills, write and send the spend report
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User={_owner(job.folder)}
WorkingDirectory={_plain(folder)}
# Secrets, one NAME='value' a line; keep it readable for that user only.
EnvironmentFile=-{_plain(f"{folder}/{ENVIRONMENT}")}
ExecStart={start}
# Not 0 is a failure, also 3 (a source is missing) and 5 (mail): 'systemctl status' and OnFailure= see it.
Nice=10
TimeoutStartSec=6h
UMask=0027
# It reads everything and writes into its workspace only.
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={writable}
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
NoNewPrivileges=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
LockPersonality=yes
CapabilityBoundingSet=
"""
    timer = f"""\
[Unit]
Description=finops: the spend report, on schedule

[Timer]
OnCalendar={at.on_calendar(zone)}
# After a time in which the machine was off, the run is made up for.
Persistent=true
RandomizedDelaySec=2min

[Install]
WantedBy=timers.target
"""
    return {f"{name}.service": service, f"{name}.timer": timer}


def printed(files: dict[str, str]) -> str:
    """Several files as one text, each under its name."""
    return "\n".join(f"# {name}\n{text}" for name, text in files.items())


def write_units(folder: Path, files: dict[str, str]) -> Sequence[Path]:
    """Write them; the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def _plain(path: str) -> str:
    """A value that systemd takes up to the end of its line."""
    return path.replace("%", "%%")


def _word(text: str) -> str:
    """One of several values: quoted, if it is not plain."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return escaped if escaped == text and not set(text) & set(" \t'\";") else f'"{escaped}"'


def _owner(folder: Path) -> str:
    """Who owns the workspace: the one who may write there."""
    import pwd

    number = folder.stat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
