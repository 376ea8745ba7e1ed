"""The rules and mappings of a workspace as a git revision has them. Nothing that is checked out is touched."""

from __future__ import annotations

import subprocess
from pathlib import Path, PurePosixPath

from finops.config.load import FILE_NAME, Workspace, read_workspace
from finops.errors import UsageError


def restore(workspace: Workspace, revision: str, target: Path) -> Workspace:
    """Write what a revision has of finops.toml, queries and mappings below ``target``, and read it as a workspace.

    Args:
        revision: anything that git takes for a commit: a branch, a tag, ``HEAD~3``.

    Raises:
        UsageError: the workspace is not under git, or there is no such commit.
        ConfigError: the finops.toml of then cannot be read by this version.
    """
    commit = _commit(workspace.folder, revision)
    written = target / FILE_NAME
    target.mkdir(parents=True, exist_ok=True)
    config = _git(workspace.folder, "show", f"{commit}:./{FILE_NAME}")
    written.write_bytes(config if config is not None else (workspace.folder / FILE_NAME).read_bytes())
    then = read_workspace(written)
    for path in (then.config.paths.queries, then.config.paths.mappings):
        if path.is_absolute() or ".." in path.parts:
            raise UsageError(
                f"{path} lies outside of the workspace, so a revision of the workspace does not say what was in it",
                next_step="Name two folders instead: --queries DIR --mappings DIR.",
            )
        _write(workspace.folder, commit, path.as_posix(), target)
    return then


def _commit(folder: Path, revision: str) -> str:
    if _git(folder, "rev-parse", "--git-dir") is None:
        raise UsageError(
            "the workspace is not under git, so it has no revisions",
            where=str(folder),
            next_step="Name two folders instead: --queries DIR --mappings DIR.",
        )
    found = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found is None:
        raise UsageError(
            f"git knows no commit '{revision}'",
            where=str(folder),
            next_step="Give a branch, a tag or a commit: main, v1.2, HEAD~1.",
        )
    return found.decode().strip()


def _write(folder: Path, commit: str, path: str, target: Path) -> None:
    listed = _git(folder, "ls-tree", "-r", "-z", "--name-only", commit, "--", path) or b""
    for name in filter(None, listed.decode().split("\0")):
        content = _git(folder, "show", f"{commit}:./{name}")
        if content is None or ".." in PurePosixPath(name).parts:
            continue
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _git(folder: Path, *arguments: str) -> bytes | None:
    """What git answers; None if it has nothing to answer."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
    except FileNotFoundError as error:
        raise UsageError(
            "git is not installed", next_step="Name two folders instead: --queries DIR --mappings DIR."
        ) from error
    return done.stdout if done.returncode == 0 else None
