"""A container of Azure Blob Storage as a store of files. Needs the optional extra ``azure``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any, TypeVar

from finops.collectors.azure.troubles import as_trouble, is_passing, seconds_asked
from finops.collectors.interface import Outcome, RemoteFile, Trouble
from finops.collectors.retry import retrying
from finops.collectors.small import Small
from finops.config.sources import AzureExport
from finops.errors import ConfigError

T = TypeVar("T")

RANGE = 8 << 20
"""Bytes asked for at once: what a broken connection costs, and what a download holds in memory."""


class BlobStore:
    """One container. The SDK's own retries are off: ours end at the source's deadline."""

    def __init__(self, source: AzureExport, folder: Path) -> None:
        self._source = source
        self._folder = folder
        self._made: Any = None
        self._md5: dict[tuple[str, str], str] = {}

    @property
    def url(self) -> str:
        """``https://acme.blob.core.windows.net/billing``."""
        if self._source.connection_string:
            return str(self._client().url).partition("?")[0]
        return f"{_endpoint(self._source)}/{self._source.container}"

    def files(self, prefix: str) -> Iterator[RemoteFile]:
        """Every blob whose name begins with ``prefix``; folders of a hierarchical namespace are among them, as empty blobs."""
        for page in self._pages(lambda: self._client().list_blobs(name_starts_with=prefix or None)):
            for blob in page:
                md5 = blob.content_settings.content_md5
                version = str(blob.etag).strip('"')
                if md5:
                    self._md5[blob.name, version] = bytes(md5).hex()
                yield RemoteFile(blob.name, int(blob.size), version, blob.last_modified.astimezone(UTC))

    def folders(self, prefix: str) -> Sequence[str]:
        """The folders right below ``prefix``."""
        self._client()
        from azure.storage.blob import BlobPrefix

        pages = self._pages(lambda: self._client().walk_blobs(name_starts_with=prefix or None, delimiter="/"))
        return [str(each.name) for page in pages for each in page if isinstance(each, BlobPrefix)]

    def read(self, name: str) -> bytes:
        """A small blob, whole."""
        where = f"{self.url}/{name}"

        def get() -> bytes:
            content = Small(where)
            self._client().download_blob(name).readinto(content)
            return content.getvalue()

        return self._try(get, where)

    def blocks(self, file: RemoteFile, start: int) -> Iterator[bytes]:
        """A blob's bytes from ``start``, range by range, each only while the blob is the one that was listed."""
        self._client()
        from azure.core import MatchConditions

        condition = {"etag": f'"{file.version}"', "match_condition": MatchConditions.IfNotModified}
        where = f"{self.url}/{file.name}"

        def get() -> bytes:
            length = min(RANGE, file.bytes - start)
            return bytes(self._client().download_blob(file.name, offset=start, length=length, **condition).readall())

        while start < file.bytes:
            block = self._try(get, where)
            if not block:
                return
            yield block
            start += len(block)

    def md5(self, file: RemoteFile) -> str:
        """As the listing stated it."""
        return self._md5.get((file.name, file.version), "")

    def _pages(self, listing: Callable[[], Any]) -> Iterator[list[Any]]:
        """Page by page, so that a page that fails is asked for again and the ones before it are not."""
        token: str | None = None
        while True:

            def page(token: str | None = token) -> tuple[list[Any], str | None]:
                pages = listing().by_page(continuation_token=token)
                return list(next(pages, [])), pages.continuation_token

            items, token = self._try(page, self.url)
            yield items
            if not token:
                return

    def _try(self, call: Callable[[], T], where: str) -> T:
        self._client()
        from azure.core.exceptions import AzureError

        try:
            return retrying(call, passing=is_passing, deadline=self._source.deadline, asked=seconds_asked)
        except AzureError as error:
            raise as_trouble(error, where, self._source.deadline) from None

    def _client(self) -> Any:
        if self._made is None:
            self._made = _connect(self._source, self._folder)
        return self._made


def _connect(source: AzureExport, folder: Path) -> Any:
    """The container's client. Nothing is asked of Azure yet."""
    try:
        from azure.identity import DefaultAzureCredential
        from azure.storage.blob import ContainerClient
    except ImportError as error:
        raise Trouble(
            Outcome.FAILED,
            "the libraries that read Azure are not installed",
            where=source.container,
            next_step="pip install 'finops-ledger[azure]'",
        ) from error
    options: dict[str, Any] = {
        "retry_total": 0,
        "connection_timeout": 20,
        "read_timeout": 60,
        "max_single_get_size": RANGE,
        "max_chunk_get_size": RANGE,
    }
    if source.connection_string:
        text = source.connection_string.reveal(folder)
        try:
            return ContainerClient.from_connection_string(text, source.container, **options)
        except ValueError:
            raise ConfigError(
                "is no connection string of a storage account",
                where=str(source.connection_string),
                next_step="Copy it from the storage account's 'Access keys' or 'Shared access signature'.",
            ) from None
    credential: Any
    endpoint = _endpoint(source)
    if source.anonymous:
        credential = None
    elif source.sas:
        credential = source.sas.reveal(folder).lstrip("?")
    elif source.account_key:
        name = endpoint.partition("//")[2].partition("/")[0].partition(".")[0]
        credential = {"account_name": name, "account_key": source.account_key.reveal(folder)}
    else:
        credential = DefaultAzureCredential()
    return ContainerClient(endpoint, source.container, credential=credential, **options)


def _endpoint(source: AzureExport) -> str:
    """The account's blob endpoint, from its name or its URL."""
    stated = source.endpoints.get("blob") or source.account
    return stated.rstrip("/") if "://" in stated else f"https://{stated}.blob.core.windows.net"
