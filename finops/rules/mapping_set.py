"""All mapping files of a workspace, read."""

from __future__ import annotations

from dataclasses import dataclass, field

from finops.rules.mapping_files import Line, among, fold
from finops.rules.mapping_tables import ReferenceTable


@dataclass
class Mappings:
    """All mapping files of a workspace."""

    lines: dict[str, list[Line]] = field(default_factory=dict)
    """By file name; an absent file has none."""
    service_categories: list[tuple[str, str, str, str]] = field(default_factory=list)
    tables: list[ReferenceTable] = field(default_factory=list)
    """``mappings/tables/``: what the user's own rules read."""
    digest: str = ""
    """Of all bytes that were read: it changes when any file does."""
    _names: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> list[Line]:
        return self.lines.get(name, [])

    def team(self, word: str) -> str:
        """The team or pool as its file spells it; a word that is neither, as it is."""
        if not self._names:
            for file, column in (("teams.csv", "team"), ("pools.csv", "pool")):
                for line in self[file]:
                    self._names[fold(line[column])] = line[column]
        return self._names.get(word) or self._names.get(fold(word), word)

    def takers(self, line: Line) -> list[str]:
        """The teams that take part in a pool: those that it names, else all."""
        return [self.team(word) for word in among(line)] or [each["team"] for each in self["teams.csv"]]
