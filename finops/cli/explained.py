"""What ``finops explain`` shows in a terminal: tables, the chain from pools to teams, and a charge's arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

from finops.cli.app import App
from finops.reports.money import exact_sum, plain

Row = dict[str, Any]
_LABEL = 15
_LONG = ("meter", "workload", "team", "rule")
_PLACES = Decimal("1e-18")


def print_explanation(app: App, e: Row) -> None:
    """Print all of it."""
    from rich.console import Console

    console = Console(no_color=not app.colour, highlight=False, markup=False, soft_wrap=True)

    def title(text: str) -> None:
        console.print(f"\n{text}", style="bold")

    console.print(e["resource_id"] or f"charges of the kind {e['dimension_id']}", style="bold")
    for key, value in e["facts"].items():
        console.print(f"  {key:<{_LABEL}}{value}")
    if e["charges"]:
        _print_charges(console, title, e)
    if e["resource_id"]:
        title("What the rules say")
        for line in (*_findings(e["findings"]), *_history(e["findings_history"])):
            console.print(f"  {line}")
    if e["deliveries"]:
        title("Where the rows came from")
        for row in e["deliveries"]:
            console.print(
                f"  {row['month']}  {row['source']} ({row['format']}), delivered {row['delivered']}, load {row['load']}"
            )
            console.print(f"           {row['file']}")


def _print_charges(console: Any, title: Callable[[str], None], e: Row) -> None:
    """Charges, rules, arithmetic, teams. A family of jobs has none: its runs have them."""
    title("Charges by month")
    _table(console, e["charges"])
    for month in e["frozen_months"]:
        console.print(f"  {month['month']} is frozen since {month['frozen_at']:%Y-%m-%d}, by {month['frozen_by']}")
    title("Rules, in order")
    for line in _rules(e["rules_tried"]):
        console.print(f"  {line}")
    title("What was decided, and why")
    told: set[str] = set()
    for decision in e["decisions"]:
        for line in _decision(decision, told):
            console.print(f"  {line}")
    if e["splits"]:
        title("How it is divided")
        for line in _splits(e["splits"], e["arithmetic"]):
            console.print(f"  {line}")
    if e["arithmetic"]:
        title("The arithmetic")
        for line in _arithmetic(e["arithmetic"]):
            console.print(f"  {line}")
    title("Whose it is")
    _table(console, _merged(e["allocation"]))


def _table(console: Any, rows: Sequence[Row]) -> None:
    from rich import box
    from rich.table import Table

    if not rows:
        console.print("  none")
        return
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    for column in rows[0]:
        money = "cost" in column or column in ("billed", "effective", "rows")
        made.add_column(column, justify="right" if money else "left", overflow="fold", no_wrap=column not in _LONG)
    for row in rows:
        made.add_row(*("" if value is None else _cell(value) for value in row.values()))
    console.print(made)


def _cell(value: Any) -> str:
    return f"{value:,.2f}" if isinstance(value, Decimal) else str(value)


def _findings(findings: Sequence[Row]) -> Iterator[str]:
    if not findings:
        yield "none"
    for row in findings:
        cost = "unknown" if row["monthly_cost"] is None else f"{row['currency']} {_cell(row['monthly_cost'])}"
        sure = f", confidence {row['confidence']}" if row["confidence"] else ""
        yield f"{row['rule']}: {row['status']}{sure}, {cost} a month ({row['finding_id']})"
        yield from _wrapped("reason", row["reason"] or "", 4)
        if row["since"]:
            yield from _wrapped("since", _since(row), 4)
        if row["exception_owner"]:
            until = f"{row['exception_reason']}; by {row['exception_owner']}, until {row['excepted_until']}"
            yield from _wrapped("excepted", until, 4)
        if row["note"] and row["note"] != row["reason"]:
            yield from _wrapped("note", row["note"], 4)
        advice, *commands = (row["action"] or "").split("\n")
        if advice:
            yield from _wrapped("action", advice, 4)
        yield from (_command(each) for each in commands)


def _since(row: Row) -> str:
    """``2026-10-12 (found on 2026-10-26), EUR 120.50 since then``"""
    cost = "what it cost is unknown" if row["cost_since_opened"] is None else _money(row, "cost_since_opened")
    ended = f" until it was resolved on {row['resolved_on']}" if row["resolved_on"] else " since then"
    saved = f"; {_money(row, 'verified_monthly_saving')} a month saved, in the bill until {row['verified_until']}"
    return f"{row['since']} (found on {row['found_on']}), {cost}{ended}" + (
        saved if row["verified_monthly_saving"] is not None else ""
    )


def _money(row: Row, column: str) -> str:
    return f"{row['currency']} {_cell(row[column])}"


def _command(text: str) -> str:
    """A command stays on its line, to be copied: ``Check: aws …``."""
    kind, _, command = text.partition(": ")
    return f"{'':4}{kind.lower():<{_LABEL}}{command}"


def _history(changes: Sequence[Row]) -> Iterator[str]:
    """What earlier runs noted; nothing where today's is all there is."""
    if len(changes) < 2:
        return
    yield "what was noted on earlier days"
    for row in changes:
        cost = "" if row["monthly_cost"] is None else f", {_money(row, 'monthly_cost')} a month"
        yield f"{'':4}{row['date']!s:<{_LABEL}}{row['state']} ({row['rule']}, {row['status']}{cost})"


