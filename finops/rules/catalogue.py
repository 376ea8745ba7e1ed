"""All SQL files: the shipped ones, with the user's overlay folder on top.

A file of the user's with the same relative path replaces ours; a new path adds one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from finops.errors import QueryFileError
from finops.resources import shipped_queries
from finops.rules.header import LAYERS, QueryFile, nearest, read_query


class Catalogue:
    """The SQL files by layer and id.

    Args:
        overlay: the user's ``queries/`` folder; need not exist.
        shipped: for tests; default the shipped folder.
    """

    def __init__(self, overlay: Path | None = None, shipped: Path | None = None) -> None:
        self.shipped = shipped or shipped_queries()
        self.overlay = overlay if overlay and overlay.is_dir() else None
        self._layers: dict[str, list[QueryFile]] = {}

    def layer(self, name: str) -> list[QueryFile]:
        """The files of one layer in the order in which they run."""
        if name not in self._layers:
            self._layers[name] = self._read_layer(name)
        return self._layers[name]

    def __iter__(self) -> Iterator[QueryFile]:
        for name in LAYERS:
            yield from self.layer(name)

    def get(self, query_id: str, layer: str | None = None) -> QueryFile:
        """The file with this id.

        Raises:
            QueryFileError: there is none; with the nearest id.
        """
        files = self.layer(layer) if layer else list(self)
        for query in files:
            if query.id == query_id:
                return query
        ids = [query.id for query in files]
        raise QueryFileError(
            f"there is no query '{query_id}'{nearest(query_id, ids)}",
            next_step="'finops queries list' shows them all.",
        )

    def file(self, relative: str) -> Path:
        """A data file beside the queries, such as ``normalise/columns.csv``: the user's, else ours."""
        mine = self.overlay / relative if self.overlay else None
        return mine if mine and mine.is_file() else self.shipped / relative

    def paths(self, layer: str) -> list[tuple[Path, str]]:
        """The files of one layer, unread, and whose they are: for a check that reports all of their problems."""
        ours = _files(self.shipped / layer)
        theirs = _files(self.overlay / layer) if self.overlay else {}
        return [(path, "shipped") for name, path in ours.items() if name not in theirs] + [
            (path, "yours") for path in theirs.values()
        ]

    def readable(self, layers: Sequence[str] = LAYERS) -> tuple[Catalogue, list[QueryFileError]]:
        """The files that can be read, as a catalogue, and what is wrong with the others: for a check of all of them."""
        errors: list[QueryFileError] = []
        copy = Catalogue(self.overlay, self.shipped)
        for layer in LAYERS:
            found = []
            for path, origin in self.paths(layer) if layer in layers else ():
                try:
                    found.append(read_query(path, layer, origin))
                except QueryFileError as error:
                    errors.append(error)
            copy._layers[layer] = sorted(found, key=_place)
        return copy, errors

    def with_only(self, layer: str, ids: Sequence[str]) -> Catalogue:
        """The same files, of one layer only these: for an example, that is about one rule."""
        copy = Catalogue(self.overlay, self.shipped)
        copy._layers = dict(self._layers)
        copy._layers[layer] = [query for query in self.layer(layer) if query.id in ids]
        return copy

    def _read_layer(self, name: str) -> list[QueryFile]:
        ours = _files(self.shipped / name)
        theirs = _files(self.overlay / name) if self.overlay else {}
        files = [read_query(path, name) for filename, path in ours.items() if filename not in theirs]
        for filename, path in theirs.items():
            query = read_query(path, name, origin="yours")
            if filename in ours:
                query = replace(query, origin=f"yours, replaces v{read_query(ours[filename], name).version}")
            files.append(query)
        return sorted(files, key=lambda query: (query.order, query.id))


def _place(query: QueryFile) -> tuple[int, str]:
    """Where a query stands in its layer; one whose order is no number yet, first."""
    order = query.extra.get("order", 0)
    return order if isinstance(order, int) else 0, query.id


def _files(folder: Path) -> dict[str, Path]:
    """The query files by name; a name that begins with ``_`` is no query (shared macros)."""
    return {path.name: path for path in sorted(folder.glob("*.sql")) if not path.name.startswith("_")}
