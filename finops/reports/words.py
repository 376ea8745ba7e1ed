"""What a report says in a line: a mail's subject, a few lines for a chat, the text that stands for a picture."""

from __future__ import annotations

from collections.abc import Sequence

from finops.reports.contexts import Headline, Report, Trend
from finops.reports.money import MINUS
from finops.reports.shorten import clip

LONGEST_SUBJECT = 150
_NAME = 50
_NAMED = 3
_NBSP = "\N{NO-BREAK SPACE}"


def subject(report: Report) -> str:
    """``Halcyon Robotics: USD 65,927 (+41.6 %) and EUR 5,460 (+1.8 %) in week 43``.

    One line of at most 150 characters. A report that does not match the bill says so here.
    """
    warning = f"; {verdict(report).lower()}" if report.matches is False else ""
    so_far = f", {report.so_far}" if report.so_far else ""
    as_of = f", {report.as_of_label}" if report.as_of else ""
    when = f"{'on' if report.period.kind == 'day' else 'in'} {report.period.short_label}"
    line = f"{whose(report)}: {_amounts(report.headlines)} {when}{so_far}{as_of}"
    return clip(_ascii_signs(line), LONGEST_SUBJECT - len(warning)) + warning


def whose(report: Report) -> str:
    """The team, the company, or what the report is about, short enough for a subject."""
    return clip(report.team_name or report.organisation or report.title, _NAME).strip() or report.title


def _amounts(headlines: Sequence[Headline]) -> str:
    known = [each for each in headlines if each.total.is_known]
    if not known:
        return "no charges"
    parts = [_amount(each) for each in known[:_NAMED]]
    more = len(known) - len(parts)
    if more:
        parts.append(f"{more} more {'currency' if more == 1 else 'currencies'}")
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _amount(headline: Headline) -> str:
    change = f" ({headline.change_percent})" if headline.change_percent else ""
    return f"{headline.total.whole}{change}"


def _ascii_signs(text: str) -> str:
    """A subject without letters beyond ASCII needs no encoding, and filters can match it."""
    return text.replace(MINUS, "-").replace(_NBSP, " ").replace("\N{EN DASH}", "-")


def summary(report: Report) -> str:
    """Three to six plain lines for a chat: the number, why, waste, what is nobody's, the bill, what to be careful with."""
    when = report.period.label + (f" ({report.so_far})" if report.so_far else "")
    when += f", {report.as_of_label}" if report.as_of else ""
    lines = [f"{whose(report)}, {when}: {_amounts(report.headlines)}"]
    reasons = [clip(each.reason, 240) for each in report.headlines[:_NAMED] if each.reason]
    lines += [f"Why: {'; '.join(reasons)}"] if reasons else []
    wasted = [each for each in report.headlines[:_NAMED] if each.waste_count]
    if wasted:
        amounts = " and ".join(each.saving.whole for each in wasted)
        lines.append(
            f"Idle or underused: {sum(each.waste_count for each in wasted)}; stopping them saves {amounts} a month"
        )
    nobody = [each.unallocated.whole for each in report.headlines[:_NAMED] if each.unallocated.amount]
    lines += [f"No owner: {' and '.join(nobody)}"] if nobody and not report.team else []
    lines.append(verdict(report))
    care = len(report.warnings)
    lines.append(f"Read with care ({care}): {clip(report.warnings[0], 240)}" if care else "No warnings")
    return "\n".join(clip(line, 700) for line in lines).replace(_NBSP, " ")


def verdict(report: Report) -> str:
    """Does it match the bill? A sentence."""
    if report.matches is False:
        return "Does not match the bill" if report.company_matches is False else "Does not match the company's report"
    if report.matches is None:
        return "Whether it matches the bill is unknown: not every side is there"
    missing = len(report.incomplete_sources)
    if missing:
        return f"Matches the bill as far as it came: {missing} {'source lacks' if missing == 1 else 'sources lack'} something"
    return "Matches the bill to the last digit"


def alternative(trend: Trend) -> str:
    """What stands for the picture of a trend where pictures are not shown."""
    chart = trend.months or trend.weeks
    return clip(f"Bar chart. {chart.description}", 400)
