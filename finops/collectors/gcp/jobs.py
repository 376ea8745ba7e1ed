"""Asking BigQuery: every query is tried dry first and bounded in what it may scan, and given up at a deadline."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finops.collectors.gcp import access
from finops.collectors.gcp.troubles import as_trouble, passing, source_errors
from finops.collectors.interface import Outcome, Trouble
from finops.collectors.retry import FIRST_WAIT, LONGEST_WAIT, retrying
from finops.config.sources import GcpBigQuery

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]
    from google.cloud.bigquery import Client, QueryJob, QueryJobConfig, Table

PAGE = 2_000
"""Rows per answer where there is no storage API."""
STREAMS = 2
"""Of the storage API: more would hold more of the answer in memory."""
PATIENCE = 60
"""Seconds that one call may stay unanswered, if the deadline is not sooner."""


class Jobs:
    """BigQuery, as one source reaches it."""

    def __init__(self, source_id: str, source: GcpBigQuery, folder: Path) -> None:
        self.source = source
        self.location = source.location
        self._source_id = source_id
        self._folder = folder
        self._client: Client | None = None
        self._storage: Any = None
        self._without_storage = not has_storage(source)

    @property
    def client(self) -> Client:
        """The SDK's client, made when it is first needed.

        Raises:
            Trouble: there are no credentials.
        """
        if self._client is None:
            from google.auth.credentials import AnonymousCredentials
            from google.cloud.bigquery import Client

            if os.environ.get("BIGQUERY_EMULATOR_HOST"):
                found: Any = AnonymousCredentials()  # type: ignore[no-untyped-call]
            else:
                found, _ = access.credentials(self.source, self._folder)
            endpoint = self.source.endpoints.get("bigquery")
            options = {"api_endpoint": endpoint} if endpoint else None
            self._client = Client(project=self.source.project, credentials=found, client_options=options)
        return self._client

    def table(self) -> Table:
        """The table's description.

        Raises:
            Trouble: denied, missing, expired, failed.
        """
        end = self._end()
        try:
            found = self.client.get_table(self.source.table, retry=self._retry(end), timeout=self._patience(end))
        except source_errors() as error:
            raise self._trouble(error, "bigquery.tables.get", f"table {self.source.table}") from error
        self.location = self.source.location or str(found.location or "")
        return found

    def size(self, sql: str) -> int:
        """The bytes that a query would scan. It is not run and costs nothing."""
        from google.cloud.bigquery import QueryJobConfig

        end = self._end()
        try:
            return int(
                self._start(sql, QueryJobConfig(dry_run=True, use_query_cache=False), end).total_bytes_processed or 0
            )
        except source_errors() as error:
            raise self._query_trouble(error) from error

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """A small answer."""
        job, end = self._run(sql)
        try:
            found = job.result(retry=self._retry(end), job_retry=None, timeout=self._left(end))
            return [dict(row.items()) for row in found]
        except source_errors() as error:
            raise self._query_trouble(error) from error

    def batches(self, sql: str) -> Iterator[pyarrow.RecordBatch]:
        """A large answer, piece by piece, in no order."""
        job, _ = self._run(sql)
        if not self._without_storage:
            first = True
            try:
                answer = job.result(retry=self._retry(end := self._end()), job_retry=None, timeout=self._left(end))
                for batch in answer.to_arrow_iterable(self._reader(), max_queue_size=STREAMS, max_stream_count=STREAMS):
                    first = False
                    yield batch
            except source_errors() as error:
                trouble = self._trouble(error, "bigquery.readsessions.create", f"project {self.source.project}")
                if trouble.outcome is not Outcome.DENIED or not first:
                    raise trouble from error
                self._without_storage = True  # it is faster, and not needed
            else:
                return
        try:
            end = self._end()
            answer = job.result(PAGE, retry=self._retry(end), job_retry=None, timeout=self._left(end))
            yield from answer.to_arrow_iterable()
        except source_errors() as error:
            raise self._query_trouble(error) from error

    def _run(self, sql: str) -> tuple[QueryJob, float]:
        """A query that has ended well, and when its time is over."""
        from google.cloud.bigquery import QueryJobConfig

        bound = self.source.maximum_bytes_billed
        if (size := self.size(sql)) > bound:
            raise Trouble(
                Outcome.UNAPPROVED,
                f"a query would scan {size:,} bytes, and no more than {bound:,} were agreed to",
                where=self.source.table,
                next_step=f"Raise the source's maximum_bytes_billed to {size} or more, or ask for fewer months.",
            )
        labels = {"tool": "finops", "source": re.sub(r"[^a-z0-9_-]", "-", self._source_id.lower())[:63]}
        # a query that is given up at the deadline is not to go on, and be paid for
        patience = int(self.source.deadline * 1000)
        config = QueryJobConfig(maximum_bytes_billed=bound, labels=labels, job_timeout_ms=patience)
        end = self._end()

        def attempt() -> QueryJob:
            job = self._start(sql, config, end)
            job.result(retry=self._retry(end), job_retry=None, timeout=self._left(end))
            return job

        try:
            job = retrying(
                attempt, passing=lambda error: passing(error) and time.monotonic() < end, deadline=self.source.deadline
            )
        except source_errors() as error:
            raise self._query_trouble(error) from error
        return job, end

    def _start(self, sql: str, config: QueryJobConfig, end: float) -> QueryJob:
        return self.client.query(
            sql,
            job_config=config,
            location=self.location or None,
            retry=self._retry(end),
            timeout=self._patience(end),
            job_retry=None,
        )

    def _reader(self) -> Any:
        if self._storage is None:
            self._storage = _Reader(self.source, self.client._credentials, self._retry)
        return self._storage

    def _end(self) -> float:
        return time.monotonic() + self.source.deadline

    def _left(self, end: float) -> float:
        return max(0.1, end - time.monotonic())

    def _patience(self, end: float) -> float:
        return min(PATIENCE, max(1.0, self._left(end)))

    def _retry(self, end: float) -> Any:
        from google.api_core.retry import Retry

        return Retry(predicate=passing, initial=FIRST_WAIT, maximum=LONGEST_WAIT, timeout=self._left(end))

    def _query_trouble(self, error: BaseException) -> Trouble:
        if "jobs.create" in str(error):
            return self._trouble(error, "bigquery.jobs.create", f"project {self.source.project}")
        return self._trouble(error, "bigquery.tables.getData", f"table {self.source.table}")

    def _trouble(self, error: BaseException, permission: str, resource: str) -> Trouble:
        return as_trouble(error, where=self.source.table, permission=permission, resource=resource)


class _Reader:
    """The storage API's client with our patience: by itself it tries again for a day."""

    def __init__(self, source: GcpBigQuery, credentials: Any, retry: Callable[[float], Any]) -> None:
        from google.cloud.bigquery_storage import BigQueryReadClient
        from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

        make: Any = BigQueryReadClient
        endpoint = source.endpoints.get("bigquerystorage", "")
        if endpoint.startswith("http://"):
            import grpc  # type: ignore[import-untyped]

            channel = grpc.insecure_channel(endpoint.removeprefix("http://").rstrip("/"))
            self._client = make(transport=BigQueryReadGrpcTransport(channel=channel))
        else:
            options = {"api_endpoint": endpoint} if endpoint else None
            self._client = make(credentials=credentials, client_options=options)
        self._deadline = source.deadline
        self._retry = retry

    def create_read_session(self, **asked: Any) -> Any:
        """As the client's own."""
        end = time.monotonic() + self._deadline
        return self._client.create_read_session(**asked | {"retry": self._retry(end), "timeout": PATIENCE})

    def read_rows(self, name: str, offset: int = 0) -> Any:
        """As the client's own. A stream that stands still for the deadline is opened anew, and given up if nothing comes."""
        from google.cloud.bigquery_storage_v1.reader import ReadRowsStream

        make: Any = ReadRowsStream
        return make(_Rows(self._client, self._retry, self._deadline), name, offset, {})


