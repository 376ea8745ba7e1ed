"""Hands mails over, once each, and notes in the outbox what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

from finops.delivery.folder import ReportFolder, Totals, read_folder
from finops.delivery.message import Correction, Mail, Sender, ascii_address, changed, compose
from finops.delivery.outbox import GIVEN_UP, SENDING, UNKNOWN, Entry, Key, Outbox, Standing
from finops.delivery.outcome import FORCE, Envelope, Outcome, Server, ServerTrouble
from finops.delivery.recipients import Posting
from finops.errors import ConfigError, MailError

Became = Literal["sent", "already sent", "changed", "unknown", "refused", "failed", "given up"]
T = TypeVar("T")


@dataclass(frozen=True)
class Result:
    """What became of one mail."""

    key: Key
    to: str
    slug: str
    became: Became
    detail: str = ""
    next_step: str = ""
    message_id: str = ""
    left_out: tuple[str, ...] = ()
    corrected: bool = False

    @property
    def accepted(self) -> bool:
        """Has a server taken it on, now or before?"""
        return self.became in ("sent", "already sent", "changed")


@dataclass
class Post:
    """One run of sending.

    Args:
        root: the workspace's folder.
        largest: bytes of a mail.
    """

    outbox: Outbox
    server: Server
    sender: Sender
    root: Path
    largest: int
    now: Callable[[], datetime]
    force: bool = False
    corrections: bool = False
    _trouble: ServerTrouble | None = None
    misconfigured: ConfigError | None = None
    """A secret that is not where ``finops.toml`` says."""

    def deliver(self, mails: Iterable[Posting]) -> list[Result]:
        """Send what has not been sent. The outbox must be locked.

        Raises:
            OutboxError: the journal is damaged.
        """
        standings = self.outbox.standings()
        try:
            return [self._one(each, standings.get(each.key)) for each in mails]
        finally:
            self.server.close()

    def left_behind(self, done: Iterable[Key], wanted: Callable[[ReportFolder], Sequence[Posting]]) -> list[Result]:
        """What earlier runs left: mails that failed are tried again, ends that nobody knows are told, once.

        Args:
            done: what this run has looked at already.
            wanted: who gets a folder's mail today; to others it is not sent any more.
        """
        known = set(done)
        results = []
        try:
            for key, standing in self.outbox.standings().items():
                if key in known:
                    continue
                if standing.last.state == SENDING:
                    results.append(self._unknown(standing, key.to, _slug(key)))
                elif standing.waiting:
                    results.append(self._again(key, standing, wanted))
        finally:
            self.server.close()
        return results

    def _again(self, key: Key, standing: Standing, wanted: Callable[[ReportFolder], Sequence[Posting]]) -> Result:
        try:
            folder = read_folder(self.root / standing.last.folder)
            found = [each for each in wanted(folder) if each.key == key]
        except MailError:
            return self._give_up(standing, key.to, _slug(key), "its report is not on disk any more")
        if not found and standing.last.by_hand and (folder.report, folder.period, folder.team) == key[:3]:
            found = [Posting(folder, key.to, by_hand=True)]
        if not found:
            return self._give_up(standing, key.to, _slug(key), "finops.toml does not name this recipient any more")
        return self._one(found[0], standing)

    def _one(self, posting: Posting, standing: Standing | None) -> Result:
        to, slug = posting.to, posting.folder.slug
        try:
            totals = posting.folder.letter.totals
        except MailError as error:
            return self._failed(posting, standing, {}, "failed", f"{error.where}: {error.what}", error.next_step)
        if standing and not self.force:
            decided = self._decided(standing, totals, to, slug)
            if decided:
                return decided
        correction = correction_of(standing, totals)
        try:
            mail = self._composed(posting, correction)
        except MailError as error:
            return self._failed(posting, standing, totals, "failed", error.what, error.next_step)
        except ServerTrouble as error:
            self._trouble = error
            return self._failed(posting, standing, totals, "failed", error.what, error.next_step)
        return self._hand_over(posting, standing, totals, mail, corrected=correction is not None)

    def _decided(self, standing: Standing, totals: Totals, to: str, slug: str) -> Result | None:
        """What is not sent, and why."""
        if standing.unknown:
            return self._unknown(standing, to, slug)
        if standing.given_up:
            return Result(
                standing.last.key, to, slug, "given up", f"on {_time(standing.last.at)}: {standing.last.detail}", FORCE
            )
        if standing.waiting:
            return self._give_up(standing, to, slug, standing.last.detail) if standing.is_over(self.now()) else None
        if not changed(standing.last.totals, totals):
            return Result(standing.last.key, to, slug, "already sent", f"on {_time(standing.last.at)}")
        if self.corrections:
            return None
        return Result(
            standing.last.key, to, slug, "changed", f"its totals have changed since it was mailed on {_time(standing.last.at)}",
            f"[mail] corrections = true mails what has changed by itself. {FORCE}",
        )  # fmt: skip

    def _composed(self, posting: Posting, correction: Correction | None) -> Mail:
        if self._trouble:
            raise self._trouble
        theirs = self._asked(self.server.limit)
        limit = min(self.largest, theirs or self.largest)
        return compose(posting.folder, posting.to, self.sender, self.now(), limit=limit, correction=correction)

    def _asked(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except ConfigError as error:
            self.misconfigured = error
            raise ServerTrouble(f"{error.where}: {error.what}", error.next_step) from error

    def _hand_over(
        self, posting: Posting, standing: Standing | None, totals: Totals, mail: Mail, *, corrected: bool
    ) -> Result:
        entry = self._entry(posting, SENDING, totals, mail.message_id)
        self.outbox.note(entry)
        try:
            envelope = Envelope(ascii_address(self.sender.address), ascii_address(posting.to), mail.content)
            outcome = self._asked(lambda: self.server.send(envelope))
        except ServerTrouble as error:
            self._trouble = error
            outcome = Outcome("failed", error.what, error.next_step)
        if outcome.state in ("refused", "failed"):
            return self._failed(posting, standing, totals, outcome.state, outcome.what, outcome.next_step)
        self.outbox.note(
            replace(entry, at=self.now(), state=outcome.state, detail=outcome.what, next_step=outcome.next_step)
        )
        return Result(
            entry.key, posting.to, posting.folder.slug, outcome.state, outcome.what, outcome.next_step, mail.message_id,
            mail.left_out, corrected,
        )  # fmt: skip

    def _failed(
        self, posting: Posting, standing: Standing | None, totals: Totals, state: Literal["refused", "failed"],
        what: str, next_step: str,
    ) -> Result:  # fmt: skip
        entry = replace(self._entry(posting, state, totals), detail=what, next_step=next_step)
        self.outbox.note(entry)
        tried = Standing(entry, tries=[*(standing.tries if standing else []), entry])
        if tried.is_over(entry.at):
            return self._give_up(tried, posting.to, posting.folder.slug, what)
        return Result(entry.key, posting.to, posting.folder.slug, state, what, next_step)

    def _give_up(self, standing: Standing, to: str, slug: str, why: str) -> Result:
        tries = len(standing.tries)
        detail = f"after {tries} attempt{'s' if tries != 1 else ''} since {_time(standing.tries[0].at)}: {why}"
        self.outbox.note(replace(standing.last, at=self.now(), state=GIVEN_UP, detail=detail, next_step=FORCE))
        return Result(standing.last.key, to, slug, "given up", detail, FORCE)

    def _unknown(self, standing: Standing, to: str, slug: str) -> Result:
        last = standing.last
        if last.state == SENDING:
            what = f"the run that mailed it on {_time(last.at)} ended before it noted the answer: it may or may not have arrived"
            last = replace(last, at=self.now(), state=UNKNOWN, detail=what)
            self.outbox.note(last)
        return Result(last.key, to, slug, "unknown", last.detail, f"Ask the recipient. {FORCE}", last.message_id)

    def _entry(self, posting: Posting, state: str, totals: Totals, message_id: str = "") -> Entry:
        path = posting.folder.path
        folder = path.relative_to(self.root) if path.is_relative_to(self.root) else path
        return Entry(self.now(), state, posting.key, folder.as_posix(), totals, message_id, by_hand=posting.by_hand)


def correction_of(standing: Standing | None, totals: Totals) -> Correction | None:
    """What the recipient has, if it says other totals than these."""
    before = standing.sent if standing else None
    if before is None or not changed(before.totals, totals):
        return None
    return Correction(before.at, before.totals, before.message_id)


def _slug(key: Key) -> str:
    return "-".join(each for each in (key.report, key.period.replace("/", "_"), key.team) if each)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
