"""A report's folder as one recipient's mail."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from email import charset
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from finops.delivery.folder import newest, read_folder
from finops.delivery.message import Correction, Sender, compose
from finops.errors import MailError

from .conftest import PNG, parsed, write_report

NOW = datetime(2026, 10, 26, 6, 30, tzinfo=UTC)
SENDER = Sender("finops@example.com", "Acme", "cloud@example.com", "mailto:cloud@example.com?subject=stop")


def mail(folder: Path, to: str = "cfo@example.com", **options: Any) -> EmailMessage:
    options = {"sender": SENDER, "now": NOW, "limit": 10_000_000} | options
    return parsed(compose(read_folder(folder), to, **options).content)


def test_headers(tmp_path: Path) -> None:
    content = compose(
        read_folder(write_report(tmp_path / "weekly-2026-W43")), "cfo@example.com", SENDER, NOW, limit=10_000_000
    ).content
    assert content.partition(b"\r\n\r\n")[0].decode("ascii").splitlines() == [
        "MIME-Version: 1.0",
        'Content-Type: multipart/mixed; boundary="=_finops_5a36e05cd68b554557dd794a_0"',
        "From: Acme <finops@example.com>",
        "To: cfo@example.com",
        "Reply-To: cloud@example.com",
        "Subject: Cloud spend, week 43: 55,979.68 USD",
        "Date: Mon, 26 Oct 2026 06:30:00 +0000",
        "Message-ID: <e3c1da0685b6f2ca257d1b72555cb917.finops@example.com>",
        "Auto-Submitted: auto-generated",
        "Content-Language: en",
        "List-Unsubscribe: <mailto:cloud@example.com?subject=stop>",
    ]


def test_parts(tmp_path: Path) -> None:
    """mixed(alternative(text, related(html, picture)), workbook, table)"""
    folder = write_report(tmp_path / "weekly-2026-W43")
    message = mail(folder)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "text/csv",
    ]  # fmt: skip
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text and html
    assert text.get_content().splitlines() == (folder / "mail/body.txt").read_text().splitlines()
    assert html.get_content().strip() == (folder / "mail/body.html").read_text()
    assert text.get_content_charset() == html.get_content_charset() == "utf-8"
    picture = next(part for part in message.walk() if part.get_content_type() == "image/png")
    assert picture["Content-ID"] == "<weeks-usd>"
    assert 'src="cid:weeks-usd"' in html.get_content()
    assert picture.get_content_disposition() == "inline"
    assert picture.get_content() == PNG
    attached = {part.get_filename(): part.get_payload(decode=True) for part in message.iter_attachments()}
    assert attached == {name: (folder / name).read_bytes() for name in ("weekly.xlsx", "spend_by_team.csv")}


def test_every_server_can_pass_it_on(tmp_path: Path) -> None:
    """Seven bits, lines of at most 998 bytes that end in CRLF."""
    folder = write_report(tmp_path / "weekly-2026-W43", subject="Żółć " * 400)
    content = compose(read_folder(folder), "cfo@exämple.com", SENDER, NOW, limit=10_000_000).content
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")
    assert parsed(content)["To"] == "cfo@xn--exmple-cua.com"


def test_one_click_where_the_address_is_https(tmp_path: Path) -> None:
    address = f"https://example.com/no-more?{'token' * 30}"
    message = mail(write_report(tmp_path / "r"), sender=Sender("finops@example.com", list_unsubscribe=address))
    assert message["List-Unsubscribe"] == f"<{address}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["From"] == "finops@example.com"
    assert message["Reply-To"] is None


def test_the_message_id_is_that_of_these_numbers_for_this_recipient(tmp_path: Path) -> None:
    """So that a client knows a mail that arrives twice."""
    folder = write_report(tmp_path / "weekly-2026-W43")
    first = mail(folder)["Message-ID"]
    assert first.endswith(".finops@example.com>")
    assert mail(folder, now=datetime(2026, 10, 27, tzinfo=UTC), to="CFO@example.com")["Message-ID"] == first
    assert mail(folder, to="other@example.com")["Message-ID"] != first
    write_report(folder, totals=[{"currency": "USD", "effective_cost": "56000"}])
    assert mail(folder)["Message-ID"] != first


@pytest.mark.parametrize(
    "name",
    [
        "Bcc\r\nBcc: thief@example.net", "a\nb", "x\u2028y", "tab\tand\0nul", "\ud800 half", '"quoted", <b@example.net>',
        "\u202eright to left", "🦊 ai", "=?utf-8?q?=0ABcc:_thief@example.net?=", "{{7*7}}", "=cmd|'/c calc'!A1", "Ünï, Cödé; (x)", "n" * 10_000,
        "ü" * 300, "",
    ],
)  # fmt: skip
def test_no_name_makes_a_header(tmp_path: Path, name: str) -> None:
    folder = write_report(
        tmp_path / "r", subject=name, team={"id": "t", "name": name, "owner": name}, mail={"summary": name}
    )
    message = mail(folder, sender=Sender("finops@example.com", name))
    assert message.keys() == [
        "MIME-Version", "Content-Type", "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Language",
    ]  # fmt: skip
    assert [each.addr_spec for each in message["From"].addresses] == ["finops@example.com"]
    assert [each.addr_spec for each in message["To"].addresses] == ["cfo@example.com"]
    assert len(message["Subject"]) <= 200
    readable = name.encode("utf-8", "replace").decode()
    if len(name) < 100 and readable.isprintable():
        assert message["Subject"] == readable
        assert message["From"].addresses[0].display_name == readable


def test_a_library_that_changes_how_headers_are_encoded_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Apprise does, for the whole process."""
    name = "=?utf-8?q?=0ABcc:_thief@example.net?="
    monkeypatch.setattr("email.charset.CHARSETS", {**charset.CHARSETS, "utf-8": (charset.QP, charset.QP, "utf-8")})
    message = mail(write_report(tmp_path / "r", subject=name), sender=Sender("finops@example.com", name))
    assert message["From"].addresses[0].display_name == name
    assert message["Subject"] == name


