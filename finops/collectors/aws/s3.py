"""A bucket of Amazon S3, as a place that holds files."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from datetime import UTC
from typing import Any

from botocore import exceptions as sdk  # type: ignore[import-untyped]

from finops.collectors.aws.session import client, is_passing
from finops.collectors.aws.troubles import calling, code_of
from finops.collectors.interface import Outcome, RemoteFile, Trouble
from finops.collectors.retry import FIRST_WAIT, LONGEST_WAIT
from finops.collectors.small import Small
from finops.collectors.store import BLOCK, WrongBytes
from finops.config.sources import AwsAccess

_MD5 = re.compile(r"[0-9a-f]{32}")
_REPLACED = frozenset({"412", "PreconditionFailed", "404", "NoSuchKey"})


def bucket_arn(source: AwsAccess, bucket: str, path: str = "") -> str:
    """The ARN of a bucket, or of what lies in it."""
    partition = next((name for start, name in _PARTITIONS.items() if source.region.startswith(start)), "aws")
    return f"arn:{partition}:s3:::{bucket}" + (f"/{path}" if path else "")


_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}


class S3Store:
    """Lists and reads one bucket. Needs ``s3:ListBucket`` on it and ``s3:GetObject`` on what is in it."""

    def __init__(self, source: AwsAccess, bucket: str, *, region: str | None = None, below: str = "") -> None:
        """``below``: everything that is read begins with it, so that it is what a missing permission is asked for."""
        self._source = source
        self._bucket = bucket
        self._region = region
        self._below = below
        self._is_md5: dict[tuple[str, str], bool] = {}

    @property
    def url(self) -> str:
        return f"s3://{self._bucket}"

    def files(self, prefix: str) -> Iterator[RemoteFile]:
        """Every object whose key begins with ``prefix``, a thousand per call; markers of folders are none."""
        for page in self._pages(prefix):
            for each in page.get("Contents", ()):
                if not (each["Key"].endswith("/") and each["Size"] == 0):
                    yield RemoteFile(
                        each["Key"], each["Size"], each["ETag"].strip('"'), each["LastModified"].astimezone(UTC)
                    )

    def folders(self, prefix: str) -> Sequence[str]:
        return [each["Prefix"] for page in self._pages(prefix, "/") for each in page.get("CommonPrefixes", ())]

    def read(self, name: str) -> bytes:
        """A small object, whole.

        Raises:
            Trouble: it is not there, not allowed, too large, or could not be read until the deadline.
        """
        content = Small(self._where(name))
        with closing(self._body(RemoteFile(name), 0, whole=True)) as blocks:
            for block in blocks:
                content.write(block)
        return content.getvalue()

    def blocks(self, file: RemoteFile, start: int) -> Iterator[bytes]:
        """An object's bytes from ``start`` on. After a broken connection only the missing bytes are asked for."""
        if start < file.bytes:
            yield from self._body(file, start, whole=False)

    def md5(self, file: RemoteFile) -> str:
        """The ETag, where it is an MD5: not for uploads in parts, nor where a KMS key encrypts the object."""
        if not _MD5.fullmatch(file.version):
            return ""
        if (file.name, file.version) not in self._is_md5:
            with self._calling("s3:GetObject", file.name):
                head = self._client().head_object(Bucket=self._bucket, Key=file.name)
            self._note(file, head)
        return file.version if self._is_md5.get((file.name, file.version)) else ""

    def _body(self, file: RemoteFile, start: int, *, whole: bool) -> Generator[bytes]:
        """Blocks of an object, continued until ``file.bytes``; ``whole``: until what the answer says is its size."""
        at, size, wait = start, file.bytes, FIRST_WAIT
        gives_up = time.monotonic() + self._source.deadline
        while True:
            before = at
            answer = self._get(file, at)
            if whole:
                size = at + answer["ContentLength"]
                file = RemoteFile(file.name, size, answer["ETag"].strip('"'))
            try:
                for block in answer["Body"].iter_chunks(BLOCK):
                    at += len(block)
                    yield block
                error: Exception | None = None
            except sdk.FlexibleChecksumError as wrong:
                raise WrongBytes(self.url, file.name) from wrong
            except (sdk.IncompleteReadError, sdk.HTTPClientError) as broken:
                error = broken
            finally:
                answer["Body"].close()
            if at >= size:
                return
            if at > before:
                gives_up, wait = time.monotonic() + self._source.deadline, FIRST_WAIT
            if time.monotonic() + wait > gives_up or (error and not is_passing(error) and not _is_short(error)):
                what = f"broke off after {at:,} of {size:,} bytes" + (f" ({error})" if error else "")
                raise Trouble(
                    Outcome.FAILED, what, where=self._where(file.name), next_step="The next run goes on from there."
                )
            time.sleep(wait)
            wait = min(LONGEST_WAIT, wait * 2)

    def _get(self, file: RemoteFile, start: int) -> dict[str, Any]:
        asked: dict[str, Any] = {"Bucket": self._bucket, "Key": file.name}
        if file.version:
            asked["IfMatch"] = f'"{file.version}"'
        if start:
            asked["Range"] = f"bytes={start}-"
        try:
            with self._calling("s3:GetObject", file.name):
                answer: dict[str, Any] = self._client().get_object(**asked)
        except Trouble as trouble:
            if file.version and trouble.__cause__ and code_of(trouble.__cause__) in _REPLACED:
                raise Trouble(Outcome.INCOMPLETE, "was replaced or removed since it was listed", where=self._where(file.name),
                              next_step="Run it again: a new delivery has arrived meanwhile.") from trouble  # fmt: skip
            raise
        if start and answer["ResponseMetadata"]["HTTPStatusCode"] != 206:
            raise WrongBytes(self.url, file.name)  # the whole object, where the rest was asked for
        self._note(file, answer)
        return answer

    def _note(self, file: RemoteFile, answer: dict[str, Any]) -> None:
        plain = answer.get("ServerSideEncryption", "AES256") == "AES256" and not answer.get("SSECustomerAlgorithm")
        self._is_md5[file.name, file.version] = plain and answer["ETag"].strip('"') == file.version

    def _pages(self, prefix: str, delimiter: str = "") -> Iterator[dict[str, Any]]:
        options = {"Delimiter": delimiter} if delimiter else {}
        with self._calling("s3:ListBucket", prefix):
            pages = (
                self._client().get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix, **options)
            )
            turning = iter(pages)
        while True:
            with self._calling("s3:ListBucket", prefix):
                page = next(turning, None)
            if page is None:
                return
            yield page

    def _client(self) -> Any:
        return client(self._source, "s3", region=self._region)

    def _where(self, name: str) -> str:
        return f"{self.url}/{name}"

    def _calling(self, action: str, name: str) -> Any:
        key = f"{self._below}*" if self._below else name
        resource = bucket_arn(self._source, self._bucket, key if action == "s3:GetObject" else "")
        return calling(self._where(name), action, resource, profile=self._source.profile)


def _is_short(error: BaseException) -> bool:
    return isinstance(error, sdk.IncompleteReadError)
