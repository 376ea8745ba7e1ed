"""Freezing and reopening a month, and what speaks against it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Context, Decimal

from finops import __version__
from finops.errors import UsageError
from finops.pipeline.freezing import LATE, take_snapshot
from finops.pipeline.frozen_files import Entry, FrozenFiles
from finops.warehouse.connection import Connection, transaction

_EXACT = Context(prec=76)
"""Wide enough for any two DECIMAL(38, 18): Python's default of 28 digits would round."""


def refuse_freezing(con: Connection, files: FrozenFiles, month: date) -> None:
    """A month can be frozen once, and only if something was billed.

    Raises:
        UsageError: it is frozen, or has no charge.
    """
    entry = files.frozen().get(month)
    if entry:
        raise UsageError(
            f"{entry.name} is frozen: by {entry.by} on {entry.at:%Y-%m-%d}",
            next_step=f"To freeze it anew, reopen it first: finops allocate reopen {entry.name} --reason TEXT",
        )
    known = [row[0] for row in con.execute(_MONTHS).fetchall()]
    if month not in known:
        near = sorted(sorted(known, key=lambda each: abs((each - month).days))[:4])
        raise UsageError(
            f"no charge is billed in {month:%Y-%m}: there is nothing to freeze",
            next_step=f"Months with charges: {', '.join(f'{each:%Y-%m}' for each in near)}."
            if near
            else "Load a bill first: finops load FILE_OR_FOLDER.",
        )


def concerns(con: Connection, month: date, today: date) -> list[str]:
    """Why a month may not be complete yet, as sentences."""
    after = _following(month)
    if today < after:
        return [f"{month:%Y-%m} is not over: today is {today}"]
    said = []
    for source, account, day in con.execute(_DELIVERED_EARLY, {"month": month, "after": after}).fetchall():
        said.append(f"{source}: the bill of {account} is of {day}, before the month was over")
    for source, issuer, rows in con.execute(_NOT_INVOICED, {"month": month}).fetchall():
        said.append(
            f"{source}: {issuer} has not invoiced all of it yet: {rows:,} charges have no invoice, as those of other months have"
        )
    for source, what in con.execute(_HOLES, {"month": month}).fetchall():
        said.append(f"{source}: {what}")
    return said


def freeze(con: Connection, files: FrozenFiles, month: date, by: str, reason: str) -> Entry:
    """Book a month as it is allocated now.

    Args:
        con: the allocation is up to date.
        month: its first day; ``refuse_freezing`` had nothing against it.
    """
    files.begin()
    with transaction(con):
        booked = take_snapshot(con, files, month)
    entry = Entry(
        _now(), "freeze", month, by, reason, booked.charges, booked.billed, booked.effective, booked.snapshot.path.name,
        booked.snapshot.digest, __version__,
    )  # fmt: skip
    files.append(entry)
    return entry


def reopen(files: FrozenFiles, month: date, by: str, reason: str) -> Entry:
    """Let today's rules decide on a month again. Its file stays, as what was booked once.

    Raises:
        UsageError: it is not frozen.
    """
    frozen = files.frozen()
    before = frozen.get(month)
    if before is None:
        names = ", ".join(f"{each:%Y-%m}" for each in sorted(frozen)) or "none"
        raise UsageError(f"{month:%Y-%m} is not frozen", next_step=f"Frozen months: {names}.")
    entry = Entry(
        _now(), "reopen", month, by, reason, before.charges, before.billed, before.effective, before.snapshot,
        before.digest, __version__,
    )  # fmt: skip
    files.append(entry)
    return entry


@dataclass(frozen=True)
class MonthState:
    """A billing month in one currency."""

    month: date
    currency: str
    frozen: Entry | None
    booked: Decimal | None
    """BilledCost when it was frozen; None if it is open."""
    billed: Decimal
    """BilledCost in the ledger now."""
    late: Decimal | None
    """BilledCost of kinds of charges that came after it was frozen; None if it is open."""

    @property
    def difference(self) -> Decimal | None:
        """What the bill has changed by since it was booked."""
        return None if self.booked is None else _EXACT.subtract(self.billed, self.booked)


