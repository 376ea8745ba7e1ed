"""``finops send`` to a real mail server."""

from __future__ import annotations

import base64
import json
import socket
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import Workspace

from finops.cli.init import CONFIG
from finops.config.schema import Config

from .conftest import PASSWORD, Authority, Office, opened, write_report

REPORT = "reports/weekly-2026-W43"
TEAM = {"id": "search", "name": "Search & Ranking", "owner": "lead@example.com"}


def configure(
    workspace: Workspace, office: Office | int, *, to: str = '"cfo@example.com"', server: str = 'security = "none"', more: str = "",
    recipients: str = "",
) -> None:  # fmt: skip
    port = office.port if isinstance(office, Office) else office
    named = recipients or f"[[mail.recipients]]\nto = [{to}]"
    workspace.write(
        "finops.toml",
        f'[company]\nname = "Acme"\n[mail]\nfrom = "finops@example.com"\n{more}\n'
        f'[mail.smtp]\nhost = "localhost"\nport = {port}\ntimeout = 5\n{server}\n{named}\n',
    )


def test_each_recipient_gets_a_mail_of_their_own_over_one_connection(workspace: Workspace, office: Office) -> None:
    write_report(workspace.folder / REPORT)
    configure(workspace, office, to='"cfo@example.com", "board@example.com"')
    sent = workspace.finops("send")
    assert (sent.exit_code, sent.err) == (0, "")
    assert sent.out.splitlines() == [
        "cfo@example.com  weekly-2026-W43  sent",
        "board@example.com  weekly-2026-W43  sent",
    ]
    assert office.to == ["cfo@example.com", "board@example.com"]
    assert [message["To"] for message in office.messages] == office.to
    assert {message["From"] for message in office.messages} == {"Acme <finops@example.com>"}
    assert len(office.sessions) == 1
    body = office.messages[0].get_body(("plain",))
    assert body
    assert "\n.\n" in body.get_content().replace("\r\n", "\n"), "a line of one dot ends no mail"


def test_starttls_and_auth(
    workspace: Workspace, guarded: Office, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINOPS_MAIL_PASSWORD", PASSWORD)
    write_report(workspace.folder / REPORT)
    right = f'username = "finops"\npassword = "env:FINOPS_MAIL_PASSWORD"\nca_file = "{authority.file}"'
    configure(workspace, guarded, server=right)
    assert workspace.finops("send").exit_code == 0
    assert guarded.to == ["cfo@example.com"]
    assert all(session.ssl and session.authenticated for session in guarded.sessions)


@pytest.mark.parametrize(
    ("server", "said", "code"),
    [
        ('username = "finops"\npassword = "env:FINOPS_WRONG"\nca_file = "CA"', "did not accept the user name and password: 535 5.7.8 wrong: *** ***", 5),
        ('username = "finops"\npassword = "env:FINOPS_NONE"\nca_file = "CA"', "FINOPS_NONE is not set", 2),
        ('username = "finops"\npassword = "env:FINOPS_WRONG"', "is not to be trusted: self-signed certificate", 5),
        ('username = "finops"\npassword = "env:FINOPS_ODD"\nca_file = "CA"', "is not ASCII", 5),
        ('ca_file = "CA"', "the server may want [mail.smtp] username and password", 5),
        ('ca_file = "finops.toml"', "cannot be read as certificates", 5),
        ('security = "tls"\nca_file = "CA"', "speaks no TLS that finops knows", 5),
        ('security = "none"', "530", 5),
    ],
)  # fmt: skip
def test_a_server_that_does_not_let_us_in(
    workspace: Workspace, guarded: Office, authority: Authority, monkeypatch: pytest.MonkeyPatch, server: str, said: str, code: int
) -> None:  # fmt: skip
    monkeypatch.setenv("FINOPS_WRONG", "wrong-horse-of-the-tests")
    monkeypatch.setenv("FINOPS_ODD", "pferd-für-tests")
    write_report(workspace.folder / REPORT)
    configure(
        workspace, guarded, server=server.replace("CA", str(authority.file)), to='"a@example.com", "b@example.com"'
    )
    failed = workspace.finops("send")
    assert failed.exit_code == code
    assert said in failed.err
    assert failed.out.splitlines() == [
        "a@example.com  weekly-2026-W43  failed",
        "b@example.com  weekly-2026-W43  failed",
    ]
    assert not guarded.mails
    kept = (workspace.folder / "outbox/journal.jsonl").read_text()
    for secret in ("wrong-horse", base64.b64encode(b"wrong-horse-of-the-tests").decode(), "pferd"):
        assert secret not in failed.err + failed.out + kept


def test_tls_from_the_first_byte(workspace: Workspace, authority: Authority) -> None:
    write_report(workspace.folder / REPORT)
    office, controller = opened(ssl_context=authority.context)
    try:
        configure(workspace, office, server=f'security = "tls"\nca_file = "{authority.file}"')
        assert workspace.finops("send").exit_code == 0
        assert office.to == ["cfo@example.com"]
    finally:
        controller.stop()


def test_a_server_without_starttls_is_told_nothing(workspace: Workspace, office: Office) -> None:
    write_report(workspace.folder / REPORT)
    configure(workspace, office, server="")
    failed = workspace.finops("send")
    assert failed.exit_code == 5
    assert "offers no STARTTLS, so nothing was said to it" in failed.err
    assert not office.sessions


def test_one_refused_recipient_keeps_no_one_else_from_the_report(workspace: Workspace, office: Office) -> None:
    write_report(workspace.folder / REPORT)
    configure(workspace, office, to='"a@example.com", "gone@example.com", "full@example.com", "b@example.com"')
    office.recipients = {"gone@example.com": "550 5.1.1 no such user", "full@example.com": "452 4.2.2 mailbox full"}
    first = workspace.finops("send")
    assert first.exit_code == 5
    assert office.to == ["a@example.com", "b@example.com"]
    assert first.out.splitlines() == [
        "a@example.com  weekly-2026-W43  sent",
        "gone@example.com  weekly-2026-W43  refused",
        "full@example.com  weekly-2026-W43  failed",
        "b@example.com  weekly-2026-W43  sent",
    ]
    assert (
        "gone@example.com was refused: 550 5.1.1 no such user\n  Check the address in [[mail.recipients]]." in first.err
    )
    assert "not now for full@example.com: 452 4.2.2 mailbox full" in first.err
    office.recipients = {}
    second = workspace.finops("send")
    assert second.exit_code == 0
    assert office.to == ["a@example.com", "b@example.com", "gone@example.com", "full@example.com"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("553 5.7.1 not allowed to send as this", "takes no mails from finops@example.com: 553"),
        ("451 4.3.0 try later", "takes nothing at the moment: 451"),
    ],
)  # fmt: skip
def test_a_refused_sender_is_not_the_recipients_fault(
    workspace: Workspace, office: Office, answer: str, said: str
) -> None:
    write_report(workspace.folder / REPORT)
    configure(workspace, office)
    office.senders = {"finops@example.com": answer}
    failed = workspace.finops("send")
    assert (failed.exit_code, failed.out) == (5, "cfo@example.com  weekly-2026-W43  failed\n")
    assert said in failed.err


