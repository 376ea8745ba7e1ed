"""SQL that reads delivered files: from physical columns to the declared columns of a format, with explicit types.

Two steps, because conversions are dear and bills repeat: a *base* relation gives every cell as the file holds it, and a
*typed* expression per declared column converts it. The loader may so deduplicate physical cells before it converts them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from finops.errors import BadInputError
from finops.formats.files import LARGEST_CELL, PhysicalFile
from finops.formats.spec import ColumnSpec, FormatSpec, fold, spellings


def quote(name: str) -> str:
    """A SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str | Path) -> str:
    """A SQL string."""
    return "'" + str(text).replace("'", "''") + "'"


PLACE = "finops_place"
"""A column of the base relation that says where a row stands: no two rows have the same."""


@dataclass(frozen=True)
class TypedColumn:
    """One declared column over the base relation."""

    name: str
    physical: tuple[str, ...]
    """The base relation's columns that it is made from, quoted; empty: the files do not have it."""
    expression: str
    """SQL over those columns."""
    computed: str = ""
    """SQL that adds a physical column of this name to the base relation (narrow columns); empty: it is delivered as it is."""


def base_sql(files: Sequence[PhysicalFile], paths: Mapping[Path, Path], spec: FormatSpec | None = None) -> str:
    """A SELECT of everything that the files hold: text cells for CSV and JSON, typed columns for Parquet.

    ``paths`` maps a file to where its readable bytes are (an unpacked zip member). JSON lines have no columns of their own:
    ``spec`` says which fields to take out of them.
    """
    kinds = {file.kind for file in files}
    if len(kinds) != 1:
        raise BadInputError(
            f"the parts of one delivery differ in kind: {', '.join(sorted(kinds))}",
            where=str(files[0].path.parent),
            next_step="Load them from separate folders.",
        )
    kind = kinds.pop()
    if kind == "parquet":
        listed = ", ".join(literal(paths.get(file.path, file.path)) for file in files)
        place = f"(CAST(file_index AS BIGINT) << 40) | file_row_number AS {PLACE}"
        return f"SELECT *, {place} FROM read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
    if kind == "jsonl" and spec:
        return " UNION ALL BY NAME ".join(_jsonl_sql(file, paths.get(file.path, file.path), spec) for file in files)
    return " UNION ALL BY NAME ".join(_csv_sql(file, paths.get(file.path, file.path), spec) for file in files)


def _compression(file: PhysicalFile) -> str:
    return "gzip" if file.packing == "gzip" else "none"


def _jsonl_sql(file: PhysicalFile, path: Path, spec: FormatSpec) -> str:
    """Each field that the format may read, as text, under its dotted name; each line is parsed once."""
    spelt = {fold(name): name for name in reversed(file.columns)}
    wanted = dict.fromkeys(name.split("[")[0] for column in spec.columns for name in column.candidates)
    steps, columns = [], []
    for name in wanted:
        actual = spelt.get(fold(name), name)
        nested = "$." + ".".join(f'"{part}"' for part in actual.split("."))
        steps += [nested, f'$."{actual}"']  # a flattened key may have a dot in it
        value = f"l[{len(steps) - 1}]" if nested == steps[-1] else f"coalesce(l[{len(steps) - 1}], l[{len(steps)}])"
        columns.append(f"{value} AS {quote(name)}")
    listed = ", ".join(literal(step) for step in steps)
    return (
        f"SELECT {', '.join(columns)} FROM (SELECT json_extract_string(json, [{listed}]) AS l FROM read_ndjson_objects("
        f"{literal(path)}, compression = '{'gzip' if file.packing == 'gzip' else 'uncompressed'}', "
        f"maximum_object_size = {4 * LARGEST_CELL}))"
    )


def _csv_sql(file: PhysicalFile, path: Path, spec: FormatSpec | None) -> str:
    header = list(file.columns)
    width = file.width or len(header)
    names = _unique(header[:width])
    columns = "{" + ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names) + "}"
    # a header wider than every row: the rows lack the last columns, which are then simply not there
    return (
        f"SELECT *{_decimal_commas(file, names, spec)} FROM read_csv({literal(path)}, columns = {columns}, "
        f"auto_detect = false, header = false, skip = 1, "
        f"delim = {literal(file.delimiter)}, quote = '\"', escape = '\"', compression = '{_compression(file)}', "
        f"max_line_size = {2 * LARGEST_CELL}, strict_mode = {str(not file.mixed_newlines).lower()})"
    )


