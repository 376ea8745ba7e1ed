"""A report's folder, read as its manifest says; a file that is another than the manifest's is not read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from finops.errors import MailError

MANIFEST = "manifest.json"
MAIL = "mail/mail.json"
Totals = Mapping[str, Decimal | None]
"""By currency; None: unknown."""
_AGAIN = "Write the report again: finops report {report} --period {period}"


@dataclass(frozen=True)
class Image:
    """A picture in the HTML."""

    cid: str
    """What the HTML calls it: ``<img src="cid:…">``."""
    name: str
    content: bytes


@dataclass(frozen=True)
class Letter:
    """What a report says by mail, to whomever."""

    subject: str
    text: str
    html: str
    images: tuple[Image, ...]
    attachments: Mapping[str, bytes]
    totals: Totals
    """EffectiveCost by currency."""


@dataclass(frozen=True)
class ReportFolder:
    """A report on disk: the company's or a team's."""

    path: Path
    manifest: Mapping[str, Any]

    @property
    def report(self) -> str:
        """``weekly`` or ``monthly``."""
        return str(self.manifest["report"])

    @property
    def period(self) -> str:
        """``2026-W43``."""
        return str(self.manifest["period"]["name"])

    @property
    def days(self) -> tuple[date, date]:
        """Its end, exclusive, and its start: the newest sorts last."""
        period = self.manifest["period"]
        return date.fromisoformat(period["end"]), date.fromisoformat(period["start"])

    @property
    def team(self) -> str:
        """The team's id; empty: the company's."""
        return str(self.manifest["team"]["id"]) if self.manifest["team"] else ""

    @property
    def team_name(self) -> str:
        """What people call the team."""
        return str(self.manifest["team"].get("name") or "") if self.manifest["team"] else ""

    @property
    def owner(self) -> str:
        """Who answers for the team, as its list of teams says; empty if it does not."""
        return str(self.manifest["team"].get("owner") or "") if self.manifest["team"] else ""

    @property
    def slug(self) -> str:
        """A name for people and files: ``weekly-2026-W43``, ``weekly-2026-W43-search``."""
        return f"{self.path.parent.parent.name}-{self.path.name}" if self.team else self.path.name

    @cached_property
    def teams(self) -> tuple[ReportFolder, ...]:
        """The teams' folders that the manifest lists, by name.

        Raises:
            MailError: one cannot be read or is not as it was written.
        """
        mine = sorted(each for each in self._files if PurePosixPath(each).match(f"teams/*/{MANIFEST}"))
        return tuple(ReportFolder(self.path / Path(each).parent, self._json(each)) for each in mine)

    @cached_property
    def letter(self) -> Letter:
        """The mail's parts.

        Raises:
            MailError: a file is missing, or is not the one that the manifest names.
        """
        if MAIL not in self._files:
            raise MailError("this report has no mail's body", where=str(self.path), next_step=self._again)
        mail = self._json(MAIL)
        try:
            return Letter(
                subject=str(mail["subject"]),
                text=self._read(mail["text"]).decode("utf-8"),
                html=self._read(mail["html"]).decode("utf-8"),
                images=tuple(
                    Image(_cid(each["cid"]), Path(each["file"]).name, self._read(each["file"]))
                    for each in mail["images"]
                ),
                attachments={str(each): self._read(each) for each in mail["attachments"]},
                totals=read_totals({each["currency"]: each["effective_cost"] for each in mail["totals"]}),
            )
        except (KeyError, TypeError, ValueError, InvalidOperation, UnicodeDecodeError) as error:
            raise MailError(
                f"is no mail of a report: {type(error).__name__} {error}",
                where=str(self.path / MAIL),
                next_step=self._again,
            ) from error

    @property
    def _again(self) -> str:
        return _AGAIN.format(report=self.report, period=self.period)

    @cached_property
    def _files(self) -> Mapping[str, str]:
        """The hash of each file by its name."""
        return {str(each["name"]): str(each["sha256"]) for each in self.manifest["files"]}

    def _json(self, name: str) -> Any:
        try:
            return json.loads(self._read(name))
        except ValueError as error:
            raise MailError(f"is no JSON: {error}", where=str(self.path / name), next_step=self._again) from error

    def _read(self, name: str) -> bytes:
        path = self.path / name
        if name not in self._files or not path.resolve().is_relative_to(self.path.resolve()):
            raise MailError("is no file of this report", where=str(path), next_step=self._again)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise MailError(
                f"cannot be read: {error.strerror or error}", where=str(path), next_step=self._again
            ) from error
        if hashlib.sha256(content).hexdigest() != self._files[name]:
            raise MailError(
                "has been changed since the report was written: it is not the file that manifest.json names",
                where=str(path),
                next_step=f"Nothing of it was mailed. {self._again}",
            )
        return content


def read_folder(path: Path) -> ReportFolder:
    """A report's folder, by its manifest.

    Raises:
        MailError: it is none.
    """
    where = path / MANIFEST
    try:
        manifest = json.loads(where.read_bytes())
        found = ReportFolder(path.resolve(), manifest)
        assert found.report and found.period and found.days and found.slug
        assert isinstance(found.team + found.team_name + found.owner, str) and found._files is not None
    except FileNotFoundError as error:
        raise MailError(
            "is no report's folder: it has no manifest.json", where=str(path), next_step="finops report writes one."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise MailError(
            f"is no report's manifest: {type(error).__name__} {error}",
            where=str(where),
            next_step="Write the report again: finops report",
        ) from error
    return found


def newest(reports: Path, name: str, wanted: Callable[[ReportFolder], bool] = lambda _: True) -> ReportFolder | None:
    """The folder of a report's latest period; None if there is none.

    Args:
        wanted: says which periods count; a week's report of a month does not go out as the week's.
    """
    found = [read_folder(place.parent) for place in sorted(reports.glob(f"{name}-*/{MANIFEST}"))]
    mine = [each for each in found if each.report == name and not each.team and wanted(each)]
    return max(mine, key=lambda each: each.days, default=None)


def read_totals(written: Mapping[str, str | None]) -> Totals:
    """Totals from JSON, where an amount is text.

    Raises:
        TypeError, InvalidOperation: one is none.
    """
    return {str(each): Decimal(amount) if amount else None for each, amount in written.items()}


def _cid(text: object) -> str:
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9._@-]{1,100}", text):
        raise ValueError(f"{text!r} is no Content-ID")
    return text
