"""The BigQuery Storage API over gRPC, for the answers to the queries that a ``FakeBigQuery`` has run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pyarrow
from google.cloud.bigquery_storage_v1.types import (
    ArrowRecordBatch,
    ArrowSchema,
    CreateReadSessionRequest,
    ReadRowsRequest,
    ReadRowsResponse,
    ReadSession,
    ReadStream,
)

from .bigquery import FakeBigQuery

STREAMS = 2
ROWS_PER_BATCH = 5


class FakeBigQueryStorage:
    """The server. ``with FakeBigQueryStorage(bigquery) as storage:`` starts it on a loopback port."""

    def __init__(self, bigquery: FakeBigQuery) -> None:
        self.bigquery = bigquery
        self.denied = False
        """Does the identity lack bigquery.readsessions.create?"""
        self.breaks = 0.0
        """So many streams break after their first batch."""
        self.down = False
        """Does every stream break before its first batch?"""
        self.stalls_after: int | None = None
        """After so many batches every stream stands still, without an error."""
        self.calls: list[str] = []
        self._server = grpc.server(ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers([
            grpc.method_handlers_generic_handler("google.cloud.bigquery.storage.v1.BigQueryRead", {
                "CreateReadSession": grpc.unary_unary_rpc_method_handler(
                    self._open, CreateReadSessionRequest.deserialize, ReadSession.serialize
                ),
                "ReadRows": grpc.unary_stream_rpc_method_handler(
                    self._read, ReadRowsRequest.deserialize, ReadRowsResponse.serialize
                ),
            }),
        ])  # fmt: skip
        self._port = self._server.add_insecure_port("127.0.0.1:0")

    def __enter__(self) -> FakeBigQueryStorage:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None)

    @property
    def url(self) -> str:
        """For ``endpoints = { bigquerystorage = … }``."""
        return f"http://127.0.0.1:{self._port}"

    def _open(self, request: CreateReadSessionRequest, context: Any) -> ReadSession:
        self.calls.append("CreateReadSession")
        if self.denied:
            context.abort(
                grpc.StatusCode.PERMISSION_DENIED,
                "request failed: the user does not have 'bigquery.readsessions.create' permission",
            )
        table = request.read_session.table.rpartition("/")[2]
        schema = ArrowSchema(serialized_schema=self._rows(table).schema.serialize().to_pybytes())
        count = min(STREAMS, request.max_stream_count or STREAMS)
        streams = [ReadStream(name=f"{table}/{number}/{count}") for number in range(count)]
        return ReadSession(name=table, arrow_schema=schema, streams=streams, data_format="ARROW")

    def _read(self, request: ReadRowsRequest, context: Any) -> Iterator[ReadRowsResponse]:
        self.calls.append("ReadRows")
        if self.down:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        table, number, count = request.read_stream.split("/")
        rows = self._rows(table)
        share = -(-rows.num_rows // int(count))
        mine = rows.slice(int(number) * share, share).slice(request.offset).combine_chunks()
        schema: ArrowSchema | None = ArrowSchema(serialized_schema=rows.schema.serialize().to_pybytes())
        for sent, batch in enumerate(mine.to_batches(ROWS_PER_BATCH)):
            while sent == self.stalls_after and context.is_active():
                time.sleep(0.05)
            content = batch.serialize().to_pybytes()
            records = ArrowRecordBatch(serialized_record_batch=content)
            yield ReadRowsResponse(arrow_record_batch=records, row_count=batch.num_rows, arrow_schema=schema)
            schema = None  # which comes with the first answer only
            if self.breaks > 0:
                self.breaks -= 1
                context.abort(grpc.StatusCode.UNAVAILABLE, "the stream broke")

    def _rows(self, table: str) -> pyarrow.Table:
        """An answer in the types of the real API: moments are of UTC."""
        job = next(job for name, job in self.bigquery.jobs.items() if name.replace("-", "_") == table)
        assert job.rows is not None
        moment = pyarrow.timestamp("us", tz="UTC")
        fields = [each.with_type(moment) if each.type == pyarrow.timestamp("us") else each for each in job.rows.schema]
        return job.rows.cast(pyarrow.schema(fields))
