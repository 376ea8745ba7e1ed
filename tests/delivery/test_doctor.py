"""``finops doctor``: would a mail be taken? Nothing is sent."""

from __future__ import annotations

import pytest
from conftest import Workspace

from .conftest import PASSWORD, Authority, Office, write_report
from .test_sending import REPORT, configure
from .test_ses import _credentials, refused, service  # noqa: F401
from .test_ses import configure as configure_ses


def looks(workspace: Workspace) -> tuple[int, list[tuple[str, str, str]]]:
    found = workspace.finops("doctor", "--json")
    return found.exit_code, [(each["check"], each["verdict"], each["detail"]) for each in found.json()["mail"]]


def test_a_server_that_takes_our_mails(
    workspace: Workspace, guarded: Office, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINOPS_MAIL_PASSWORD", PASSWORD)
    workspace.write("mappings/teams.csv", "team,name\nsearch,Search & Ranking\n")
    right = f'username = "finops"\npassword = "env:FINOPS_MAIL_PASSWORD"\nca_file = "{authority.file}"'
    configure(
        workspace, guarded, server=right, more='max_megabytes = 50\nteam_owners = ["weekly"]',
        recipients='[[mail.recipients]]\nto = ["a@example.com", "A@example.com"]\n[[mail.recipients]]\nteam = "serach"\nto = ["b@example.com"]',
    )  # fmt: skip
    code, found = looks(workspace)
    assert code == 0
    assert found == [
        ("mail: recipients", "ok", "2 addresses, and teams' owners (weekly)"),
        ("mail: recipients", "warning", "there is no team 'serach'"),
        ("mail: smtp", "ok", f"localhost:{guarded.port}, STARTTLS, AUTH accepted, mails up to 34 MB"),
        ("mail: smtp", "warning", "[mail] max_megabytes = 50 is more than the server takes"),
        ("mail: sender", "ok", "finops@example.com may send"),
        ("mail: outbox", "ok", "nothing sent yet"),
    ]
    assert not guarded.mails
    assert "mail: smtp: localhost" in workspace.finops("doctor").out


def test_what_is_wrong_with_it(workspace: Workspace, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(workspace, office, server='username = "finops"\npassword = "env:FINOPS_NONE"')
    code, found = looks(workspace)
    assert (code, found[-2]) == (5, ("mail: smtp", "failed", "the environment variable FINOPS_NONE is not set"))
    configure(workspace, office)
    office.senders = {"finops@example.com": "553 no"}
    code, found = looks(workspace)
    assert (code, found[2][:2]) == (5, ("mail: sender", "failed"))


def test_what_the_outbox_holds(workspace: Workspace, office: Office) -> None:
    write_report(workspace.folder / REPORT)
    configure(workspace, office)
    office.recipients = {"cfo@example.com": "452 full"}
    workspace.finops("send")
    assert looks(workspace)[1][-1] == ("mail: outbox", "warning", "nothing sent yet, 1 to be tried again")
    workspace.write("outbox/journal.jsonl", "no\n")
    code, found = looks(workspace)
    assert (code, found[-1][1]) == (5, "failed")


def test_ses(workspace: Workspace) -> None:
    not_found = refused("NotFoundException", "no such identity", 404)
    with service((200, {"SendingEnabled": True, "ProductionAccessEnabled": False}, ""), not_found,
                 (200, {"VerifiedForSendingStatus": True}, "")) as ses:  # fmt: skip
        configure_ses(workspace, ses.endpoint)
        assert looks(workspace)[1][1:3] == [
            ("mail: ses", "warning", "Amazon SES in eu-west-1: the account is in the sandbox"),
            ("mail: ses", "ok", "example.com is verified"),
        ]
    assert [path for path, _ in ses.asked][1:] == [
        "/v2/email/identities/finops%40example.com",
        "/v2/email/identities/example.com",
    ]
    with service((200, {"SendingEnabled": True}, ""), not_found) as ses:
        configure_ses(workspace, ses.endpoint)
        code, found = looks(workspace)
        assert (code, found[2]) == (5, ("mail: ses", "failed", "finops@example.com is not verified in eu-west-1"))
    with service(refused("AccessDeniedException", "no ses:GetAccount", 403)) as ses:
        configure_ses(workspace, ses.endpoint)
        code, found = looks(workspace)
        assert (code, {verdict for _, verdict, _ in found[1:3]}) == (0, {"unknown"})


def test_without_a_server_nothing_is_said(workspace: Workspace) -> None:
    assert looks(workspace) == (0, [])
