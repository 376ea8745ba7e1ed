"""Finds the shipped folders: inside the wheel, or in the checkout that the package runs from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def _shipped(packaged: str, in_checkout: str) -> Path:
    package = Path(str(files("finops")))
    checkout = package.parent / in_checkout
    return checkout if checkout.is_dir() and (package.parent / "pyproject.toml").is_file() else package / packaged


def shipped_queries() -> Path:
    """The folder of the SQL files that come with finops."""
    return _shipped("_queries", "queries")


def shipped_templates() -> Path:
    """The folder of the report templates that come with finops."""
    return _shipped("_templates", "reports/templates")
