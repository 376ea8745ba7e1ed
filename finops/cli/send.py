"""``finops send``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finops.cli.app import App, pass_app
from finops.cli.jsontext import dumps
from finops.errors import ConfigError, MailError, UsageError

if TYPE_CHECKING:
    from finops.delivery.folder import ReportFolder
    from finops.delivery.message import Sender
    from finops.delivery.outbox import Outbox
    from finops.delivery.outcome import Server
    from finops.delivery.post import Post, Result
    from finops.delivery.recipients import Posting

_SHOWN = 5


@dataclass
class Sent:
    """What became of the mails of some report folders."""

    exit_code: int = 0
    """5 if a mail was not accepted, else 0."""
    lines: list[str] = field(default_factory=list)
    """One per mail, for stdout."""
    data: list[dict[str, Any]] = field(default_factory=list)
    """The same for JSON."""
    misconfigured: ConfigError | None = None
    """A secret that is not where ``finops.toml`` says; then nothing was accepted."""


def _address(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    from finops.config.mail import mail_address

    try:
        return tuple(mail_address(each) for each in value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--to", multiple=True, callback=_address, metavar="ADDR", help="To these instead of those in finops.toml."
)
@click.option("--dry-run", is_flag=True, help="Write the mails as .eml files instead; needs no server.")
@click.option(
    "--force",
    is_flag=True,
    help="Send again what was sent, may have been sent, or was given up: to all, or to those of --to.",
)
@click.option("--status", is_flag=True, help="What became of each mail until now; send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@pass_app
def send(
    app: App, folder: Path | None, to: tuple[str, ...], dry_run: bool, force: bool, status: bool, as_json: bool
) -> int:
    """Mail finished reports to those who get them: once per recipient and report.

    DIR is a report's folder, or a team's in it; with --to its own report is sent, not its teams'. Default: the newest of
    each report that finops.toml names somebody for. What was not accepted before is tried again. Exit 5 if a mail was not
    accepted.

    \b
    Examples:
      finops send
      finops send --dry-run
      finops send reports/weekly-2026-W43 --to cfo@example.com
    """
    if status:
        return _status(app, as_json)
    folders = _folders(app, folder, to)
    mails = _mails(app, folders, to)
    if not mails and not to and not _anybody(app):
        raise UsageError(
            "nobody gets a report by mail", next_step="Add [[mail.recipients]] to finops.toml, or give --to ADDR."
        )
    if dry_run:
        return _dry_run(app, mails, as_json)
    result = _deliver(app, mails, force=force, again=folder is None and not to)
    if as_json:
        click.echo(dumps(result.data))
    else:
        for line in result.lines:
            click.echo(line)
    if not result.data:
        app.say("There is nothing to send.")
    return result.misconfigured.exit_code if result.misconfigured else result.exit_code


def send_reports(app: App, folders: Sequence[Path]) -> Sent:
    """Mail each report folder's report, and its teams', to those whom ``finops.toml`` names; nothing where it names nobody.

    What failed before and is still on disk is tried again. What is wrong with a mail is said on stderr.

    Raises:
        OutboxError: the journal is damaged, or another process is sending.
    """
    from finops.delivery.folder import read_folder

    if not _anybody(app):
        return Sent()
    problems: list[MailError] = []
    read: list[ReportFolder] = []
    mails: list[Posting] = []
    for each in folders:
        try:
            read.append(read_folder(each))
            mails += _mails(app, read[-1:], ())
        except MailError as error:
            problems.append(error)
    result = _deliver(app, mails, force=False, again=True)
    for problem in problems:
        app.error(problem)
        result.exit_code = MailError.exit_code
        result.lines.append(f"{problem.where}  not mailed")
        result.data.append({"folder": problem.where, "outcome": "failed", "detail": problem.what})
    return result


def _anybody(app: App) -> bool:
    mail = app.workspace.config.mail
    return bool(mail.recipients or mail.team_owners)


def _folders(app: App, given: Path | None, to: Sequence[str]) -> list[ReportFolder]:
    """The folder that was named, else the newest of each report that somebody gets."""
    from finops.delivery.folder import MANIFEST, newest, read_folder
    from finops.delivery.recipients import reports_named

    if given is not None:
        if not (given / MANIFEST).is_file():
            raise UsageError(
                "is no report's folder: it has no manifest.json",
                where=str(given),
                next_step="Give one such as reports/weekly-2026-W43; finops report writes them.",
            )
        return [read_folder(given)]
    config = app.workspace.config
    reports = app.workspace.path(config.reports.path)
    names = tuple(config.reports.names) if to else reports_named(config.mail)
    found = {name: newest(reports, name, _of_usual_length(app, name)) for name in names}
    for name in (each for each, folder in found.items() if folder is None):
        app.warn(f"there is no {name} report in {reports}. finops report {name} writes one.")
    return [folder for folder in found.values() if folder]


def _of_usual_length(app: App, name: str) -> Callable[[ReportFolder], bool]:
    """Is a folder's period a week where the report is weekly? What was made of another by hand is not sent by itself."""
    from finops.periods import Period, parse_period

    settings = app.workspace.config.reports
    usual = parse_period(settings.monthly_period if name == "monthly" else settings.period, app.calendar)

    def is_usual(folder: ReportFolder) -> bool:
        end, start = folder.days
        return Period(folder.period, start, end).kind == usual.kind

    return is_usual


def _mails(app: App, folders: Sequence[ReportFolder], to: Sequence[str]) -> list[Posting]:
    from finops.delivery.recipients import postings, without_report

    mail = app.workspace.config.mail
    for folder in folders if not to else ():
        for team in without_report(folder, mail):
            app.warn(
                f"{folder.slug} has no report of team '{team}', so nobody was mailed one. "
                "It has no spend in that period, or [reports] teams leaves it out, or its name is another."
            )
    return [each for folder in folders for each in postings(folder, mail, to)]


