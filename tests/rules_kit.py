"""Example folders beside the rules, run as ``finops queries test`` runs a user's: see finops/pipeline/examples.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finops.pipeline.example_files import read_example
from finops.pipeline.example_ledger import TODAY, new_ledger, write_mappings
from finops.pipeline.examples import compare
from finops.pipeline.examples import run_example as answers_of
from finops.rules.catalogue import Catalogue
from finops.rules.header import QueryFile

EXAMPLES = Path(__file__).parent / "queries"
CATALOGUE = Catalogue()
ALLOCATION = CATALOGUE.with_only("findings", []).with_only(
    "checks", [query.id for query in CATALOGUE.layer("checks") if "findings." not in query.body]
)
"""For tests that look at teams and shares: without findings and the checks of them, which take most of a build's time."""

__all__ = ["ALLOCATION", "CATALOGUE", "EXAMPLES", "TODAY", "mismatch", "new_ledger", "run_example", "write_mappings"]


def run_example(query: QueryFile, case: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the query answers for an example, and what is expected."""
    example = read_example(query, case)
    return answers_of(example, CATALOGUE), example.expect


def mismatch(answers: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]]) -> str:
    """Why an answer is not what is expected; empty if it is. Expected rows name only the columns that matter."""
    difference = compare([dict(row) for row in answers], [dict(row) for row in expected])
    if not difference:
        return ""
    keys = sorted({key for row in expected for key in row}) or list(difference.unexpected[0])
    left = "\n".join(
        str({key: str(row[key]) for key in keys if row.get(key) is not None}) for row in difference.unexpected
    )
    return f"expected {difference.missing or 'nothing more'}\nleft in the answer:\n{left or 'nothing'}"
