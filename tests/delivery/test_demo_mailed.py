"""The demo company's weekly report, from its bills to the recipients' mailboxes."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from decimal import Decimal
from email.message import EmailMessage

from conftest import Workspace
from test_demo import demo, done  # noqa: F401

from .conftest import Office


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part
    return str(part.get_content()).replace("\N{NO-BREAK SPACE}", " ").replace("&nbsp;", " ")


def test_the_mails_say_what_the_page_says(done: Workspace, office: Office) -> None:  # noqa: F811
    with (done.folder / "finops.toml").open("a") as config:
        config.write(
            '[mail]\nfrom = "finops@halcyon-robotics.example"\nteam_owners = ["weekly"]\n'
            f'[mail.smtp]\nhost = "localhost"\nport = {office.port}\nsecurity = "none"\n'
            '[[mail.recipients]]\nto = ["cfo@halcyon-robotics.example"]\n'
        )
    assert done.finops("send").exit_code == 0
    folder = done.folder / "reports/weekly-2026-W43"
    manifest = json.loads((folder / "manifest.json").read_text())
    owners = [json.loads(path.read_text())["team"]["owner"] for path in sorted(folder.glob("teams/*/manifest.json"))]
    assert office.to == ["cfo@halcyon-robotics.example", *owners]
    assert len(owners) == 6

    company, *teams = office.messages
    totals = {each["currency"]: Decimal(each["effective_cost"]) for each in manifest["totals"]}
    page = (folder / "index.html").read_text()
    for total in totals.values():
        said = f"{total:,.2f}"
        assert said in page
        assert said in body(company, "plain")
        assert said in body(company, "html")
        for team in teams:
            assert said not in body(team, "plain") + body(team, "html"), (
                "a team's mail does not show the company's money"
            )
    attached = {part.get_filename(): part.get_payload(decode=True) for part in company.iter_attachments()}
    assert f"{folder.name}.xlsx" in attached
    for name, content in attached.items():
        assert content == (folder / str(name)).read_bytes()
    sums: dict[str, Decimal] = defaultdict(Decimal)
    table = attached["spend_by_team.csv"]
    assert isinstance(table, bytes)
    for row in csv.DictReader(io.StringIO(table.decode("utf-8-sig"))):
        sums[row["BillingCurrency"]] += Decimal(row["EffectiveCost"])
    assert sums == totals
    for message in office.messages:
        pictures = {part["Content-ID"].strip("<>") for part in message.walk() if part.get_content_maintype() == "image"}
        assert pictures
        assert all(f"cid:{each}" in body(message, "html") for each in pictures)
    assert "already sent" in done.finops("send").out