def _merged(allocation: Sequence[Row]) -> list[Row]:
    """A row for each team and rule: their reasons are told where they were decided."""
    merged: dict[tuple[Any, ...], Row] = {}
    for row in allocation:
        key = (row["team"], row["rule"], row["currency"])
        new = {"team": row["team"], "rule": row["rule"], "from": row["first_day"], "to": row["last_day"],
               "billed": Decimal(0), "effective": Decimal(0), "currency": row["currency"]}  # fmt: skip
        found = merged.setdefault(key, new)
        found["from"], found["to"] = min(found["from"], row["first_day"]), max(found["to"], row["last_day"])
        found["billed"] = exact_sum((found["billed"], row["billed_cost"]))
        found["effective"] = exact_sum((found["effective"], row["effective_cost"]))
    return sorted(merged.values(), key=lambda row: (-abs(row["effective"]), row["team"]))


def _rules(tried: Sequence[Row]) -> Iterator[str]:
    """A line for each rule; those that nobody asked share one."""
    for outcome, group in groupby(
        tried, key=lambda rule: rule["outcome"] if rule["status"] == "not asked" else rule["id"]
    ):
        rules = list(group)
        if rules[0]["status"] != "not asked" or len(rules) == 1:
            rule = rules[0]
            order = "" if rule["order"] is None or rule["order"] == 9999 else rule["order"]
            yield f"{order:>4}  {rule['id']:<28} {rule['method'] or '':<10} {rule['outcome']}"
        else:
            span = f"{rules[0]['order']} to {rules[-1]['order']}"
            yield f"{span:>4}, {len(rules)} more rules: {outcome}"


def _decision(row: Row, told: set[str]) -> Iterator[str]:
    """The lines about a decision; ``told`` are the rules whose why was said before."""
    whose = f"pool {row['pool']}" if row["pool"] else row["team"]
    yield whose
    yield (
        f"{'':4}{'charges':<{_LABEL}}{row['rows']:,}, {row['first_day']} to {row['last_day']}: "
        f"{row['currency'] or 'no currency'} {_cell(row['billed_cost'])} billed, {_cell(row['effective_cost'])} effective"
    )
    version = f" v{row['version']}" if row["version"] is not None else ""
    now = "" if row["version_now"] in (row["version"], None) else f"; now it is v{row['version_now']}"
    yield f"{'':4}{'rule':<{_LABEL}}{row['rule']}{version} ({row['method']}){now}"
    if row["valid_from"] or row["valid_until"]:
        yield f"{'':4}{'days':<{_LABEL}}{_span(row['valid_from'], row['valid_until'])}"
    if row["frozen_month"]:
        yield f"{'':4}{'frozen':<{_LABEL}}{row['frozen_month']}, as it was booked"
    if row["reason"]:
        yield from _wrapped("reason", row["reason"], 4)
    if row["why"] and row["rule"] not in told:
        yield from _wrapped("why", row["why"], 4)
    told.add(row["rule"])
    if row["mapping_line"]:
        line = row["mapping_line"]
        yield f"{'':4}{'mapping':<{_LABEL}}{line['file']}:{line['line']}{': ' + line['text'] if line['text'] else ''}"


def _span(begins: str | None, ends: str | None) -> str:
    return f"{f'from {begins}' if begins else ''}{' ' if begins and ends else ''}{f'until {ends} (exclusive)' if ends else ''}"


def _wrapped(key: str, text: str, indent: int) -> Iterator[str]:
    from textwrap import wrap

    for number, line in enumerate(wrap(text, 96 - indent - _LABEL, break_long_words=False, break_on_hyphens=False)):
        yield f"{'':{indent}}{key if number == 0 else '':<{_LABEL}}{line}"


