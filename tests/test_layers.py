"""Layers point one way, and each library is imported in one place."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPO

PACKAGE = REPO / "finops"
MODULES = sorted(PACKAGE.rglob("*.py"))

# what each layer may import of ours; errors and resources are open to all
MAY_IMPORT = {
    "rules": {"rules", "warehouse"},
    "formats": {"formats", "rules"},
    "warehouse": {"warehouse", "formats", "rules"},
    "config": {"config", "rules"},
    "collectors": {"collectors", "config"},
    "pipeline": {"pipeline", "warehouse", "formats", "rules", "collectors", "config"},
    "reports": {"reports", "warehouse", "rules", "periods"},
    "delivery": {"delivery", "config"},
    "cli": {
        "cli",
        "pipeline",
        "warehouse",
        "formats",
        "rules",
        "collectors",
        "config",
        "reports",
        "delivery",
        "periods",
    },
    "periods": set(),
    "resources": set(),
    "errors": set(),
    "__init__": set(),
    "__main__": {"cli"},
}
OPEN_TO_ALL = {"errors", "resources", "__init__"}

ONLY_IN = {
    "duckdb": ("warehouse/",),
    "jinja2": ("reports/",),
    "boto3": ("collectors/aws/", "delivery/ses.py"),
    "botocore": ("collectors/aws/", "delivery/ses.py"),
    "google": ("collectors/gcp/",),
    "click": ("cli/",),
    "rich": ("cli/",),
    "pydantic": ("config/",),
    "polars": ("cli/output.py", "reports/", "collectors/activity.py"),
    "pyarrow": ("collectors/gcp/",),
    "httpx": ("collectors/llm/", "collectors/web.py"),
    "azure": ("collectors/azure/",),
    "css_inline": ("reports/",),
    "vl_convert": ("reports/",),
    "xlsxwriter": ("reports/",),
    "apprise": ("delivery/",),
    "prometheus_client": ("cli/", "pipeline/"),
    "tenacity": ("collectors/retry.py",),
    "yaml": ("rules/header.py", "collectors/mlflow/"),
}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    inside = path.relative_to(PACKAGE)
    layer = inside.parts[0].removesuffix(".py")
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "finops" and len(parts) > 1:
            target = parts[1] if (PACKAGE / parts[1]).is_dir() or (PACKAGE / f"{parts[1]}.py").is_file() else "__init__"
            assert target in MAY_IMPORT[layer] | OPEN_TO_ALL, f"{inside} ({layer}) may not import {name}"
        elif parts[0] in ONLY_IN:
            assert inside.as_posix().startswith(ONLY_IN[parts[0]]), f"{inside} may not import {name}"


def test_every_folder_is_a_known_layer() -> None:
    assert {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()} - {
        "__pycache__",
        "py.typed",
        "_queries",
        "_templates",
    } <= MAY_IMPORT.keys()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_small_enough_to_be_read_at_once(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_help_imports_no_cloud_sdk_and_no_heavy_library() -> None:
    """`finops --help` stays under 0.3 s because it loads next to nothing; this is what keeps it so."""
    code = "import sys; from finops.cli import run; run(['--help']); print(*sorted(sys.modules), file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in result.stderr.split()}
    assert not loaded & {"boto3", "botocore", "google", "polars", "jinja2", "duckdb", "pydantic", "yaml", "rich"}
    assert "Commands:" in result.stdout