@pytest.mark.parametrize("file", ["mail/body.html", "mail/weeks-usd.png", "weekly.xlsx", "mail/mail.json"])
def test_a_file_that_was_altered_is_not_mailed(tmp_path: Path, file: str) -> None:
    folder = write_report(tmp_path / "weekly-2026-W43")
    (folder / file).write_bytes((folder / file).read_bytes().replace(b"5", b"6") + b" ")
    with pytest.raises(MailError, match="changed since the report was written") as refused:
        mail(folder)
    assert refused.value.where == str(folder / file)
    assert "finops report weekly --period 2026-W43" in refused.value.next_step
    (folder / file).unlink()
    with pytest.raises(MailError, match="cannot be read"):
        mail(folder)


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/passwd", "not-listed.csv"])
def test_only_the_reports_own_files_are_attached(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    folder = write_report(tmp_path / "r", mail={"attachments": [name]})
    with pytest.raises(MailError, match="is no file of this report"):
        mail(folder)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder = write_report(tmp_path / "r")
    (folder / "weekly.xlsx").rename(tmp_path / "elsewhere.xlsx")
    (folder / "weekly.xlsx").symlink_to(tmp_path / "elsewhere.xlsx")
    with pytest.raises(MailError, match="is no file of this report"):
        mail(folder)


@pytest.mark.parametrize(
    "broken", [{"totals": [{"currency": "USD", "effective_cost": "many"}]}, {"subject": None, "images": [{"cid": "a b"}]},
               {"images": [{"cid": "a>\r\nX: y", "file": "mail/weeks-usd.png"}]}],
)  # fmt: skip
def test_what_is_no_mail_is_refused(tmp_path: Path, broken: dict[str, Any]) -> None:
    with pytest.raises(MailError, match="is no mail of a report"):
        mail(write_report(tmp_path / "r", mail=broken))


@pytest.mark.parametrize("content", [None, b"{", b"[]", b'{"report": "weekly"}'])
def test_what_is_no_folder_of_a_report_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(MailError, match="is no report's"):
        read_folder(tmp_path)


def test_too_large_a_mail_goes_without_attachments_and_says_so(tmp_path: Path) -> None:
    folder = write_report(tmp_path / "r", attachments={"big.csv": b"x" * 900_000})
    made = compose(read_folder(folder), "cfo@example.com", SENDER, NOW, limit=1_000_000)
    assert made.left_out == ("big.csv",)
    message = parsed(made.content)
    assert not list(message.iter_attachments())
    for part in (message.get_body(("plain",)), message.get_body(("html",))):
        assert part
        assert "larger than 1.0 MB. Left out: big.csv (0.9 MB)" in " ".join(part.get_content().split())
        assert "55,979.68 USD" in part.get_content()
    assert not compose(read_folder(folder), "cfo@example.com", SENDER, NOW, limit=2_000_000).left_out


def test_still_too_large_is_no_mail(tmp_path: Path) -> None:
    with pytest.raises(MailError, match=r"is too large: 0\.0 MB without attachments"):
        mail(write_report(tmp_path / "r"), limit=1_000)


def test_a_correction_says_what_was_mailed_before(tmp_path: Path) -> None:
    folder = write_report(
        tmp_path / "r",
        totals=[
            {"currency": "CHF", "effective_cost": "7.001"},
            {"currency": "USD", "effective_cost": "1234.567"},
            {"currency": "EUR", "effective_cost": ""},
        ],
    )
    before = Correction(NOW, {"USD": Decimal("1200"), "CHF": Decimal(7), "GBP": Decimal(5)}, "<first@example.com>")
    message = mail(folder, correction=before)
    assert message["Subject"].startswith("Corrected: Cloud spend")
    assert message["In-Reply-To"] == message["References"] == "<first@example.com>"
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text and html
    said = "CHF 7.00 as before; USD 1,200.00 before, now 1,234.57; EUR nothing before, now unknown; GBP 5.00 before, now nothing."
    assert said in " ".join(text.get_content().split())
    assert said in html.get_content()


def test_the_newest_report_is_that_of_the_latest_period(tmp_path: Path) -> None:
    for week, start, end in (
        ("9", "2026-02-23", "2026-03-02"),
        ("43", "2026-10-19", "2026-10-26"),
        ("10", "2026-03-02", "2026-03-09"),
    ):
        write_report(tmp_path / f"weekly-2026-W{week}", period=(f"2026-W{week}", start, end))
    write_report(tmp_path / "monthly-2026-11", report="monthly", period=("2026-11", "2026-11-01", "2026-12-01"))
    found = newest(tmp_path, "weekly")
    assert found and found.period == "2026-W43"
    assert newest(tmp_path / "none", "weekly") is None


def test_the_same_mail_is_the_same_bytes(tmp_path: Path) -> None:
    folder = write_report(tmp_path / "r")
    first, second = (compose(read_folder(folder), "a@example.com", SENDER, NOW, limit=10_000_000) for _ in range(2))
    assert first == second
    assert json.loads((folder / "mail/mail.json").read_text())["subject"] in first.content.decode()
