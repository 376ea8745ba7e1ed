"""The first lines of the report: what was spent, how it moved, and why, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from finops.reports.analyses import Result
from finops.reports.contexts import Contributor, Headline
from finops.reports.labels import kind_label, short_id
from finops.reports.money import Money, exact_difference, exact_sum, format_number, percent

Record = Mapping[str, Any]
_SERIES = re.compile(r"[-_.]\d{6,}$")
SHOWN_MOVES = 4
"""Of the first currency; of the others half as many."""
_NBSP = "\N{NO-BREAK SPACE}"


def headlines(
    results: Mapping[str, Result], currencies: Sequence[str], tints: Mapping[str, str]
) -> tuple[Headline, ...]:
    """One headline per currency."""
    teams, moves, waste = (results[name].records() for name in ("spend_by_team", "spend_change", "idle_ml"))

    def mine(records: Sequence[Record], currency: str) -> list[Record]:
        return [record for record in records if record["BillingCurrency"] == currency]

    return tuple(
        _headline(
            c, mine(teams, c), mine(moves, c), mine(waste, c), tints, SHOWN_MOVES if not index else SHOWN_MOVES // 2
        )
        for index, c in enumerate(currencies)
    )


def _headline(
    currency: str,
    teams: list[Record],
    moves: list[Record],
    waste: list[Record],
    tints: Mapping[str, str],
    shown: int,
) -> Headline:
    total = exact_sum(team["EffectiveCost"] for team in teams)
    before = [team["PreviousEffectiveCost"] for team in teams]
    previous = None if not before or None in before else exact_sum(before)
    change = None if previous is None else exact_difference(total, previous)
    change_percent = None if previous is None or change is None else percent(change, previous)
    contributors = _contributors(moves, change, currency, tints, shown)
    owned = [team for team in teams if team["Team"] != "unallocated"]
    top = max(owned, key=lambda team: team["EffectiveCost"], default=None)
    nobody = exact_sum(team["EffectiveCost"] for team in teams if team["Team"] == "unallocated")
    found = [each for each in waste if each["Status"] != "unknown"]
    unsure = [each for each in waste if each["Status"] == "unknown"]
    costs = [each["MonthlyCost"] for each in unsure if each["MonthlyCost"] is not None]
    savings = [each["MonthlySaving"] for each in found if each["MonthlySaving"] is not None]
    return Headline(
        currency=currency,
        total=Money(total if teams else None, currency),
        billed=Money(exact_sum(team["BilledCost"] for team in teams) if teams else None, currency),
        previous=Money(previous, currency),
        change=Money(change, currency),
        change_percent="" if change_percent is None else f"{format_number(change_percent, 1, signed=True)}{_NBSP}%",
        direction=_direction(change),
        reason=_reason(contributors),
        contributors=contributors,
        split=(),
        top_team=top["Team"] if top else "",
        top_team_tint=tints.get(top["Team"], "") if top else "",
        top_team_cost=Money(top["EffectiveCost"] if top else None, currency),
        top_team_share=_share(top["EffectiveCost"], total) if top else "",
        unallocated=Money(nobody if teams else None, currency),
        unallocated_share=_share(nobody, total),
        saving=Money(exact_sum(savings) if savings or not found else None, currency),
        waste_count=len(found),
        unknown_count=len(unsure),
        unknown_cost=Money(exact_sum(costs) if costs or not unsure else None, currency),
    )


def _direction(change: Decimal | None) -> str:
    if change is None:
        return "unknown"
    return "up" if change > 0 else "down" if change < 0 else "same"


def _share(part: Decimal, whole: Decimal) -> str:
    share = percent(part, whole)
    return "" if share is None else f"{format_number(share, 1)}{_NBSP}%"


def _contributors(
    moves: list[Record], change: Decimal | None, currency: str, tints: Mapping[str, str], shown: int
) -> tuple[Contributor, ...]:
    """The largest moves in the direction of the total; of any direction where the total stands still."""
    if change is None:
        return ()
    same = [move for move in _series(moves) if not change or (move["EffectiveCostChange"] > 0) == (change > 0)]
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
        )
        for move in telling
    )


def _series(moves: list[Record]) -> list[Record]:
    """Jobs of one series (``vision-defect-20261014``, ``…-20261021``) as one move: that they come and go is no news."""
    grouped: dict[tuple[Any, ...], list[Record]] = {}
    for move in moves:
        name = _SERIES.sub("-*", move["ResourceName"] or "")
        resource = None if name.endswith("-*") else move["ResourceId"]
        key = (name, move["Team"], move["ServiceName"], move["WorkloadKind"], resource)
        grouped.setdefault(key, []).append(move)
    merged = []
    for (name, *_), members in grouped.items():
        if len(members) == 1:
            merged.append(members[0])
            continue
        change = exact_sum(member["EffectiveCostChange"] for member in members)
        how = "more" if change > 0 else "less"
        merged.append({**members[0], "ResourceName": name, "Change": how, "EffectiveCostChange": change})
    return merged


def thing(move: Record) -> str:
    """What moved, as a person would call it: ``HyperPod cluster q7m3xk2v9pab``, ``Vertex AI``."""
    kind = kind_label(move["WorkloadKind"]) if move["WorkloadKind"] != "other" else ""
    if move["ResourceName"] and kind.endswith("tokens"):
        return f"{short_id(move['ResourceName'])}, {kind}"
    if move["ResourceName"]:
        return f"{kind or move['ServiceName']} {short_id(move['ResourceName'])}"
    return f"{move['ServiceName']}{f', {kind}' if kind else ''}"


def _reason(contributors: Sequence[Contributor]) -> str:
    parts = []
    for each in contributors[:2]:
        owner = "owned by nobody" if each.team == "unallocated" else f"in {each.team}"
        new = {"new": " (new)", "gone": " (gone)"}.get(each.how, "")
        parts.append(f"{each.name} {owner}{new}: {each.change.signed_whole}")
    return "; ".join(parts)