def month_states(con: Connection, files: FrozenFiles) -> list[MonthState]:
    """The months with charges, newest first. Amounts of late charges are those of the last build."""
    frozen = files.frozen()
    late = {
        (row[0], row[1]): row[2]
        for row in con.execute(_LATE_SUMS, {"late": f"%{LATE}%", "books": [e.book for e in frozen.values()]}).fetchall()
    }
    now: dict[tuple[date, str], Decimal] = {(row[0], row[1]): row[2] for row in con.execute(_BILLED).fetchall()}
    for month, entry in frozen.items():
        for currency in entry.billed:
            now.setdefault((month, currency), Decimal(0))
    states = []
    for (month, currency), billed in sorted(now.items(), key=lambda item: (-item[0][0].toordinal(), item[0][1])):
        held = frozen.get(month)
        states.append(
            MonthState(
                month,
                currency,
                held,
                held.billed.get(currency, Decimal(0)) if held else None,
                billed,
                late.get((month, currency), Decimal(0)) if held else None,
            )
        )
    return states


def entry_data(entry: Entry) -> dict[str, object]:
    """A line of the journal for machines."""
    return {
        "time": entry.at.strftime("%Y-%m-%dT%H:%M:%SZ"), "action": entry.action, "month": entry.name, "by": entry.by,
        "reason": entry.reason, "charges": entry.charges, "billed": dict(entry.billed), "effective": dict(entry.effective),
        "snapshot": entry.snapshot, "sha256": entry.digest, "finops": entry.finops,
    }  # fmt: skip


def _following(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _now() -> datetime:
    return datetime.now(tz=UTC).replace(microsecond=0)


_MONTH_OF = "CAST(date_trunc('month', s.billing_period_start) AS DATE)"
_MONTHS = f"""
    SELECT DISTINCT {_MONTH_OF} AS month FROM ledger.slice AS s
    SEMI JOIN ledger.charge AS c ON c.slice_id = s.slice_id ORDER BY month"""
_DELIVERED_EARLY = f"""
    SELECT s.source_id, coalesce(s.billing_account_id, 'no account'), CAST(max(l.delivered_at) AS DATE)
    FROM ledger.slice AS s JOIN ops.loads AS l ON l.load_id = s.load_id AND l.slice_id = s.slice_id
    WHERE {_MONTH_OF} = $month GROUP BY ALL HAVING max(l.delivered_at) < $after ORDER BY ALL"""
# whoever invoices whole months in some month has not done so in this one; some bills never name an invoice
_NOT_INVOICED = f"""
    WITH kinds AS (
        SELECT slice_id, dimension_id, count(*) AS charges FROM ledger.charge GROUP BY ALL
    ),
    months AS (
        SELECT d.InvoiceIssuerName AS issuer, s.source_id, {_MONTH_OF} AS month,
            coalesce(sum(k.charges) FILTER (d.InvoiceId IS NULL), 0) AS without
        FROM kinds AS k
        JOIN ledger.slice AS s ON s.slice_id = k.slice_id
        JOIN ledger.dimension AS d ON d.dimension_id = k.dimension_id
        GROUP BY ALL
    )
    SELECT source_id, issuer, CAST(without AS BIGINT) FROM months AS m
    WHERE month = $month AND without > 0 AND EXISTS (
        FROM months AS o WHERE o.issuer IS NOT DISTINCT FROM m.issuer AND o.source_id = m.source_id AND o.without = 0
    ) ORDER BY ALL"""
_HOLES = "SELECT source_id, what FROM ops.holes WHERE date_trunc('month', billing_period) = $month ORDER BY ALL"
_BILLED = f"""
    SELECT {_MONTH_OF}, coalesce(d.BillingCurrency, 'unknown'), CAST(sum(k.billed) AS DECIMAL(38, 18))
    FROM (SELECT slice_id, dimension_id, sum(BilledCost) AS billed FROM ledger.charge GROUP BY ALL) AS k
    JOIN ledger.slice AS s ON s.slice_id = k.slice_id
    JOIN ledger.dimension AS d ON d.dimension_id = k.dimension_id
    GROUP BY ALL"""
_LATE_SUMS = f"""
    WITH late AS (
        SELECT DISTINCT book, dimension_id FROM allocation.dimension_team
        WHERE list_contains($books, book) AND x_AllocationReason LIKE $late
    )
    SELECT {_MONTH_OF}, coalesce(d.BillingCurrency, 'unknown'), CAST(sum(c.BilledCost) AS DECIMAL(38, 18))
    FROM late AS t
    JOIN ledger.charge AS c ON c.dimension_id = t.dimension_id
    JOIN ledger.slice AS s ON s.slice_id = c.slice_id AND year({_MONTH_OF}) * 100 + month({_MONTH_OF}) = t.book
    JOIN ledger.dimension AS d ON d.dimension_id = c.dimension_id
    GROUP BY ALL"""
