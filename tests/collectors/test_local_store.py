"""A local folder as a store of files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from finops.collectors import small
from finops.collectors.files.local import LocalStore
from finops.collectors.interface import Outcome, Trouble
from finops.collectors.store import download


def write(root: Path, name: str, content: str = "1") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def names(store: LocalStore, prefix: str = "") -> list[str]:
    return [file.name for file in store.files(prefix)]


def test_files_and_folders_below_a_prefix(tmp_path: Path) -> None:
    for name in ("b/2.csv", "b/1.csv", "a/1.csv", "ab.csv"):
        write(tmp_path, name)
    store = LocalStore(tmp_path)
    assert names(store) == ["ab.csv", "a/1.csv", "b/1.csv", "b/2.csv"]
    assert names(store, "a") == ["ab.csv", "a/1.csv"]
    assert names(store, "b/") == ["b/1.csv", "b/2.csv"]
    assert names(store, "c/") == []
    assert (store.folders(""), store.folders("a/"), store.folders("c/")) == (["a/", "b/"], [], [])


def test_what_a_sync_is_still_writing_is_hidden_and_left_out(tmp_path: Path) -> None:
    write(tmp_path, ".part.csv.x7Jq")
    write(tmp_path, ".cache/a.csv")
    assert names(LocalStore(tmp_path)) == []


def test_links_are_followed_and_a_link_that_leads_back_ends(tmp_path: Path) -> None:
    write(tmp_path, "far/a.csv")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "near").symlink_to(tmp_path / "far")
    (tmp_path / "far" / "back").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "broken.csv").symlink_to(tmp_path / "nowhere")
    assert names(LocalStore(tmp_path / "root")) == ["near/a.csv"]


def test_a_rewritten_file_has_another_version(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv")
    store = LocalStore(tmp_path)
    (before,) = store.files("")
    os.utime(path, ns=(1, 1))
    (after,) = store.files("")
    assert before.version != after.version


def test_a_file_that_is_rewritten_while_it_is_read_is_not_kept(tmp_path: Path) -> None:
    path = write(tmp_path, "in/a.csv", "12345")
    store = LocalStore(tmp_path / "in")
    files = list(store.files(""))
    path.write_text("67890")
    os.utime(path, ns=(1, 1))
    with pytest.raises(Trouble) as raised:
        download(store, files, tmp_path / "out", lambda name, size: None)
    assert raised.value.outcome is Outcome.INCOMPLETE
    assert not (tmp_path / "out" / "a.csv").exists()


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv")
    store = LocalStore(tmp_path)
    (file,) = store.files("")
    path.unlink()
    with pytest.raises(Trouble) as raised:
        list(store.blocks(file, 0))
    assert raised.value.outcome is Outcome.INCOMPLETE


def test_a_manifest_is_read_whole_and_nothing_larger_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small, "LARGEST", 1000)
    write(tmp_path, "manifest.json", "1" * 1000)
    assert len(LocalStore(tmp_path).read("manifest.json")) == 1000
    write(tmp_path, "manifest.json", "1" * 1001)
    with pytest.raises(Trouble, match="more than 1,000 bytes") as raised:
        LocalStore(tmp_path).read("manifest.json")
    assert (raised.value.outcome, raised.value.where) == (Outcome.CHANGED, f"{tmp_path}/manifest.json")


def test_a_name_that_leads_out_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "secret")
    (tmp_path / "in").mkdir()
    with pytest.raises(Trouble):
        LocalStore(tmp_path / "in").read("../secret")
