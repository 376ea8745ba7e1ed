"""Writes the generated parts of docs/ from the code: ``make docs``. A test fails when they differ."""

from __future__ import annotations

import importlib
import types
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import click
from pydantic import BaseModel

from docs import of_templates
from finops.cli import COMMANDS, cli
from finops.config.schema import Config
from finops.config.secrets import Secret
from finops.config.sources import SOURCE_TYPES, Source
from finops.rules.catalogue import Catalogue
from finops.rules.header import LAYERS
from finops.warehouse.columns import ledger_columns

DOCS = Path(__file__).parent
NOTE = "<!-- Made from the code by `make docs`; edit the code. -->\n\n"


def pages() -> dict[str, str]:
    """Each generated page's text by its name."""
    return {
        "cli.md": NOTE + "".join(_cli()),
        "rules.md": NOTE + "".join(_rules()),
        "columns.md": NOTE + "".join(_columns()),
        "configuration.md": NOTE + "".join(_configuration()),
        "templates.md": NOTE + of_templates.page(),
    }


def _cli() -> Iterator[str]:
    yield "# Commands\n\nEvery `--help`, as it prints.\n"
    yield from _help(cli, "finops", None)
    for name in COMMANDS:
        command = getattr(importlib.import_module(f"finops.cli.{name}"), name)
        yield from _help(command, f"finops {name}", None)
        if isinstance(command, click.Group):
            for inner in command.commands.values():
                yield from _help(inner, f"finops {name} {inner.name}", None)


def _help(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    context = click.Context(
        command, info_name=name, parent=parent, terminal_width=100, help_option_names=["-h", "--help"]
    )
    yield f"\n## {name}\n\n```text\n{command.get_help(context)}\n```\n"


def _rules() -> Iterator[str]:
    yield "# The SQL files\n\n`finops queries show ID` prints one; `finops queries copy ID` gives you your own.\n"
    catalogue = Catalogue()
    for layer in LAYERS:
        yield f"\n## {layer}\n"
        for query in catalogue.layer(layer):
            yield f"\n### {query.id}\n\n**{query.title}** (version {query.version})\n\n{_flat(query.why)}\n"
            if query.extra.get("misses"):
                yield f"\n*What it misses:* {_flat(query.extra['misses'])}\n"
            for parameter in query.params.values():
                unit = f" {parameter.unit}" if parameter.unit else ""
                yield f"\n- `{parameter.name}` = {parameter.default}{unit}: {_flat(parameter.help)}"
            if query.params:
                yield "\n"


def _flat(text: str) -> str:
    return " ".join(str(text).split())


def _columns() -> Iterator[str]:
    yield "# Columns of the ledger\n\n`focus.cost_and_usage` has the 65 columns of FOCUS 1.4, then ours (`x_…`).\n"
    yield "\n| column | type | since | until | allowed values |\n| --- | --- | --- | --- | --- |\n"
    for column in ledger_columns():
        since = f"FOCUS {column.since}" if column.since else "finops"
        until = f"FOCUS {column.until}" if column.until else ""
        yield f"| `{column.name}` | {column.type} | {since} | {until} | {', '.join(column.allowed)} |\n"
    yield "\nA column with an *until* is in `focus_data_table` only, so that queries written for older versions run.\n"


def _configuration() -> Iterator[str]:
    yield "# finops.toml\n\nPaths are relative to the file. `finops init` writes a commented one.\n"
    for name, field in Config.model_fields.items():
        model: Any = field.annotation
        if name == "sources":
            yield f"\n## [sources.NAME]\n\n{field.description}\n"
            yield "\nEvery source takes:\n"
            yield from _keys(Source, leave={"type"})
            for model in dict.fromkeys(SOURCE_TYPES.values()):
                types = " or ".join(f'`type = "{name}"`' for name, each in SOURCE_TYPES.items() if each is model)
                yield f"\n### {types}\n\n{_flat(model.__doc__ or '')}\n"
                yield from _keys(model, leave=set(Source.model_fields))
        elif isinstance(model, type) and issubclass(model, BaseModel):
            yield from _section(name, model)
        else:
            yield f"\n## [{name}.RULE]\n\n{field.description}\n"


def _section(name: str, model: type[BaseModel]) -> Iterator[str]:
    """A section with those within it."""
    yield f"\n## [{name}]\n\n{_flat(model.__doc__ or '')}\n"
    yield from _keys(model)
    for key, field in model.model_fields.items():
        for inner in _parts(field.annotation):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                place = f"{name}.{field.alias or key}"
                yield from _section(f"[{place}]" if get_origin(field.annotation) is list else place, inner)


def _parts(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if isinstance(annotation, types.UnionType) or get_origin(annotation) is list else ()


def _keys(model: type[BaseModel], leave: Collection[str] = ()) -> Iterator[str]:
    fields = {field.alias or name: field for name, field in model.model_fields.items() if name not in leave}
    if not fields:
        return
    yield "\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n"
    for name, field in fields.items():
        default = "required" if field.is_required() else _default(field.default)
        yield f"| `{name}` | {_type(field.annotation)} | {default} | {_flat(field.description or '')} |\n"


def _default(value: Any) -> str:
    if value in ("", None, [], {}):
        return "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        return _type(get_args(annotation)[0])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    if isinstance(annotation, types.UnionType) or get_origin(annotation) is Union:
        return " or ".join(_type(each) for each in get_args(annotation) if each is not type(None))
    if get_origin(annotation) is list:
        (inner,) = get_args(annotation)
        return "list of tables" if isinstance(inner, type) and issubclass(inner, BaseModel) else "list of texts"
    if get_origin(annotation) is dict:
        return "table of texts"
    if isinstance(annotation, type):
        if annotation is Secret:
            return "`env:NAME` or `file:PATH`"
        names = {"str": "text", "int": "whole number", "Path": "path", "bool": "true or false", "Decimal": "number"}
        return names.get(annotation.__name__, annotation.__name__)
    return " or ".join(f"`{each}`" for each in get_args(annotation))


if __name__ == "__main__":
    for page, text in pages().items():
        (DOCS / page).write_text(text, encoding="utf-8")
        print(f"docs/{page}")
