"""The page on paper: PDF by Chromium, where there is one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from datetime import date
from pathlib import Path

from finops.errors import ConfigError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SECONDS = 60
"""How long one page may take."""
_DATE = re.compile(rb"/(CreationDate|ModDate) ?\(D:[^)]*\)")
_BESIDE = re.compile(r' href="(?!#|[a-z]+:)[^"]*"')
_NEXT = "Install Chromium, name it in FINOPS_CHROMIUM, or set [reports] pdf = false."
_OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pdf-header-footer",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


class PrintError(ConfigError):
    """There is no PDF. The rest of the report has nothing to do with it."""


def find_browser() -> str:
    """What ``FINOPS_CHROMIUM`` names, else the first Chromium on the path.

    Raises:
        PrintError: there is none.
    """
    named = os.environ.get("FINOPS_CHROMIUM", "")
    found = next(filter(None, map(shutil.which, [named] if named else BROWSERS)), None)
    if found is None:
        raise PrintError(
            f"FINOPS_CHROMIUM={named} is no program" if named else "there is no Chromium to print a PDF with",
            next_step=_NEXT,
        )
    return found


def print_page(page: str, today: date, seconds: int = SECONDS) -> bytes:
    """The page as PDF; the same page, day and Chromium give the same bytes. Nothing is fetched.

    Links to the files beside the page are left out: a PDF travels alone.

    Raises:
        PrintError: there is no Chromium, it failed, or took longer than ``seconds``.
    """
    browser = find_browser()
    with tempfile.TemporaryDirectory(prefix="finops-pdf-", ignore_cleanup_errors=True) as folder:
        source, target = Path(folder, "page.html"), Path(folder, "page.pdf")
        source.write_text(_BESIDE.sub("", page), encoding="utf-8")
        command = [
            browser,
            *_OPTIONS,
            *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
            f"--user-data-dir={folder}/profile",
            f"--print-to-pdf={target}",
            source.as_uri(),
        ]
        environment = os.environ | {"HOME": folder, "TZ": "UTC"}
        try:
            done = subprocess.run(command, capture_output=True, timeout=seconds, check=False, env=environment)
        except subprocess.TimeoutExpired as error:
            raise PrintError(f"took longer than {seconds} s to print a page", where=browser, next_step=_NEXT) from error
        except OSError as error:
            raise PrintError(f"cannot be started: {error.strerror}", where=browser, next_step=_NEXT) from error
        if not target.is_file():
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            said = lines[-1] if lines else "it said nothing"
            raise PrintError(f"printed nothing (exit {done.returncode}): {said}", where=browser, next_step=_NEXT)
        return _dated(target.read_bytes(), today)


def _dated(pdf: bytes, today: date) -> bytes:
    """With the report's day instead of the moment of printing, in as many bytes: offsets in a PDF count."""

    def day(match: re.Match[bytes]) -> bytes:
        start = b"/" + match[1] + match[0][match[0].index(match[1]) + len(match[1]) : match[0].index(b"D:")]
        return start + f"D:{today:%Y%m%d}000000+00'00')".encode()

    changed = _DATE.sub(day, pdf)
    return changed if len(changed) == len(pdf) else pdf
