"""A bucket of Google Cloud Storage as a store of files."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any, TypeVar

from finops.collectors.gcp.access import credentials
from finops.collectors.gcp.troubles import as_trouble, passing
from finops.collectors.interface import Outcome, RemoteFile, Trouble
from finops.collectors.retry import retrying
from finops.collectors.small import Small
from finops.config.sources import GcpAccess

T = TypeVar("T")

RANGE = 8 << 20
"""Bytes asked for at once: what a broken connection costs, and what a download holds in memory."""
TIMEOUT = (20, 60)
"""Seconds to connect and to wait for an answer."""
LIST, GET = "storage.objects.list", "storage.objects.get"
FIELDS = "items(name,size,generation,md5Hash,timeCreated),prefixes,nextPageToken"


class GcsStore:
    """One bucket. A file's version is its generation. The SDK's own retries are off: ours end at the source's deadline."""

    def __init__(self, source: GcpAccess, bucket: str, folder: Path) -> None:
        self._source = source
        self._name = bucket
        self._folder = folder
        self._made: Any = None
        self._md5: dict[tuple[str, str], str] = {}

    @property
    def url(self) -> str:
        """``gs://acme-billing``."""
        return f"gs://{self._name}"

    def files(self, prefix: str) -> Iterator[RemoteFile]:
        """Every object whose name begins with ``prefix``, but for the empty ones that stand for folders."""
        for items, _ in self._pages(prefix, ""):
            for blob in items:
                if blob.name.endswith("/"):
                    continue
                version = str(blob.generation)
                if blob.md5_hash:
                    self._md5[blob.name, version] = base64.b64decode(blob.md5_hash).hex()
                yield RemoteFile(blob.name, int(blob.size), version, blob.time_created.astimezone(UTC))

    def folders(self, prefix: str) -> Sequence[str]:
        """The folders right below ``prefix``."""
        return sorted({name for _, names in self._pages(prefix, "/") for name in names})

    def read(self, name: str) -> bytes:
        """A small object, whole."""
        blob = self._bucket().blob(name)

        def get() -> bytes:
            content = Small(f"{self.url}/{name}")
            blob.download_to_file(content, raw_download=True, retry=None, timeout=TIMEOUT)
            return content.getvalue()

        return self._try(get, GET, name)

    def blocks(self, file: RemoteFile, start: int) -> Iterator[bytes]:
        """An object's bytes from ``start`` as they are stored, range by range, of the generation that was listed."""
        blob = self._bucket().blob(file.name)

        def get() -> bytes:
            data = blob.download_as_bytes(
                start=start,
                end=min(start + RANGE, file.bytes) - 1,
                raw_download=True,  # what is stored as gzip is not to be unpacked on the way
                if_generation_match=int(file.version),
                checksum=None,
                retry=None,
                timeout=TIMEOUT,
                single_shot_download=True,
            )
            return bytes(data)

        while start < file.bytes:
            block = self._try(get, GET, file.name)
            if not block:
                return
            yield block
            start += len(block)

    def md5(self, file: RemoteFile) -> str:
        """As the listing stated it; composed objects have none."""
        return self._md5.get((file.name, file.version), "")

    def _pages(self, prefix: str, delimiter: str) -> Iterator[tuple[list[Any], list[str]]]:
        """Objects and folders, page by page, so that only a page that failed is asked for again."""
        token: str | None = None
        while True:

            def page(token: str | None = token) -> tuple[list[Any], list[str], str | None]:
                found = self._bucket().list_blobs(
                    prefix=prefix or None,
                    delimiter=delimiter or None,
                    page_token=token,
                    fields=FIELDS,
                    retry=None,
                    timeout=TIMEOUT,
                )
                items = list(next(found.pages, []))
                return items, list(found.prefixes), found.next_page_token

            items, folders, token = self._try(page, LIST)
            yield items, folders
            if not token:
                return

    def _try(self, call: Callable[[], T], permission: str, name: str = "") -> T:
        from google.api_core.exceptions import GoogleAPICallError, NotFound, PreconditionFailed
        from google.auth.exceptions import GoogleAuthError
        from requests.exceptions import RequestException
        from urllib3.exceptions import HTTPError

        where = f"{self.url}/{name}" if name else self.url
        try:
            return retrying(
                call,
                passing=lambda error: passing(error) or isinstance(error, HTTPError),
                deadline=self._source.deadline,
            )
        except (PreconditionFailed, NotFound) as error:
            if not name:
                raise as_trouble(error, where=where, permission=permission) from None
            raise Trouble(
                Outcome.INCOMPLETE,
                "was replaced or removed while it was being read",
                where=where,
                next_step="The next run reads the new version.",
            ) from None
        except HTTPError:
            raise Trouble(
                Outcome.FAILED,
                f"broke off again and again for {self._source.deadline} seconds",
                where=where,
                next_step="Run again later: it goes on where it broke off.",
            ) from None
        except (GoogleAPICallError, GoogleAuthError, RequestException, OSError) as error:
            raise as_trouble(error, where=where, permission=permission, resource=f"the bucket {self._name}") from None

    def _bucket(self) -> Any:
        if self._made is None:
            from google.auth.credentials import AnonymousCredentials
            from google.cloud.storage import Client  # type: ignore[import-untyped]

            source, emulator = self._source, os.environ.get("STORAGE_EMULATOR_HOST")
            if emulator and not (source.credentials or source.impersonate):
                found, project = AnonymousCredentials(), ""  # type: ignore[no-untyped-call]
            else:
                found, project = credentials(source, self._folder)
            endpoint = source.endpoints.get("storage", "").rstrip("/")
            options = {"api_endpoint": endpoint} if endpoint else None
            # a project of None is looked for nowhere; left out, the machine's metadata server would be asked
            client = Client(project=project or None, credentials=found, client_options=options)
            client._bucket_metadata_cache = (
                None  # else it asks for the bucket itself besides, which takes storage.buckets.get
            )
            self._made = client.bucket(self._name)
        return self._made