def _splits(splits: Sequence[Row], example: Row) -> Iterator[str]:
    """One span of each pool in full, that of the example if it is of this pool, else the last; the others as a line."""
    ordered = sorted(splits, key=lambda split: (split["pool"], split["currency"] or ""))
    for (pool, currency), group in groupby(ordered, key=lambda split: (split["pool"], split["currency"])):
        spans = list(group)
        chosen = [split for split in spans if pool == example["pool"] and _holds(split, example)]
        last = (chosen or spans)[-1]
        for split in spans:
            if split is not last:
                yield f"{_head(split)}; {_option(split)} shows it"
        named = f" ({last['name']})" if last["name"] and last["name"] != pool else ""
        yield f"{_head(last)}{named}"
        if last["basis"]:
            yield f"{'':4}{'basis':<{_LABEL}}{last['basis']}{', ' + last['window'] if last['window'] else ''}"
        if last["mapping_line"]:
            yield f"{'':4}{'mapping':<{_LABEL}}pools.csv:{last['mapping_line']['line']}"
        reasons = {step["reason"] for step in last["steps"]}
        for rule, version in dict.fromkeys((step["rule"], step["version"]) for step in last["steps"]):
            reason = next(iter(reasons)) if len(reasons) == 1 else None
            yield from _wrapped("divided by", f"{rule} v{version}{': ' + reason if reason else ''}", 4)
        yield f"{'':4}{'weight':<14}{'measured by':>26}  team"
        yield from _steps(last["steps"], 0, told=len(reasons) > 1)
        if last["rows"] == 1 and not any(step["is_pool"] for step in last["steps"]):
            continue
        yield f"{'':4}{'in all':<14}{'share':>26}  team"
        for share in last["shares"]:
            amount = f"{currency or ''} {plain(share['billed_cost'])}"
            yield f"{'':4}{share['weight']:<14}{amount:>26}  {share['team']}"


def _holds(split: Row, example: Row) -> bool:
    start = f"{example['start']:%Y-%m-%d %H:%M}"
    return (
        split["month"] == start[:7]
        and (split["valid_from"] or "") <= start
        and start < (split["valid_until"] or "9999")
        and split["currency"] == example["currency"]
    )


def _is_whole(split: Row) -> bool:
    """Does it hold for the whole month?"""
    return (split["valid_from"] or "").endswith("-01") and (split["valid_until"] or "").endswith("-01")


def _option(split: Row) -> str:
    """What shows a split that is not shown here."""
    return f"--month {split['month']}" if _is_whole(split) else f"--day {(split['valid_from'] or '')[:10]}"


def _head(split: Row) -> str:
    days = f"in {split['month']}" if _is_whole(split) else _span(split["valid_from"], split["valid_until"])
    frozen = ", frozen" if split["frozen_month"] else ""
    return (
        f"pool {split['pool']} {days}{frozen}: {split['rows']:,} charge{'s' if split['rows'] > 1 else ''}, "
        f"{split['currency'] or 'no currency'} {_cell(split['billed_cost'])}"
    )


def _steps(steps: Sequence[Row], depth: int, *, told: bool) -> Iterator[str]:
    """The receivers of a pool, with their reasons if these differ."""
    for step in steps:
        inner = step.get("steps", ())
        text = f"pool {step['receiver']}" if step["is_pool"] else step["receiver"]
        text += f"; {step['reason']}" if told and step["reason"] else ""
        text += f", divided by {inner[0]['rule']}:" if inner else ""
        weight = f"{'  ' * depth}{step['weight']}"
        yield f"{'':4}{weight:<14}{plain(step['basis']):>26}  {'  ' * depth}{text}"
        yield from _steps(inner, depth + 1, told=len({each["reason"] for each in inner}) > 1)


def _arithmetic(a: Row) -> Iterator[str]:
    shared = "shared " if a["pool"] else ""
    which = "the charge" if a["of"] == 1 else f"the largest of {a['of']:,} {shared}charges"
    currency = a["currency"] or "no currency"
    yield f"{which}: kind {a['dimension_id']}, {a['start']:%Y-%m-%d %H:%M}, {a['measure']} {currency} {plain(a['amount'])}"
    if not a["pool"]:
        yield f"all of it is {a['shares'][0]['team']}'s: nothing is divided"
        return
    if a["rest"]:
        taker = next((share["team"] for share in a["shares"] if share["takes_rest"]), "")
        yield f"cut after 9 places: {plain(a['cut'])}; what is left, {plain(a['rest'])}, goes to {taker}"
    width = max(len(_digits(share["share"])) for share in a["shares"])
    for share in a["shares"]:
        rest = f" + {plain(a['rest'])}" if share["takes_rest"] and a["rest"] else ""
        sum_ = f"{plain(a['cut'])} x {share['weight']}{rest}"
        yield f"{sum_:<50} = {_digits(share['share']):>{width}}  {share['team']}"
    equal = "the charge" if a["difference"] == 0 else f"off by {plain(a['difference'])}"
    yield f"{'sum':<50} = {_digits(a['sum']):>{width}}  {equal}"


def _digits(amount: Decimal) -> str:
    return f"{amount.quantize(_PLACES):f}" if abs(amount) < Decimal("1e9") else plain(amount)
