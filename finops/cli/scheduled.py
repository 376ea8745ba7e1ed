"""What a schedule has to know of a workspace."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finops.cli.app import App
from finops.config.load import FILE_NAME, Workspace
from finops.config.secrets import Secret, secrets_of
from finops.errors import UsageError

ENVIRONMENT = "finops.env"
"""In the workspace: NAME='value' lines, for the secrets that ``finops.toml`` names as ``env:NAME``."""
WAIT = 900
"""Seconds that a scheduled run waits for whoever reads the warehouse at that moment."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


@dataclass(frozen=True)
class Job:
    """A workspace's ``finops run``."""

    workspace: Workspace
    config: Path
    """Its ``finops.toml``; absolute."""
    command: tuple[str, ...]
    """How to call finops; the first is an absolute path."""

    @property
    def folder(self) -> Path:
        """The workspace's."""
        return self.workspace.folder

    def run(self, config: str) -> tuple[str, ...]:
        """The arguments of a scheduled run."""
        return (*self.command, "--config", config, "--no-color", "run", "--wait", str(WAIT))

    @property
    def variables(self) -> list[str]:
        """The environment variables that keep secrets."""
        names = {each.place.removeprefix("env:") for each in self._secrets if each.place.startswith("env:")}
        return sorted(name for name in names if _NAME.fullmatch(name))

    @property
    def secret_files(self) -> list[str]:
        """The files that keep secrets."""
        return sorted({each.place.removeprefix("file:") for each in self._secrets if each.place.startswith("file:")})

    @property
    def _secrets(self) -> list[Secret]:
        return secrets_of(self.workspace.config)

    @property
    def kept(self) -> dict[str, Path]:
        """What must outlive a run, by its key in ``finops.toml``; absolute."""
        config = self.workspace.config
        return {
            "[landing] path": self.workspace.landing,
            "[warehouse] path": self.workspace.warehouse,
            "[paths] findings": self.workspace.path(config.paths.findings),
            "[paths] frozen": self.workspace.path(config.paths.frozen),
            "[paths] outbox": self.workspace.path(config.paths.outbox),
        }

    @property
    def written(self) -> list[Path]:
        """Folders outside of the workspace that a run writes into."""
        config = self.workspace.config
        files = [each for each in (config.warehouse.path, config.run.log, config.metrics.textfile) if each]
        folders = [self.workspace.path(each).parent for each in files] + [
            path for path in self.kept.values() if path != self.workspace.warehouse
        ]
        folders.append(self.workspace.path(config.reports.path))
        return sorted({each for each in folders if not each.is_relative_to(self.folder)})

    @property
    def extras(self) -> str:
        """The optional parts of finops that it needs, as pip has them: ``[azure,notify]``."""
        config = self.workspace.config
        wanted = [("azure", any(each.type == "azure-export" for each in config.sources.values()))]
        wanted.append(("notify", bool(config.notify.urls)))
        names = [name for name, needed in wanted if needed]
        return f"[{','.join(names)}]" if names else ""


def job_of(app: App, command: Path | None = None) -> Job:
    """This workspace's job.

    Args:
        command: where finops is; None: where the one is that runs now.

    Raises:
        UsageError: there is no such command, or a path has characters that no schedule can hold.
    """
    named = app.config or (Path(os.environ["FINOPS_CONFIG"]) if os.environ.get("FINOPS_CONFIG") else None)
    file = FILE_NAME if named is None or named.is_dir() else named.resolve().name
    job = Job(app.workspace, app.workspace.folder / file, _given(command) if command else _myself())
    own = app.workspace.config.paths.model_dump().values()
    for text in map(str, (job.folder, job.config, *job.command, *job.written, *job.kept.values(), *own)):
        if _CONTROL.search(text) or text != text.strip() or text.endswith("\\"):
            raise UsageError(
                f"the path {text!r} cannot stand in a schedule",
                next_step="Rename it: no control characters, no blank at an end.",
            )
    return job


def _given(command: Path) -> tuple[str, ...]:
    path = command.expanduser().absolute()
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise UsageError("is no program", where=str(path), next_step="Give the path of the finops executable.")
    return (str(path),)


def _myself() -> tuple[str, ...]:
    """The program that was called; else the one beside this Python; else that of PATH; else this Python."""
    called = Path(sys.argv[0])
    candidates: Sequence[Path] = (
        *([called] if called.stem == "finops" else []),
        Path(sys.executable).with_name("finops"),
    )
    for each in candidates:
        if each.is_file() and os.access(each, os.X_OK):
            return (str(each.absolute()),)
    if found := shutil.which("finops"):
        return (str(Path(found).absolute()),)
    return (str(Path(sys.executable).absolute()), "-m", "finops")