def _decimal_commas(file: PhysicalFile, names: Sequence[str], spec: FormatSpec | None) -> str:
    """Between semicolons a comma is a decimal one, or an American's thousands: such a number is spoilt, so that it is refused."""
    if file.delimiter != ";" or spec is None:
        return ""
    wanted = {
        fold(each)
        for column in spec.columns
        if column.type in ("money", "number", "quantity")
        for each in column.candidates
    }
    spoilt = [quote(name) for name in names if wanted.intersection(spellings(name))]
    marked = (f"CASE WHEN contains({c}, ',') THEN {c} || ' (between semicolons)' ELSE {c} END AS {c}" for c in spoilt)
    return f" REPLACE ({', '.join(marked)})" if spoilt else ""


_TWIN = "\x1f"
"""Ends a column's name where another has the same but for case; no name holds it otherwise."""


def _unique(names: Sequence[str]) -> list[str]:
    """Column names as DuckDB wants them: none empty, no two equal but for case (``tags/Team`` beside ``tags/team``)."""
    seen: set[str] = set()
    result = []
    for index, name in enumerate(names):
        unique = name or f"column{index}"
        while unique.lower() in seen:
            unique += _TWIN
        seen.add(unique.lower())
        result.append(unique)
    return result


def typed_columns(spec: FormatSpec, described: Mapping[str, str]) -> list[TypedColumn]:
    """How each declared column is made from the base relation.

    Args:
        described: the base relation's column names and DuckDB types, as DESCRIBE gives them.
    """
    return [_typed(spec, column, described) for column in spec.columns]


def _typed(spec: FormatSpec, column: ColumnSpec, described: Mapping[str, str]) -> TypedColumn:
    found = [made for candidate in column.candidates if (made := _resolve(spec, column, candidate, described))]
    gathered = _gather(column, described)
    if gathered:
        found.append(gathered)
    if not found:
        return TypedColumn(column.name, (), f"CAST(NULL AS {_sql_type(column)})")
    physical = tuple(dict.fromkeys(name for names, _ in found for name in names))
    expressions = [expression for _, expression in found]
    expression = expressions[0] if len(expressions) == 1 else f"coalesce({', '.join(expressions)})"
    if column.type == "month":
        expression = f"date_trunc('month', {expression})"
    if column.narrow:
        return TypedColumn(column.name, (quote(column.name),), quote(column.name), computed=expression)
    return TypedColumn(column.name, physical, expression)


def with_computed(base: str, typed: Sequence[TypedColumn]) -> str:
    """The base relation with the computed columns added."""
    computed = [f"{column.computed} AS {quote(column.name)}" for column in typed if column.computed]
    return f"SELECT *, {', '.join(computed)} FROM ({base})" if computed else base


def _sql_type(column: ColumnSpec) -> str:
    if column.type == "records":
        return "STRUCT(" + ", ".join(f"{quote(n)} {_FIELD_TYPES[t]}" for n, t in column.fields) + ")[]"
    return _SQL_TYPES[column.type]


_SQL_TYPES = {
    "text": "VARCHAR",
    "money": "DECIMAL(38, 18)",
    "number": "DECIMAL(38, 18)",
    "quantity": "DECIMAL(38, 12)",
    "timestamp": "TIMESTAMP",
    "month": "TIMESTAMP",
    "epoch": "TIMESTAMP",
    "map": "MAP(VARCHAR, VARCHAR)",
    "pairs": "MAP(VARCHAR, VARCHAR)",
    "json": "JSON",
    "stated": "BOOLEAN",
}
_FIELD_TYPES = {"text": "VARCHAR", "money": "DECIMAL(38, 18)"}