def _deliver(app: App, mails: Sequence[Posting], *, force: bool, again: bool) -> Sent:
    from finops.delivery.post import Post
    from finops.delivery.recipients import postings

    mail, outbox = app.workspace.config.mail, _outbox(app)
    if not mails and not (again and outbox.path.exists()):
        return Sent()
    post = Post(
        outbox, _server(app), _sender(app), app.workspace.folder, mail.max_megabytes * 1_000_000,
        lambda: datetime.now(UTC).replace(microsecond=0), force=force, corrections=mail.corrections,
    )  # fmt: skip
    with outbox.locked():
        if outbox.cut:
            app.warn(f"{outbox.path}: the last line was cut by a crash; it is left out.")
        results = post.deliver(mails)
        if again:
            results += post.left_behind((each.key for each in mails), lambda folder: postings(folder, mail))
    return _told(app, post, results)


def _told(app: App, post: Post, results: Sequence[Result]) -> Sent:
    said: dict[tuple[str, str], list[str]] = {}
    for each in results:
        if each.became not in ("sent", "already sent"):
            said.setdefault((each.detail, each.next_step), []).append(f"{each.slug} to {each.to}: {each.became}")
        elif each.left_out:
            app.warn(f"{each.slug} to {each.to} went without attachments: with them it would have been too large.")
    for (detail, next_step), which in said.items():
        more = f", and {len(which) - _SHOWN} more" if len(which) > _SHOWN else ""
        app.warn(f"{', '.join(which[:_SHOWN])}{more}: {detail}\n  {next_step}")
    return Sent(
        0 if all(each.accepted for each in results) else MailError.exit_code,
        [_line(each) for each in results],
        [_data(each) for each in results],
        post.misconfigured,
    )


def _line(result: Result) -> str:
    more = {
        "sent": "corrected" if result.corrected else "",
        "already sent": result.detail,
        "changed": "since it was sent; not sent again",
        "unknown": "may or may not have arrived",
    }.get(result.became, "")
    without = "(without attachments)" if result.left_out else ""
    return f"{result.to}  {result.slug}  {' '.join(each for each in (result.became, more, without) if each)}"


def _data(result: Result) -> dict[str, Any]:
    return {
        "to": result.to,
        "report": result.key.report,
        "period": result.key.period,
        "team": result.key.team or None,
        "outcome": result.became,
        "accepted": result.accepted,
        "corrected": result.corrected,
        "left_out": list(result.left_out),
        "detail": result.detail,
        "next_step": result.next_step,
        "message_id": result.message_id,
    }


def _dry_run(app: App, mails: Sequence[Posting], as_json: bool) -> int:
    from finops.delivery.dryrun import write_mails

    mail = app.workspace.config.mail
    if mail.sender is None:
        app.warn("[mail] has no 'from', so these mails come from finops@localhost.")
    written = write_mails(_outbox(app), mails, _sender(app, dry=True), app.now, mail.max_megabytes * 1_000_000)
    worst = 0
    for each in written:
        if each.problem:
            app.error(each.problem)
            worst = each.problem.exit_code
        elif not as_json:
            click.echo(each.path)
    if as_json:
        click.echo(
            dumps(
                [
                    {
                        "to": each.posting.to,
                        **each.posting.key._asdict(),
                        "file": each.path,
                        "left_out": list(each.left_out),
                    }
                    for each in written
                ]
            )
        )
    return worst


def _status(app: App, as_json: bool) -> int:
    outbox = _outbox(app)
    found = outbox.standings()
    if as_json:
        rows = [
            {
                "to": key.to, "report": key.report, "period": key.period, "team": key.team or None,
                "state": "unknown" if each.unknown else each.last.state, "at": each.last.at, "attempts": len(each.tries),
                "sent_at": each.sent.at if each.sent else None, "detail": each.last.detail, "next_step": each.last.next_step,
            }
            for key, each in found.items()
        ]  # fmt: skip
        click.echo(dumps(rows))
        return 0
    for key, each in found.items():
        slug = "-".join(part for part in (key.report, key.period, key.team) if part)
        state = "unknown" if each.unknown else each.last.state
        detail = f"  {each.last.detail}" if each.last.detail else ""
        click.echo(f"{key.to}  {slug}  {state}  {each.last.at:%Y-%m-%d %H:%M} UTC{detail}")
    if not found:
        app.say("Nothing was mailed yet.")
    return 0


def _outbox(app: App) -> Outbox:
    from finops.delivery.outbox import Outbox

    return Outbox(app.workspace.path(app.workspace.config.paths.outbox))


def _sender(app: App, *, dry: bool = False) -> Sender:
    from finops.delivery.message import Sender

    config = app.workspace.config
    address = config.mail.sender or ("finops@localhost" if dry else None)
    if address is None:
        raise ConfigError(
            "[mail] does not say which address mails come from",
            where=str(app.workspace.folder / "finops.toml"),
            next_step='Add from = "finops@example.com" to [mail].',
        )
    name = config.mail.sender_name or config.company.name
    return Sender(address, name, config.mail.reply_to or "", config.mail.list_unsubscribe)


def _server(app: App) -> Server:
    from finops.delivery.smtp import SmtpServer

    mail = app.workspace.config.mail
    if mail.smtp:
        return SmtpServer(mail.smtp, app.workspace.folder)
    if mail.ses:
        from finops.delivery.ses import SesService

        return SesService(mail.ses)
    raise ConfigError(
        "[mail] names no server",
        where=str(app.workspace.folder / "finops.toml"),
        next_step="Add [mail.smtp] or [mail.ses]; 'finops send --dry-run' needs none.",
    )
