"""The user's mapping files (``mappings/*.csv``, ``mappings/tables/``), read strictly and stored for the rules.

Every mistake of every file is reported at once, with file and line: a mapping that is half read allocates money wrongly.
"""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

from finops.errors import ConfigError
from finops.rules.catalogue import Catalogue
from finops.rules.header import nearest
from finops.rules.mapping_files import FILES, Line, MappingFile, Problems, fold, fold_key, read_lines, shape
from finops.rules.mapping_problems import mapping_problems
from finops.rules.mapping_set import Mappings
from finops.rules.mapping_store import store_mappings
from finops.rules.mapping_tables import read_tables
from finops.warehouse.connection import Connection

__all__ = ["FILES", "Line", "MappingFile", "Mappings", "fold", "fold_key", "read_mappings", "shape", "store_mappings"]


def read_mappings(con: Connection, catalogue: Catalogue, folder: Path | None) -> Mappings:
    """Read the shipped tables and the user's files.

    Args:
        con: any connection: its regular expressions are the ones that the rules will use.
        folder: the workspace's ``mappings/``; None or absent: there are no mappings.

    Raises:
        ConfigError: naming every problem of every file.
    """
    mappings, problems = inspect_mappings(con, catalogue, folder)
    if problems:
        raise ConfigError(
            f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in the mapping files:\n  "
            + "\n  ".join(problems),
            next_step="Nothing was changed: the last allocation stays.",
        )
    return mappings


def inspect_mappings(con: Connection, catalogue: Catalogue, folder: Path | None) -> tuple[Mappings, list[str]]:
    """What can be read of the shipped tables and the user's files, and every problem of every file."""
    mappings, digest = Mappings(), hashlib.sha256()
    problems = Problems(folder or Path())
    if folder and folder.is_dir():
        for name, spec in FILES.items():
            if (folder / name).is_file():
                content = (folder / name).read_bytes()
                digest.update(name.encode() + b"\0" + content)
                mappings.lines[name] = read_lines(problems, spec, content)
        mappings.tables, contents = read_tables(con, problems)
        for name, content in contents:
            digest.update(name.encode() + b"\0" + content)
        for path in sorted(folder.glob("*.csv")):
            if path.name not in FILES:
                problems.add(path.name, None, f"no rule reads a file of this name{nearest(path.name, list(FILES))}")
        mapping_problems(con, catalogue, mappings, problems)
    for shipped in ("allocate/tag_aliases.csv", "classify/service_categories.csv"):
        digest.update(catalogue.file(shipped).read_bytes())
    with catalogue.file("classify/service_categories.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            mappings.service_categories.append((row[0], row[1].lower(), row[2], row[3]))
    del mappings.service_categories[0]
    mappings.digest = digest.hexdigest()
    mappings.lines["tag_aliases.csv"] = mappings["tag_aliases.csv"] + _shipped_aliases(catalogue)
    return mappings, problems.found


def _shipped_aliases(catalogue: Catalogue) -> list[Line]:
    with catalogue.file("allocate/tag_aliases.csv").open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        return [Line(reader.line_num, row) for row in reader]