def _resolve(
    spec: FormatSpec, column: ColumnSpec, candidate: str, described: Mapping[str, str]
) -> tuple[tuple[str, ...], str] | None:
    """The physical column and the conversion for one candidate spelling, or None where the files lack it."""
    names = {spelling: name for name in reversed(list(described)) for spelling in spellings(name)}
    parent, key = (candidate[:-1].split("[", 1)) if candidate.endswith("]") else (candidate, "")
    name = names.get(fold(parent))
    if name and key:
        return _map_key(spec, column, name, key, described[name])
    if name:
        return (quote(name),), _convert(spec, column, quote(name), described[name])
    if "." in candidate:
        top, field = candidate.split(".", 1)
        name = names.get(fold(top))
        if name and described[name].startswith("STRUCT"):
            steps = ".".join(quote(part) for part in field.split("."))
            inner = _field_type(described[name], field)
            if inner:
                return (quote(name),), _convert(spec, column, f"{quote(name)}.{steps}", inner)
        if name and described[name] in ("VARCHAR", "JSON"):
            path = "$." + ".".join(f'"{part}"' for part in field.split("."))
            cell = f"CAST({quote(name)} AS VARCHAR)"
            inside = f"CASE WHEN {cell} LIKE '{{%' THEN json_extract_string({cell}, {literal(path)}) END"
            return (quote(name),), _convert(spec, column, inside, "VARCHAR")
    return None


def _map_key(
    spec: FormatSpec, column: ColumnSpec, name: str, key: str, type_: str
) -> tuple[tuple[str, ...], str] | None:
    if type_.startswith("MAP"):
        return (quote(name),), _convert(spec, column, f"{quote(name)}[{literal(key)}]", "VARCHAR")
    if type_ in ("VARCHAR", "JSON"):
        cell, path = f"CAST({quote(name)} AS VARCHAR)", literal(f'$."{key}"')
        inside = f"CASE WHEN {cell} LIKE '{{%' THEN json_extract_string({cell}, {path}) ELSE map_text({cell})[{literal(key)}] END"
        return (quote(name),), _convert(spec, column, inside, "VARCHAR")
    return None


def _field_type(struct: str, field: str) -> str | None:
    """The type of a field inside DuckDB's spelling ``STRUCT(a VARCHAR, b STRUCT(…))``; None where there is no such field."""
    for part in field.split("."):
        inside = _struct_fields(struct)
        found = {name.strip('"').casefold(): type_ for name, type_ in inside.items()}
        if part.casefold() not in found:
            return None
        struct = found[part.casefold()]
    return struct


def _struct_fields(struct: str) -> dict[str, str]:
    body, fields, depth, start = struct[len("STRUCT(") : -1], {}, 0, 0
    for index, char in enumerate(body + ","):
        depth += (char in "([") - (char in ")]")
        if char == "," and depth == 0:
            name, _, type_ = body[start:index].strip().partition(" ")
            fields[name] = type_
            start = index + 1
    return fields


def _gather(column: ColumnSpec, described: Mapping[str, str]) -> tuple[tuple[str, ...], str] | None:
    """All columns with a prefix as one map: ``resourceTags/user:team`` -> ``{user:team: …}``."""
    for prefix in column.prefixes:
        names = [name for name in described if name.startswith(prefix) and described[name] == "VARCHAR"]
        if names:
            pairs = ", ".join(
                f"{{'key': {literal(n[len(prefix) :].rstrip(_TWIN))}, 'value': nullif({quote(n)}, '')}}" for n in names
            )
            filled = f"list_filter([{pairs}], lambda e: e.value IS NOT NULL)"
            return tuple(quote(name) for name in names), f"map_of_pairs({filled})"
    return None


def _convert(spec: FormatSpec, column: ColumnSpec, expression: str, physical: str) -> str:
    """SQL that turns a physical value into the declared type; a value that is no such thing raises."""
    if column.lenient:  # also inside: DuckDB computes what occurs twice before the outer TRY
        expression = f"TRY({expression})"
    if physical == "VARCHAR":
        nulls = ", ".join(literal(null) for null in spec.nulls if null)
        text = f"nullif({expression}, '')"
        text = f"CASE WHEN {expression} IN ({nulls}) THEN NULL ELSE {text} END" if nulls else text
        converted = _from_text(spec, column, text)
    else:
        converted = _from_typed(column, expression, physical)
    return f"TRY({converted})" if column.lenient else converted