class _Rows:
    """Opens streams that end at the deadline. The client's own last a day, even if nothing comes."""

    def __init__(self, client: Any, retry: Callable[[float], Any], deadline: float) -> None:
        self._client = client
        self._retry = retry
        self._deadline = deadline

    def read_rows(self, read_stream: str, offset: int) -> Iterator[Any]:
        """The stream from a row on; at the deadline, if there was progress, an error after which it is opened again."""
        from google.api_core.exceptions import DeadlineExceeded, ServiceUnavailable
        from google.cloud.bigquery_storage_v1.services.big_query_read import BigQueryReadClient

        retry = self._retry(time.monotonic() + self._deadline)
        call: Any = BigQueryReadClient.read_rows
        came = False
        try:
            for answer in call(
                self._client, read_stream=read_stream, offset=offset, retry=retry, timeout=self._deadline
            ):
                came = True
                yield answer
        except DeadlineExceeded as error:
            if not came:
                raise
            raise ServiceUnavailable("the stream took longer than the deadline") from error  # type: ignore[no-untyped-call]


def has_storage(source: GcpBigQuery) -> bool:
    """Are rows read by the storage API: where it is installed, and BigQuery itself is asked."""
    from importlib.util import find_spec

    if not find_spec("google.cloud.bigquery_storage"):
        return False
    if "bigquerystorage" in source.endpoints:
        return True
    return not (source.anonymous or source.endpoints.get("bigquery") or os.environ.get("BIGQUERY_EMULATOR_HOST"))
