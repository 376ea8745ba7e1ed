"""Measures collecting: memory against the size of the bill, and how long it takes to see that there is nothing new.

``python -m benchmarks.collect`` delivers AWS Data Exports into a simulated S3 (moto's server, a process of its own), then runs
``finops collect`` with a process of its own for each figure. The floor for fetching is the AWS SDK's own parallel download.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError

from benchmarks.run import HERE, measure

BUCKET, EXPORT = "bench-billing", "cur2-hourly"
MONTHS = ("2026-05", "2026-06", "2026-07", "2026-08", "2026-09", "2026-10")
TODAY = "2026-10-05"
FLOOR = """
import sys, boto3, concurrent.futures as cf, pathlib
s3, to = boto3.client("s3", endpoint_url=sys.argv[1]), pathlib.Path(sys.argv[2])
keys = [o["Key"] for p in s3.get_paginator("list_objects_v2").paginate(Bucket="bench-billing", Prefix=sys.argv[3]) for o in p["Contents"]]
with cf.ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda k: s3.download_file("bench-billing", k, str(to / k.replace("/", "_"))), keys))
"""


def main() -> None:
    """Serve, deliver, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="1e6,5e6,1e7", help="sizes of a month, for memory")
    parser.add_argument("--months", type=int, default=6, help="months of the largest size, for 'nothing new'")
    parser.add_argument("--data", type=Path, default=HERE / "data")
    options = parser.parse_args()
    sizes = sorted(int(float(each)) for each in options.rows.split(","))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    with tempfile.TemporaryDirectory(prefix="finops-bench-") as temporary:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            no = _refusing()
            _measure(Path(temporary), url, no, sizes, options.data, MONTHS[-options.months :])
        finally:
            server.terminate()


def _refusing() -> str:
    """The address of a service that allows nothing: the state of an export's executions, which moto does not know."""

    class Refuse(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = b'{"__type": "AccessDeniedException", "message": "no"}'
            self.send_response(400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


def _measure(work: Path, url: str, no: str, sizes: list[int], data: Path, months: tuple[str, ...]) -> None:
    s3 = boto3.client("s3", endpoint_url=url)
    for attempt in range(100):
        try:
            s3.create_bucket(Bucket=BUCKET)
            break
        except BotoCoreError:  # the server is still starting
            if attempt == 99:
                raise
            time.sleep(0.2)
    for size in sizes:
        prefix = f"rows-{size}"
        some = months[-2:-1] if size != sizes[-1] else months
        for month in some:
            folder = data / f"cur2-fees-{size}-200000-{month}"
            make = [sys.executable, "-m", "benchmarks.generate", str(folder), str(size), "200000", month]
            subprocess.run(make, cwd=HERE.parent, check=True, stderr=subprocess.DEVNULL)
            _deliver(s3, folder, prefix, month)
        (work / f"floor-{size}").mkdir()
        floor = measure(
            f"{size:,} rows: the SDK's own download", [sys.executable, "-c", FLOOR, url, str(work / f"floor-{size}"), f"{prefix}/{EXPORT}/data/BILLING_PERIOD={some[0]}"], work, None
        )  # fmt: skip
        workspace = work / prefix
        workspace.mkdir()
        (workspace / "finops.toml").write_text(
            f'[sources.aws]\ntype = "aws-data-export"\nbucket = "{BUCKET}"\nprefix = "{prefix}"\nexport = "{EXPORT}"\n'
            f'endpoints = {{ s3 = "{url}", bcm-data-exports = "{no}" }}\n[warehouse]\nthreads = 2\nmemory_limit = "2GB"\n'
        )
        finops = [sys.executable, "-m", "finops", "--today", TODAY, "--quiet", "collect", "--until", "2026-10"]
        fetch = [sys.executable, "-c", _FETCH, some[0]]
        measure(f"{size:,} rows: fetched", fetch, workspace, floor.seconds)
        measure(f"{size:,} rows: fetched and loaded", [*finops, "--since", some[0], "--until", some[0]], workspace, floor.seconds)  # fmt: skip
        if size == sizes[-1]:
            measure(
                f"{len(some)} months of {size:,} rows: all", [*finops, "--since", some[0]], workspace, floor.seconds
            )
            kept = sum(file.stat().st_size for file in (workspace / "landing").rglob("*") if file.is_file())
            measure(
                f"nothing new, {kept / 1e9:,.1f} GB in landing", [*finops, "--since", some[0]], workspace, floor.seconds
            )


_FETCH = """
import sys, pathlib, tempfile, datetime
from finops.config.load import find_workspace
from finops.collectors.registry import collector
from finops.collectors.interface import Request
workspace = find_workspace(pathlib.Path("finops.toml"))
made = collector("aws", workspace.config.sources["aws"], workspace.folder)
first = datetime.date.fromisoformat(sys.argv[1] + "-01")
after = datetime.date(first.year + first.month // 12, first.month % 12 + 1, 1)
(offer,) = made.look(Request(first, after, after)).offers
with tempfile.TemporaryDirectory() as folder:
    made.fetch(offer, offer.files, pathlib.Path(folder), lambda name, more: None)
"""


def _deliver(s3: object, folder: Path, prefix: str, month: str) -> None:
    keys = []
    for part in sorted(folder.glob("*.parquet")):
        keys.append(f"{prefix}/{EXPORT}/data/BILLING_PERIOD={month}/{part.name}")
        s3.upload_file(str(part), BUCKET, keys[-1])  # type: ignore[attr-defined]
    manifest = {"executionId": f"run-{month}", "dataFiles": [f"s3://{BUCKET}/{key}" for key in keys]}
    name = f"{prefix}/{EXPORT}/metadata/BILLING_PERIOD={month}/{EXPORT}-Manifest.json"
    s3.put_object(Bucket=BUCKET, Key=name, Body=json.dumps(manifest).encode())  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
