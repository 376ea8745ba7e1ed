"""Once per recipient and report, whatever happens in between."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from conftest import Workspace
from filelock import FileLock

from finops.cli.app import App
from finops.cli.send import Sent, send_reports
from finops.delivery.outbox import ATTEMPTS

from .conftest import Office, write_report
from .test_sending import REPORT, configure

MORE = [{"currency": "USD", "effective_cost": "56010.25"}]
A_HAIR_MORE = [{"currency": "USD", "effective_cost": "55979.681"}]


@pytest.fixture
def sent(workspace: Workspace, office: Office) -> Workspace:
    """A report that has been mailed."""
    write_report(workspace.folder / REPORT)
    configure(workspace, office)
    assert workspace.finops("send").exit_code == 0
    return workspace


def journal(workspace: Workspace) -> list[dict[str, str]]:
    return [json.loads(line) for line in (workspace.folder / "outbox/journal.jsonl").read_text().splitlines()]


def backdate(workspace: Workspace, by: timedelta) -> None:
    """As if all this had happened so long ago."""
    lines = journal(workspace)
    for line in lines:
        line["at"] = (datetime.fromisoformat(line["at"]) - by).strftime("%Y-%m-%dT%H:%M:%SZ")
    workspace.write("outbox/journal.jsonl", "".join(json.dumps(line) + "\n" for line in lines))


def test_a_second_send_does_nothing_and_says_so(sent: Workspace, office: Office) -> None:
    again = sent.finops("send")
    assert again.exit_code == 0
    assert again.out.startswith("cfo@example.com  weekly-2026-W43  already sent on 20")
    assert len(office.mails) == 1
    configured = (sent.folder / "finops.toml").read_text()
    sent.write("finops.toml", configured.replace("cfo@", "CFO@"))
    assert "already sent" in sent.finops("send").out, "an address is the same in capitals"


def test_force_mails_it_again(sent: Workspace, office: Office) -> None:
    assert sent.finops("send", "--force").out == "cfo@example.com  weekly-2026-W43  sent\n"
    assert len({message["Message-ID"] for message in office.messages}) == 1 < len(office.mails)


def test_before_each_mail_a_line_and_after_it_another(sent: Workspace, office: Office) -> None:
    assert [line["state"] for line in journal(sent)] == ["sending", "sent"]
    (line,) = {json.dumps({**line, "state": "", "at": ""}) for line in journal(sent)}
    assert json.loads(line) == {
        "at": "", "state": "", "report": "weekly", "period": "2026-W43", "team": "", "to": "cfo@example.com",
        "folder": "reports/weekly-2026-W43", "totals": {"USD": "55979.680000000000000001"},
        "message_id": office.messages[0]["Message-ID"], "detail": "", "next_step": "", "by_hand": False,
    }  # fmt: skip


def test_changed_totals_are_said_and_mailed_where_asked(sent: Workspace, office: Office) -> None:
    write_report(sent.folder / REPORT, totals=A_HAIR_MORE)
    assert "already sent" in sent.finops("send").out, "nobody would see less than a cent"
    write_report(sent.folder / REPORT, totals=MORE)
    said = sent.finops("send")
    assert (said.exit_code, said.out) == (
        0,
        "cfo@example.com  weekly-2026-W43  changed since it was sent; not sent again\n",
    )
    assert "its totals have changed since it was mailed on 20" in said.err
    assert "corrections = true mails what has changed" in said.err
    assert "'finops send DIR --to ADDRESS --force' mails it again; without --to, all" in said.err
    assert len(office.mails) == 1

    configure(sent, office, more="corrections = true")
    assert sent.finops("send").out == "cfo@example.com  weekly-2026-W43  sent corrected\n"
    assert "already sent" in sent.finops("send").out
    first, second = office.messages
    assert second["Subject"] == f"Corrected: {first['Subject']}"
    assert second["In-Reply-To"] == first["Message-ID"] != second["Message-ID"]
    body = second.get_body(("plain",))
    assert body
    assert "USD 55,979.68 before, now 56,010.25." in " ".join(body.get_content().split())


def test_force_after_a_change_says_that_it_is_a_correction(sent: Workspace, office: Office) -> None:
    write_report(sent.folder / REPORT, totals=MORE)
    assert sent.finops("send", "--force").out == "cfo@example.com  weekly-2026-W43  sent corrected\n"


def test_kill_dash_nine_between_handing_over_and_noting(workspace: Workspace, office: Office) -> None:
    write_report(workspace.folder / REPORT)
    configure(workspace, office, to='"a@example.com", "b@example.com"')
    process = subprocess.Popen(
        [sys.executable, "-m", "finops", "--config", workspace.folder / "finops.toml", "send"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    office.on_mail = lambda: os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert office.to == ["a@example.com"], "it has arrived, and nobody noted it"
    assert [line["state"] for line in journal(workspace)] == ["sending"]

    office.on_mail = lambda: None
    for _ in range(2):
        after = workspace.finops("send")
        assert after.exit_code == 5
        assert after.out.startswith(
            "a@example.com  weekly-2026-W43  unknown may or may not have arrived\nb@example.com  "
        )
        assert "ended before it noted the answer: it may or may not have arrived" in after.err
        assert office.to == ["a@example.com", "b@example.com"], "what may have arrived is not repeated"
    assert workspace.finops("send", "--force").exit_code == 0
    assert workspace.finops("send").exit_code == 0
    assert office.to == ["a@example.com", "b@example.com", "a@example.com", "b@example.com"]
    assert office.messages[0]["Message-ID"] == office.messages[2]["Message-ID"]


@pytest.mark.parametrize("cut", [b'{"at": "2026-10-26T06:0', b"\0\0\0\0", b'\xc3{"at'])
def test_a_last_line_that_a_crash_cut_is_left_out(sent: Workspace, office: Office, cut: bytes) -> None:
    path = sent.folder / "outbox/journal.jsonl"
    path.write_bytes(path.read_bytes() + cut)
    write_report(sent.folder / "reports/weekly-2026-W44", period=("2026-W44", "2026-10-26", "2026-11-02"))
    after = sent.finops("send")
    assert after.exit_code == 0
    assert "the last line was cut by a crash; it is left out" in after.err
    assert [line["state"] for line in journal(sent)] == ["sending", "sent", "sending", "sent"]
    assert sent.finops("send").err == ""


def test_a_last_line_that_only_lacks_its_end_holds(sent: Workspace, office: Office) -> None:
    path = sent.folder / "outbox/journal.jsonl"
    path.write_bytes(path.read_bytes().rstrip())
    assert "already sent" in sent.finops("send").out
    assert sent.finops("send", "--force").exit_code == 0
    assert len(journal(sent)) == 4


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("<<<<<<< HEAD", "is no line of JSON"),
        ("{}", "'at' is missing"),
        ('{"at": "2026-10-26T06:00:00Z", "state": "lost"}', "there is no state 'lost'"),
        ('{"at": "yesterday", "state": "sent"}', "yesterday"),
        ("[]", "list indices"),
    ],
)
def test_a_damaged_journal_sends_nothing(sent: Workspace, office: Office, wrong: str, said: str) -> None:
    path = sent.folder / "outbox/journal.jsonl"
    first, second = path.read_text().splitlines()
    path.write_text(f"{first}\n{wrong}\n{second}\n")
    for args in (["send"], ["send", "--force"], ["send", "--status"]):
        refused = sent.finops(*args)
        assert refused.exit_code == 2
        assert f"{path}:2: " in refused.err
        assert said in refused.err
    assert len(office.mails) == 1


def test_two_that_send_at_once_do_not_send_twice(
    sent: Workspace, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finops.delivery.outbox._WAIT", 0.1)
    with FileLock(sent.folder / "outbox/.lock"):
        refused = sent.finops("send", "--force")
    assert refused.exit_code == 2
    assert "another finops is sending at this moment" in refused.err
    assert len(office.mails) == 1


def test_an_altered_report_is_not_mailed_and_the_next_one_is(workspace: Workspace, office: Office) -> None:
    folder = write_report(workspace.folder / REPORT)
    configure(workspace, office)
    (folder / "mail/body.html").write_text("<p>99.99 USD</p>")
    refused = workspace.finops("send")
    assert (refused.exit_code, refused.out) == (5, "cfo@example.com  weekly-2026-W43  failed\n")
    assert "body.html: has been changed since the report was written" in refused.err
    assert not office.mails
    write_report(folder)
    assert workspace.finops("send").exit_code == 0


def test_an_older_report_that_failed_is_mailed_with_the_next(workspace: Workspace, office: Office) -> None:
    write_report(workspace.folder / REPORT)
    configure(workspace, office)
    office.recipients = {"cfo@example.com": "452 full", "me@example.com": "452 full"}
    assert workspace.finops("send").exit_code == 5
    assert workspace.finops("send", workspace.folder / REPORT, "--to", "me@example.com").exit_code == 5
    office.recipients = {}
    write_report(workspace.folder / "reports/weekly-2026-W44", period=("2026-W44", "2026-10-26", "2026-11-02"))
    assert workspace.finops("send").out.splitlines() == [
        "cfo@example.com  weekly-2026-W44  sent",
        "cfo@example.com  weekly-2026-W43  sent",
        "me@example.com  weekly-2026-W43  sent",
    ]
    assert len(workspace.finops("send").out.splitlines()) == 1


@pytest.mark.parametrize(
    ("why", "said"),
    [("gone", "its report is not on disk any more"), ("unnamed", "finops.toml does not name this recipient any more")],
)
def test_an_older_report_that_cannot_be_mailed_any_more_is_given_up(
    workspace: Workspace, office: Office, why: str, said: str
) -> None:
    write_report(workspace.folder / REPORT)
    configure(workspace, office, to='"gone@example.com"')
    office.recipients = {"gone@example.com": "550 no such user"}
    assert workspace.finops("send").exit_code == 5
    office.recipients = {}
    write_report(workspace.folder / "reports/weekly-2026-W44", period=("2026-W44", "2026-10-26", "2026-11-02"))
    if why == "gone":
        shutil.rmtree(workspace.folder / REPORT)
    else:
        configure(workspace, office, to='"new@example.com"')
    first = workspace.finops("send")
    assert first.exit_code == 5
    assert "gone@example.com  weekly-2026-W43  given up" in first.out
    assert said in first.err
    assert workspace.finops("send").exit_code == 0, "said once"


def test_what_failed_ten_times_is_given_up(workspace: Workspace, office: Office) -> None:
    write_report(workspace.folder / REPORT)
    configure(workspace, office)
    office.recipients = {"cfo@example.com": "550 no such user"}
    results = [workspace.finops("send") for _ in range(ATTEMPTS + 1)]
    assert [result.out.split()[-1] for result in results[:-2]] == ["refused"] * (ATTEMPTS - 1)
    assert results[-2].out == results[-1].out == "cfo@example.com  weekly-2026-W43  given up\n"
    assert {result.exit_code for result in results} == {5}
    assert f"after {ATTEMPTS} attempts since 20" in results[-1].err
    office.recipients = {}
    assert workspace.finops("send").exit_code == 5
    assert workspace.finops("send", "--force").exit_code == 0
    assert len(office.mails) == 1


def test_what_failed_for_two_weeks_is_given_up(workspace: Workspace, office: Office) -> None:
    write_report(workspace.folder / REPORT)
    configure(workspace, office)
    office.recipients = {"cfo@example.com": "452 full"}
    assert workspace.finops("send").exit_code == 5
    backdate(workspace, timedelta(days=14, minutes=1))
    office.recipients = {}
    given_up = workspace.finops("send")
    assert (given_up.exit_code, given_up.out) == (5, "cfo@example.com  weekly-2026-W43  given up\n")
    assert "after 1 attempt since" in given_up.err
    assert not office.mails


def test_status(workspace: Workspace, office: Office) -> None:
    assert workspace.finops("send", "--status").out == ""
    write_report(workspace.folder / REPORT)
    configure(workspace, office, to='"a@example.com", "gone@example.com"')
    office.recipients = {"gone@example.com": "550 no such user"}
    workspace.finops("send")
    sent, refused = workspace.finops("send", "--status").out.splitlines()
    assert sent.startswith("a@example.com  weekly-2026-W43  sent  20")
    assert refused.startswith("gone@example.com  weekly-2026-W43  refused  20")
    assert refused.endswith("gone@example.com was refused: 550 no such user")
    rows = workspace.finops("send", "--status", "--json").json()
    assert [(row["to"], row["state"], row["attempts"]) for row in rows] == [
        ("a@example.com", "sent", 0), ("gone@example.com", "refused", 1),
    ]  # fmt: skip
    assert datetime.now(UTC) - datetime.fromisoformat(rows[0]["sent_at"]) < timedelta(minutes=5)


def test_the_scheduled_run_mails_what_it_wrote(workspace: Workspace, office: Office) -> None:
    folder = write_report(workspace.folder / REPORT)
    app = App(workspace.folder / "finops.toml")
    assert send_reports(app, [folder]) == Sent(), "nobody is named"
    assert not (workspace.folder / "outbox").exists()
    configure(workspace, office)
    app = App(workspace.folder / "finops.toml")
    sent = send_reports(app, [folder])
    assert (sent.exit_code, sent.lines) == (0, ["cfo@example.com  weekly-2026-W43  sent"])
    assert sent.data[0]["outcome"] == "sent"
    (workspace.folder / "reports/none").mkdir()
    sent = send_reports(app, [workspace.folder / "reports/none", folder])
    assert sent.exit_code == 5
    assert [each["outcome"] for each in sent.data] == ["already sent", "failed"]