def _from_text(spec: FormatSpec, column: ColumnSpec, text: str) -> str:
    match column.type:
        case "money" | "number":
            return f"money_text({text})"
        case "quantity":
            return f"quantity_text({text})"
        case "timestamp" | "month":
            formats = ", ".join(literal(each) for each in spec.timestamps)
            return f"CAST(strptime({text}, [{formats}]) AS TIMESTAMP)"
        case "epoch":
            return f"make_timestamp(CAST({text} AS BIGINT) * 1000000)"
        case "map":
            return f"map_text({text})"
        case "pairs":
            return f'map_of_pairs(from_json(json_of_repr({text}), \'[{{"key":"VARCHAR","value":"VARCHAR"}}]\'))'
        case "json":
            return f"CAST({text} AS JSON)"
        case "records":
            return _records_of_text(column, text)
        case "stated":
            return f"nullif({text} IS NOT NULL, false)"
        case _:
            return text


def _from_typed(column: ColumnSpec, expression: str, physical: str) -> str:
    match column.type:
        case "money" | "number" | "quantity":
            macro = "quantity_double" if column.type == "quantity" else "money_double"
            return f"{macro}({expression})" if physical in ("DOUBLE", "FLOAT") else _cast(expression, column)
        case "text":
            return f"nullif(CAST({expression} AS VARCHAR), '')"
        case "map":
            if physical.endswith("[]"):  # BigQuery has no maps: {key, value} records
                return f"map_of_pairs(list_transform({expression}, lambda e: {{'key': e.key, 'value': e.value}}))"
            return (
                f"map_or_null({_cast(expression, column)})" if physical.startswith("MAP") else _cast(expression, column)
            )
        case "pairs":
            return f"map_of_pairs(list_transform({expression}, lambda e: {{'key': e.key, 'value': e.value}}))"
        case "json":
            return f"to_json({expression})"
        case "records":
            return _typed_records(column, expression, physical)
        case "stated":
            return f"nullif({expression} IS NOT NULL, false)"
        case "epoch":
            return f"make_timestamp(CAST({expression} AS BIGINT) * 1000000)"
        case _:
            return _cast(expression, column)


_NO_AMOUNT = "no amount"
"""Stands where a record lacks its amount: no number, so that reading it raises. An unread credit would be billed."""


def _records_of_text(column: ColumnSpec, text: str) -> str:
    """Text that is there but is no list of records is an error where they hold money, else NULL."""
    fields = [name for name, _ in column.fields]
    schema = literal('[{"' + '":"VARCHAR","'.join(fields) + '":"VARCHAR"}]')
    listed = f"records_text({text})"
    for name in fields:
        listed = f"field_named({listed}, {literal(name)})"
    parsed = f"from_json({listed}, {schema})"
    money = [name for name, type_ in column.fields if type_ == "money"]
    if money:
        bad = literal(f'[{{"{money[0]}":"{_NO_AMOUNT}"}}]')
        wrong = f"from_json({bad}, {schema})"
        parsed = f"CASE WHEN {listed} IS NOT NULL THEN coalesce({parsed}, {wrong}) END"
    return _records(column, parsed, dict.fromkeys(fields, "VARCHAR"))


def _typed_records(column: ColumnSpec, expression: str, physical: str) -> str:
    struct = physical.removesuffix("[]")
    types = {name: _field_type(struct, name) if struct.startswith("STRUCT") else None for name, _ in column.fields}
    if not all(types.values()) or struct.endswith("[]"):  # of another shape: read as JSON, which is NULL or an error
        return _records_of_text(column, f"CAST(to_json({expression}) AS VARCHAR)")
    listed = expression if physical.endswith("[]") else f"CASE WHEN {expression} IS NOT NULL THEN [{expression}] END"
    return _records(column, listed, {name: str(type_) for name, type_ in types.items()})


def _records(column: ColumnSpec, expression: str, types: Mapping[str, str]) -> str:
    fields = ", ".join(
        f"{literal(name)}: " + (_amount(f"r.{quote(name)}", types[name]) if type_ == "money" else f"r.{quote(name)}")
        for name, type_ in column.fields
    )
    return f"list_transform({expression}, lambda r: {{{fields}}})"


def _amount(expression: str, physical: str) -> str:
    """A record's amount, which must be there."""
    if physical in ("DOUBLE", "FLOAT"):
        return f"money_double(coalesce({expression}, CAST('nan' AS DOUBLE)))"
    return f"money_text(coalesce(CAST({expression} AS VARCHAR), {literal(_NO_AMOUNT)}))"


def _cast(expression: str, column: ColumnSpec) -> str:
    return f"CAST({expression} AS {_SQL_TYPES[column.type]})"