@pytest.mark.parametrize(
    ("answer", "outcome", "said"),
    [
        ("554 5.7.1 looks like spam", "refused", "refused the mail: 554 5.7.1 looks like spam"),
        ("451 4.7.1 greylisted", "failed", "did not take the mail: 451"),
        ("552 5.3.4 message too big", "failed", "Set [mail] max_megabytes to less"),
    ],
)
def test_a_refused_mail(workspace: Workspace, office: Office, answer: str, outcome: str, said: str) -> None:
    write_report(workspace.folder / REPORT)
    configure(workspace, office)
    office.content = answer
    failed = workspace.finops("send")
    assert (failed.exit_code, failed.out) == (5, f"cfo@example.com  weekly-2026-W43  {outcome}\n")
    assert said in failed.err


def test_a_server_that_is_down_is_asked_once_and_the_mails_are_kept(workspace: Workspace, office: Office) -> None:
    write_report(workspace.folder / REPORT)
    names = ", ".join(f'"{letter}@example.com"' for letter in "abcdefg")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        configure(workspace, nobody.getsockname()[1], to=names)
        down = workspace.finops("send")
    assert down.exit_code == 5
    assert down.err.count("nothing listens at localhost") == 1
    assert "weekly-2026-W43 to e@example.com: failed, and 2 more" in down.err
    configure(workspace, office, to=names)
    assert workspace.finops("send").exit_code == 0
    assert len(office.mails) == 7


def test_a_server_that_says_nothing(workspace: Workspace) -> None:
    write_report(workspace.folder / REPORT)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        configure(workspace, silent.getsockname()[1])
        text = (workspace.folder / "finops.toml").read_text()
        workspace.write("finops.toml", text.replace("timeout = 5", "timeout = 1"))
        failed = workspace.finops("send")
    assert failed.exit_code == 5
    assert "timed out" in failed.err or "did not answer within 1 s" in failed.err


def test_a_connection_that_ends_before_the_mail_was_handed_over_is_tried_again(
    workspace: Workspace, office: Office
) -> None:
    write_report(workspace.folder / REPORT)
    configure(workspace, office)
    office.hang_up_at = "rcpt"
    failed = workspace.finops("send")
    assert (failed.exit_code, failed.out) == (5, "cfo@example.com  weekly-2026-W43  failed\n")
    office.hang_up_at = ""
    assert workspace.finops("send").exit_code == 0
    assert office.to == ["cfo@example.com"]


