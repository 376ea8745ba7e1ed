"""The first lines of the report: what was spent, on what, how it moved, and why, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from finops.periods import Period
from finops.reports.analyses import Result
from finops.reports.contexts import Contributor, Fix, Headline, Move, OldWaste, Part, days_over
from finops.reports.labels import kind_label, short_id
from finops.reports.money import Money, exact_difference, exact_sum, format_number, percent, quotient

Record = Mapping[str, Any]
SHOWN_MOVES = 4
"""Of the first currency; of the others half as many."""
SHOWN_PARTS = 3
_NBSP = "\N{NO-BREAK SPACE}"
_READS = ("spend_by_team", "spend_change", "idle_ml", "spend_by_workload_kind")


def headlines(
    results: Mapping[str, Result],
    currencies: Sequence[str],
    tints: Mapping[str, str],
    days: tuple[int, int],
    fixes: Mapping[str, Fix],
    company: Mapping[str, Headline],
    *,
    is_short: bool = False,
) -> tuple[Headline, ...]:
    """One headline per currency.

    Args:
        days: how many days of the period are over, and of the one before.
        company: for a team, the company's headlines: where these know a total, no charge of the team is zero and not unknown.
        is_short: charges of the period have not come yet, so what it cost by the day is too low.
    """
    return tuple(
        _headline(
            currency,
            [[each for each in results[name].records() if each["BillingCurrency"] == currency] for name in _READS],
            tints,
            SHOWN_MOVES if not index else SHOWN_MOVES // 2,
            days,
            fixes.get(currency),
            company.get(currency),
            is_short=is_short,
        )
        for index, currency in enumerate(currencies)
    )


def compared_days(period: Period, previous: Period, today: date, begins: date | None = None) -> tuple[int, int]:
    """What a comparison by the day divides by; of days before the ledger ``begins`` nothing is known."""
    unknown = max((begins - period.start).days, 0) if begins else 0
    return max(days_over(period, today) - unknown, 0), previous.days


def _headline(
    currency: str,
    read: Sequence[Sequence[Record]],
    tints: Mapping[str, str],
    shown: int,
    days: tuple[int, int],
    fix: Fix | None,
    company: Headline | None,
    *,
    is_short: bool,
) -> Headline:
    teams, moves, waste, kinds = read
    total = _total(teams, "EffectiveCost", company.total if company else None)
    billed = _total(teams, "BilledCost", company.billed if company else None)
    previous = _total(teams, "PreviousEffectiveCost", company.previous if company else None)
    change = None if previous is None or total is None else exact_difference(total, previous)
    contributors = _contributors(moves, change, currency, tints, shown)
    owned = [team for team in teams if team["Team"] != "unallocated"]
    top = max(owned, key=lambda team: team["EffectiveCost"], default=None)
    nobody = exact_sum(team["EffectiveCost"] for team in teams if team["Team"] == "unallocated")
    found = [each for each in waste if each["Status"] != "unknown"]
    unsure = [each for each in waste if each["Status"] == "unknown"]
    return Headline(
        currency=currency,
        total=Money(total, currency),
        billed=Money(billed, currency),
        previous=Money(previous, currency),
        change=Money(change, currency),
        change_percent="" if change is None or previous is None else _percent(percent(change, previous), signed=True),
        direction=_direction(change),
        reason=_reason(contributors),
        contributors=contributors,
        split=() if change is None else _split(moves, currency),
        top_team=top["Team"] if top else "",
        top_team_tint=tints.get(top["Team"], "") if top else "",
        top_team_cost=Money(top["EffectiveCost"] if top else None, currency),
        top_team_share=_share(top["EffectiveCost"], total) if top else "",
        unallocated=Money(nobody if teams else None, currency),
        unallocated_share=_share(nobody, total),
        saving=_known(found, "MonthlySaving", currency),
        waste_count=len(found),
        unknown_count=len(unsure),
        unknown_cost=_known(unsure, "MonthlyCost", currency),
        per_day=_per_day(total, previous, days, currency, is_short),
        spent_on=_spent_on(kinds, total, currency),
        oldest=_oldest(found, currency, tints),
        fix=fix,
    )


def _total(records: Sequence[Record], column: str, company: Money | None) -> Decimal | None:
    """None is unknown. Without any row it is, unless the company has a total: then the team has nothing of it."""
    values = [record[column] for record in records]
    if not values:
        return Decimal(0) if company and company.is_known else None
    return None if None in values else exact_sum(values)


def _known(records: Sequence[Record], column: str, currency: str) -> Money:
    """The sum as far as it is known; unknown if nothing of it is."""
    values = [record[column] for record in records if record[column] is not None]
    return Money(exact_sum(values) if values or not records else None, currency)


def _per_day(
    total: Decimal | None, previous: Decimal | None, days: tuple[int, int], currency: str, is_short: bool
) -> str:
    now, before = days
    doubt = "; too low, charges are missing" if is_short else ""
    if now == before or not now or total is None:
        return ""
    words = f"{Money(quotient(total, now), currency)} a day over {now} days"
    if previous is None:
        return f"{words}{doubt}"
    change = _percent(percent(total * before - previous * now, previous * now), signed=True)
    against = f"{Money(quotient(previous, before), currency)} a day over {before}"
    return f"{words}, {f'{change} on' if change else 'against'} {against}{doubt}"


def _split(moves: Sequence[Record], currency: str) -> tuple[Move, ...]:
    """The parts of the change, the largest first; those that are zero are left out."""

    def of(how: str) -> Iterable[Decimal]:
        return (move["EffectiveCostChange"] for move in moves if move["Change"] == how)

    def part(column: str) -> Iterable[Decimal]:
        return (move[column] for move in moves if move[column] is not None)

    sums = {
        ("new", "New", "New"): exact_sum(of("new")),
        ("gone", "Gone", "Gone"): exact_sum(of("gone")),
        ("volume", "More used", "Less used"): exact_sum(part("VolumeChange")),
        ("price", "Dearer", "Cheaper"): exact_sum(part("PriceChange")),
        ("rest", "Use or price, unclear", "Use or price, unclear"): exact_sum(part("RestChange")),
    }
    largest = max(abs(amount) for amount in sums.values())
    return tuple(
        Move(name, up if amount > 0 else down, Money(amount, currency), str(percent(abs(amount), largest)))
        for (name, up, down), amount in sorted(sums.items(), key=lambda item: -abs(item[1]))
        if amount
    )


def _spent_on(kinds: Sequence[Record], total: Decimal | None, currency: str) -> tuple[Part, ...]:
    largest = sorted(kinds, key=lambda kind: -kind["EffectiveCost"])[:SHOWN_PARTS]
    return tuple(
        Part(
            _sentence(kind_label(each["WorkloadKind"])),
            Money(each["EffectiveCost"], currency),
            _share(each["EffectiveCost"], total),
        )
        for each in largest
        if each["EffectiveCost"] > 0
    )


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _oldest(found: Sequence[Record], currency: str, tints: Mapping[str, str]) -> tuple[OldWaste, ...]:
    dated = [each for each in found if each["Since"]]
    oldest = sorted(dated, key=lambda each: (each["Since"], -(each["CostSinceFound"] or 0)))[:SHOWN_PARTS]
    return tuple(
        OldWaste(
            name=f"{kind_label(each['WorkloadKind'])} {short_id(each['ResourceName'])}".strip(),
            team=each["Team"],
            tint=tints.get(each["Team"], ""),
            since=each["Since"],
            cost=Money(each["CostSinceFound"], currency),
            saving=Money(each["MonthlySaving"], currency),
        )
        for each in oldest
    )


def _direction(change: Decimal | None) -> str:
    if change is None:
        return "unknown"
    return "up" if change > 0 else "down" if change < 0 else "same"


def _percent(value: Decimal | None, *, signed: bool = False) -> str:
    return "" if value is None else f"{format_number(value, 1, signed=signed)}{_NBSP}%"


def _share(part: Decimal, whole: Decimal | None) -> str:
    return "" if whole is None else _percent(percent(part, whole))


def _contributors(
    moves: Sequence[Record], change: Decimal | None, currency: str, tints: Mapping[str, str], shown: int
) -> tuple[Contributor, ...]:
    """The largest moves in the direction of the total; of any direction where the total stands still."""
    if change is None:
        return ()
    same = [move for move in moves if not change or (move["EffectiveCostChange"] > 0) == (change > 0)]
    largest = sorted(same, key=lambda move: -abs(move["EffectiveCostChange"]))[:shown]
    top = abs(largest[0]["EffectiveCostChange"]) if largest else Decimal(0)
    # a move of less than a thirtieth of the largest explains nothing
    telling = [move for move in largest if abs(move["EffectiveCostChange"]) * 30 >= top]
    return tuple(
        Contributor(
            name=thing(move),
            team=move["Team"],
            tint=tints.get(move["Team"], ""),
            how=move["Change"],
            change=Money(move["EffectiveCostChange"], currency),
            bar=str(percent(abs(move["EffectiveCostChange"]), top) or 0),
            why=_why(move),
        )
        for move in telling
    )


def _why(move: Record) -> str:
    """In a word, by the part that is most of the change."""
    if move["Change"] in ("new", "gone"):
        return str(move["Change"])
    parts = {"VolumeChange": ("more used", "less used"), "PriceChange": ("dearer", "cheaper"), "RestChange": ("", "")}
    most = max(parts, key=lambda column: (move[column] or 0) * (1 if move["EffectiveCostChange"] > 0 else -1))
    return parts[most][0 if move["EffectiveCostChange"] > 0 else 1]


def thing(move: Record) -> str:
    """What moved, as a person would call it: ``HyperPod cluster q7m3xk2v9pab``, ``Vertex AI``."""
    kind = kind_label(move["WorkloadKind"]) if move["WorkloadKind"] != "other" else ""
    if move["ResourceName"] and kind.endswith("tokens"):
        return f"{short_id(move['ResourceName'])}, {kind}"
    if move["ResourceName"]:
        return f"{kind or move['ServiceName'] or ''} {short_id(move['ResourceName'])}".strip()
    return f"{move['ServiceName']}{f', {kind}' if kind else ''}"


def _reason(contributors: Sequence[Contributor]) -> str:
    parts = []
    for each in contributors[:2]:
        owner = "owned by nobody" if each.team == "unallocated" else f"in {each.team}"
        why = f" ({each.why})" if each.why else ""
        parts.append(f"{each.name} {owner}{why}: {each.change.signed_whole}")
    return "; ".join(parts)