def test_a_connection_that_ends_before_the_answer_leaves_us_in_doubt(workspace: Workspace, office: Office) -> None:
    write_report(workspace.folder / REPORT)
    configure(workspace, office, to='"a@example.com", "b@example.com"')
    office.hang_up_at = "data"
    doubtful = workspace.finops("send")
    assert doubtful.exit_code == 5
    assert doubtful.out.splitlines() == [
        "a@example.com  weekly-2026-W43  unknown may or may not have arrived",
        "b@example.com  weekly-2026-W43  unknown may or may not have arrived",
    ]
    office.hang_up_at = ""
    again = workspace.finops("send")
    assert again.exit_code == 5
    assert "ended before it answered" in again.err
    assert office.to == ["a@example.com", "b@example.com"], "none was repeated"
    assert workspace.finops("send", "--force").exit_code == 0
    ids = [message["Message-ID"] for message in office.messages]
    assert ids[:2] == ids[2:], "a client knows the second as the first"


@contextmanager
def _tired(mails: int) -> Iterator[tuple[int, list[int]]]:
    """A server that ends each connection after so many mails, with a 421."""
    taken: list[int] = []

    def serve(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as talk:
                done = 0
                talk.write(b"220 hello\r\n")
                talk.flush()
                for line in talk:
                    verb = line[:4].upper()
                    if verb == b"MAIL" and done == mails:
                        talk.write(b"421 enough of this connection\r\n")
                        break
                    if verb == b"DATA":
                        talk.write(b"354 go on\r\n")
                        talk.flush()
                        while talk.readline() != b".\r\n":
                            pass
                        done += 1
                    talk.write(b"250 fine\r\n")
                    talk.flush()
                    if verb == b"QUIT":
                        break
                taken.append(done)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        yield listening.getsockname()[1], taken
        listening.shutdown(socket.SHUT_RDWR)


def test_a_server_may_end_a_connection_that_has_been_used_for_a_while(workspace: Workspace) -> None:
    write_report(workspace.folder / REPORT)
    with _tired(2) as (port, taken):
        configure(workspace, port, to=", ".join(f'"{letter}@example.com"' for letter in "abcde"))
        assert workspace.finops("send").exit_code == 0
    assert taken[:2] == [2, 2]


def test_a_server_that_takes_little_gets_no_attachments(workspace: Workspace) -> None:
    write_report(workspace.folder / REPORT, attachments={"big.csv": b"x" * 40_000})
    office, controller = opened(data_size_limit=30_000)
    try:
        configure(workspace, office)
        sent = workspace.finops("send")
    finally:
        controller.stop()
    assert (sent.exit_code, sent.out) == (0, "cfo@example.com  weekly-2026-W43  sent (without attachments)\n")
    assert "went without attachments" in sent.err
    assert not list(office.messages[0].iter_attachments())


def test_a_mail_that_is_too_large_all_the_same_is_kept(workspace: Workspace, office: Office) -> None:
    write_report(workspace.folder / REPORT)
    (workspace.folder / REPORT / "mail/body.txt").write_text("x")
    office_, controller = opened(data_size_limit=500)
    try:
        write_report(workspace.folder / REPORT)
        configure(workspace, office_)
        failed = workspace.finops("send")
    finally:
        controller.stop()
    assert (failed.exit_code, failed.out) == (5, "cfo@example.com  weekly-2026-W43  failed\n")
    assert "is too large" in failed.err
    configure(workspace, office)
    assert workspace.finops("send").exit_code == 0


def test_teams_get_their_own(workspace: Workspace, office: Office) -> None:
    write_report(workspace.folder / REPORT, teams=(TEAM, {"id": "vision", "name": "Vision", "owner": "no address"}))
    configure(
        workspace, office, more='team_owners = ["weekly"]',
        recipients='[[mail.recipients]]\nto = ["cfo@example.com"]\n[[mail.recipients]]\nteam = "search & ranking"\n'
        'to = ["Lead@example.com", "pm@example.com"]\n[[mail.recipients]]\nteam = "robots"\nto = ["r2@example.com"]\n'
        '[[mail.recipients]]\nreports = ["monthly"]\nto = ["board@example.com"]\n',
    )  # fmt: skip
    sent = workspace.finops("send")
    assert [line.split("  ")[:2] for line in sent.out.splitlines()] == [
        ["cfo@example.com", "weekly-2026-W43"],
        ["Lead@example.com", "weekly-2026-W43-search"],
        ["pm@example.com", "weekly-2026-W43-search"],
    ]
    assert [message["Subject"][:8] for message in office.messages] == ["Cloud sp", "Search &", "Search &"]
    assert "has no report of team 'robots'" in sent.err
    assert "there is no monthly report" in sent.err
    assert sent.exit_code == 0


def test_to_a_named_address_goes_only_the_folders_own_report(workspace: Workspace, office: Office) -> None:
    folder = write_report(workspace.folder / REPORT, teams=(TEAM,))
    configure(workspace, office)
    assert workspace.finops("send", folder, "--to", "me@example.com").exit_code == 0
    assert workspace.finops("send", folder / "teams/search", "--to", "me@example.com").exit_code == 0
    assert office.to == ["me@example.com"] * 2
    assert [message["Subject"][:8] for message in office.messages] == ["Cloud sp", "Search &"]
    assert workspace.finops("send", "--to", "no address").exit_code == 2


def test_dry_run_writes_what_would_be_sent(workspace: Workspace) -> None:
    write_report(workspace.folder / REPORT, teams=(TEAM,))
    configure(workspace, 1, to='"ops/cfo@example.com", "Board@example.com"', more='team_owners = ["weekly"]')
    dry = workspace.finops("send", "--dry-run")
    assert dry.exit_code == 0
    paths = [Path(line) for line in dry.out.splitlines()]
    assert [path.relative_to(workspace.folder / "outbox/dry-run").as_posix() for path in paths] == [
        "weekly-2026-W43/ops-cfo@example.com-946e6578.eml",
        "weekly-2026-W43/board@example.com.eml",
        "weekly-2026-W43-search/lead@example.com.eml",
    ]
    assert b"55,979.68 USD" in paths[0].read_bytes()
    assert not (workspace.folder / "outbox/journal.jsonl").exists()


def test_dry_run_needs_no_server_and_no_mail_section(workspace: Workspace) -> None:
    write_report(workspace.folder / REPORT)
    dry = workspace.finops("send", "--dry-run", "--to", "me@example.com", "--json")
    assert dry.exit_code == 0
    assert json.loads(dry.out)[0]["file"].endswith("outbox/dry-run/weekly-2026-W43/me@example.com.eml")


@pytest.mark.parametrize(
    ("toml", "args", "said"),
    [
        ("", [], "nobody gets a report by mail"),
        ("", ["--to", "a@example.com"], "names no server"),
        ('[mail.smtp]\nhost = "localhost"', ["--to", "a@example.com"], "which address mails come from"),
    ],
)
def test_what_is_not_configured(workspace: Workspace, toml: str, args: list[str], said: str) -> None:
    write_report(workspace.folder / REPORT)
    workspace.write("finops.toml", toml)
    wrong = workspace.finops("send", *args)
    assert wrong.exit_code == 2
    assert said in wrong.err


def test_the_newest_week_is_sent_and_no_other_period_that_was_made_by_hand(
    workspace: Workspace, office: Office
) -> None:
    write_report(workspace.folder / REPORT)
    write_report(workspace.folder / "reports/weekly-2026-W42", period=("2026-W42", "2026-10-12", "2026-10-19"))
    write_report(workspace.folder / "reports/weekly-2026-10", period=("2026-10", "2026-10-01", "2026-11-01"))
    configure(workspace, office)
    assert workspace.finops("send").out == "cfo@example.com  weekly-2026-W43  sent\n"


def test_as_json(workspace: Workspace, office: Office) -> None:
    write_report(workspace.folder / REPORT, teams=(TEAM,))
    configure(workspace, office, more='team_owners = ["weekly"]')
    (sent, team) = workspace.finops("send", "--json").json()
    assert sent == {
        "to": "cfo@example.com", "report": "weekly", "period": "2026-W43", "team": None, "outcome": "sent", "accepted": True,
        "corrected": False, "left_out": [], "detail": "", "next_step": "", "message_id": office.messages[0]["Message-ID"],
    }  # fmt: skip
    assert (team["team"], team["to"]) == ("search", "lead@example.com")


def test_what_init_writes_about_mail_works_once_it_is_no_comment() -> None:
    lines = CONFIG.format(name='"Acme"').splitlines()
    start, last = lines.index("# [mail]"), lines.index('# to = ["search-leads@example.com"]')
    block = "\n".join(line.removeprefix("#").strip() for line in lines[start : last + 1])
    mail = Config.model_validate(tomllib.loads(block)).mail
    assert mail.smtp
    assert [some.team for some in mail.recipients] == ["", "search"]


def test_a_folder_that_is_no_reports_is_wrong_usage(workspace: Workspace, office: Office) -> None:
    configure(workspace, office)
    result = workspace.finops("send", "reports/typo", "--to", "cfo@example.com")
    assert (result.exit_code, office.mails) == (2, [])
    assert "reports/typo: is no report's folder" in result.err
