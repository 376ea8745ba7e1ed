"""From files to the ledger: find deliveries, keep them in landing, load them, one slice at a time whole or not at all."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from finops.errors import BadInputError, FinopsError
from finops.formats.deliveries import Delivery, find_deliveries
from finops.formats.detect import is_of
from finops.formats.diagnose import explain, reading_error
from finops.formats.files import PhysicalFile, inspect, zip_member
from finops.formats.pages import flatten_pages, read_whole
from finops.formats.quantities import add_quantities
from finops.formats.read import PLACE, base_sql, typed_columns, with_computed
from finops.formats.spec import FormatSpec, read_spec
from finops.pipeline.inventory import TABLES, is_replaced, load_inventory, seen_again
from finops.pipeline.utilisation import load_utilisation
from finops.rules.catalogue import Catalogue
from finops.warehouse.connection import Connection, DatabaseError, out_of_room, transaction, was_interrupted
from finops.warehouse.landing import DeliveryRecord, Landing, Origin
from finops.warehouse.load import load
from finops.warehouse.loads import note_origin, note_whole, withdraw
from finops.warehouse.mapping import MappedColumn, take_apart
from finops.warehouse.plan import Held, Holder, LoadedSlice, Plan, Sums, Tell, slice_key

DEFAULT_SOURCE = "files"


@dataclass(frozen=True)
class LoadResult:
    """What became of one delivery."""

    delivery_id: str
    source_id: str
    format: str
    files: tuple[str, ...]
    status: str
    """``loaded``, ``unchanged`` (the same files again), ``superseded`` (a newer delivery is there), ``empty``."""
    byte_count: int = 0
    slices: tuple[LoadedSlice, ...] = ()

    @property
    def lost_something(self) -> bool:
        """Has another delivery taken the place of it, or of one of its months?"""
        return self.status == "superseded" or any(each.status == "superseded" for each in self.slices)


@dataclass
class LoadReport:
    """What became of everything that was given."""

    results: list[LoadResult] = field(default_factory=list)
    problems: list[FinopsError] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    landed: list[tuple[str, FinopsError]] = field(default_factory=list)
    """Of deliveries in landing that cannot be loaded again: the source and the problem."""


Progress = Callable[[Delivery], Tell]
"""Is told which delivery is being loaded; what it returns is told the steps."""


class Loader:
    """Loads deliveries from files, or again from landing."""

    def __init__(self, con: Connection, landing: Landing, catalogue: Catalogue, now: datetime | None = None) -> None:
        self.con = con
        self.landing = landing
        self.catalogue = catalogue
        self.now = now or datetime.now(tz=UTC)
        self._tell: Tell = lambda step, share, rows: None
        self._origin: Origin | None = None
        self._rivals: Collection[str] = ()
        self.specs = [read_spec(query) for query in catalogue.layer("normalise")]
        macros = catalogue.file("normalise/_macros.sql").read_text(encoding="utf-8")
        con.execute(macros)
        shared = macros + catalogue.file("normalise/columns.csv").read_text(encoding="utf-8")
        self.versions = {spec.id: _digest(spec.query.digest + shared) for spec in self.specs}
        """By format: changes with its mapping and with what all mappings share, so that deliveries are loaded again."""

    def load_paths(
        self,
        paths: Sequence[Path],
        source_id: str = DEFAULT_SOURCE,
        wanted: str = "",
        progress: Progress | None = None,
        origin: Origin | None = None,
        rivals: Collection[str] = (),
    ) -> LoadReport:
        """Load files and folders. One bad delivery does not stop the others.

        Args:
            wanted: the one format that is looked for; empty: detected.
            origin: where a collector found them; noted with its version only if all of them could be loaded.
            rivals: the keys of the other offers of the same source, whose slices these may not take.

        Raises:
            UsageError: a path does not exist, or ``wanted`` is no format.
        """
        found = find_deliveries(paths, self.specs, self._describe, wanted)
        report = LoadReport(problems=found.problems, passed_over=found.passed_over)
        held: Held = {}
        self._origin = replace(origin, version="", whole=False) if origin else None
        self._rivals = rivals
        for delivery in found.deliveries:
            if progress:
                self._tell = progress(delivery)
            try:
                result = self._load_delivery(delivery, source_id, held)
            except FinopsError as problem:
                report.problems.append(problem)
                continue
            report.results.append(result)
        if origin and not report.problems:
            with transaction(self.con):
                for result, delivery in zip(report.results, found.deliveries, strict=True):
                    kept = self.landing.note_origin(
                        result.delivery_id, replace(origin, whole=True), _manifest(delivery, paths)
                    )
                    seen_again(self.con, kept)
                    note_origin(self.con, kept)
                withdraw(self.con, source_id, origin.key)
        self._origin, self._rivals = None, ()
        return report

    def find(self, paths: Sequence[Path], wanted: str = "") -> tuple[list[Delivery], LoadReport]:
        """What ``load_paths`` would load: for ``--dry-run``."""
        found = find_deliveries(paths, self.specs, self._describe, wanted)
        return found.deliveries, LoadReport(problems=found.problems, passed_over=found.passed_over)

    def load_record(self, record: DeliveryRecord) -> LoadResult:
        """Load a delivery again from landing, whose bytes must still be those that were delivered."""
        spec = self._spec(record.format)
        files = [inspect(self.landing.stored(file, verify=True), file.name) for file in record.files]
        return self._load_record(record, spec, files, {})

    def load_pending(self) -> LoadReport:
        """Load what landing has and the ledger lacks; a delivery that cannot be read does not stop the others."""
        report = LoadReport()
        for record in self.pending():
            try:
                report.results.append(self.load_record(record))
            except FinopsError as problem:
                if isinstance(problem, BadInputError):  # and not a full disk
                    problem.next_step += f" If it is not to count, remove landing/deliveries/{record.id}.json."
                report.problems.append(problem)
                report.landed.append((record.source_id, problem))
        if report.results:
            with transaction(self.con):
                withdraw(self.con)
        return report

    def pending(self) -> list[DeliveryRecord]:
        """Deliveries that are in landing but not in the warehouse as the present mappings make them, the oldest first.

        A run that was killed between landing and loading leaves such; so does a changed mapping.
        """
        rows = self.con.execute(
            "SELECT load_id, bool_or(status <> 'superseded'), any_value(mapping_version) FROM ops.loads GROUP BY load_id"
        ).fetchall()
        known = {load_id: (counts, version) for load_id, counts, version in rows}
        pending = []
        for record in self.landing.deliveries():
            counts, version = known.get(record.id, (None, None))
            if counts is None or (counts and version != self.versions.get(record.format)):
                pending.append(record)
        return pending

    def _load_delivery(self, delivery: Delivery, source_id: str, held: Held) -> LoadResult:
        hashes = self.landing.hashes(delivery)
        record = self.landing.find(delivery, source_id, hashes, origin=self._origin)
        if record and not self.landing.has(record):
            self.landing.keep(delivery, source_id, hashes, origin=self._origin)  # somebody has lost it
        result = self._already_loaded(record, delivery) if record else None
        if record and result and result.lost_something and _iso(delivery.delivered_at) > record.delivered_at:
            # delivered anew after something else had replaced it: a delivery of its own
            record = self.landing.newest(record)
            result = self._already_loaded(record, delivery)
            if not result or result.lost_something:
                result = self._load_new(delivery, source_id, hashes, held, again=True)
        elif not result:
            result = self._load_new(delivery, source_id, hashes, held)
        export = delivery.manifest.export if delivery.manifest else ""
        for each in result.slices:
            if each.status != "superseded":
                key = slice_key(each.billing_account_id, each.billing_period_start, result.format)
                delivered_at = delivery.delivered_at.replace(tzinfo=None)
                held[key] = Holder(delivery.names[0], delivered_at, result.format, export)
        return result

    def _load_new(
        self, delivery: Delivery, source_id: str, hashes: Sequence[str], held: Held, *, again: bool = False
    ) -> LoadResult:
        known = self.landing.find(delivery, source_id, hashes, again=again, origin=self._origin)
        record = known or self.landing.keep(delivery, source_id, hashes, again=again, origin=self._origin)
        try:
            files = [inspect(self.landing.stored(file), file.name) for file in record.files]
            return self._load_record(record, delivery.spec, files, held)
        except Exception:  # it is not in the ledger, so it must not be in landing as if it were
            if not known:
                self.landing.forget(record)
            raise

    def _already_loaded(self, record: DeliveryRecord, delivery: Delivery) -> LoadResult | None:
        rows = self.con.execute(
            "SELECT billing_account_id, billing_period_start, status, row_count, sums FROM ops.loads "
            "WHERE load_id = ? AND mapping_version = ? ORDER BY ALL",
            [record.id, self.versions[delivery.spec.id]],
        ).fetchall()
        if not rows:
            return None
        slices = tuple(
            LoadedSlice(
                account, start, "unchanged" if status == "current" else status, count, tuple(Sums(**s) for s in sums)
            )
            for account, start, status, count, sums in rows
            if start is not None
        )
        superseded = all(status == "superseded" for _, _, status, *_ in rows)
        return LoadResult(
            record.id,
            record.source_id,
            record.format,
            delivery.names,
            "superseded" if superseded else "unchanged",
            sum(file.bytes for file in record.files),
            slices,
        )

    def _mapping(self, spec: FormatSpec) -> Sequence[MappedColumn]:
        """A format's mapping in pieces."""
        return take_apart(self.con, spec.query, [column.name for column in spec.columns])

    def _spec(self, format_id: str) -> FormatSpec:
        for spec in self.specs:
            if spec.id == format_id:
                return spec
        raise FinopsError(
            f"landing has a delivery of format '{format_id}', for which there is no mapping any more",
            next_step=f"Put queries/normalise/{format_id}.sql back.",
        )

    def _describe(self, file: PhysicalFile) -> Sequence[str]:
        try:
            rows = self.con.execute(f"DESCRIBE {base_sql([file], {})}").fetchall()
        except DatabaseError as error:
            raise reading_error(error, str(file.path)) from error
        wide = self.con.execute(
            "SELECT name FROM parquet_schema(?) WHERE precision > 38 ORDER BY 1", [str(file.path)]
        ).fetchone()
        if wide:
            raise BadInputError(
                f"column {wide[0]} has decimals of more than 38 digits, which cannot be read exactly",
                where=file.path.name,
                next_step="Export it as NUMERIC or DECIMAL(38, …).",
            )
        names = []
        for name, type_, *_ in rows:
            names.append(name)
            if type_.startswith("STRUCT("):
                names += [f"{name}.{field.strip().split(' ')[0]}" for field in type_[7:-1].split(",")]
        return names

    def _load_record(
        self, record: DeliveryRecord, spec: FormatSpec, files: Sequence[PhysicalFile], held: Held
    ) -> LoadResult:
        names = [file.name for file in record.files]
        with _readable(spec, files, names) as (readable, paths):
            try:
                slices = self._load_files(record, spec, readable, paths, held)
            except DatabaseError as error:
                if was_interrupted(error):
                    raise
                raise out_of_room(error) or explain(self.con, spec, readable, names, paths, error) from error
        status = "loaded"
        if not slices:
            replaced = is_replaced(self.con, spec, record)
            note_whole(self.con, record, "superseded" if replaced else "current", self.versions[spec.id], self.now)
            status = "superseded" if replaced else "empty" if spec.yields == "charges" else "loaded"
        elif all(each.status == "superseded" for each in slices):
            status = "superseded"
        size = sum(file.bytes for file in record.files)
        return LoadResult(record.id, record.source_id, spec.id, tuple(names), status, size, tuple(slices))

    def _load_files(
        self,
        record: DeliveryRecord,
        spec: FormatSpec,
        files: Sequence[PhysicalFile],
        paths: dict[Path, Path],
        held: Held,
    ) -> list[LoadedSlice]:
        base = base_sql(files, paths, spec)
        staged = files[0].kind != "parquet"  # text is parsed once and then read three times
        if staged:
            self.con.execute(f"CREATE OR REPLACE TEMP TABLE staged AS {base}")
            base = f"SELECT *, rowid AS {PLACE} FROM temp.staged"
        try:
            described = {str(row[0]): str(row[1]) for row in self.con.execute(f"DESCRIBE {base}").fetchall()}
            typed = typed_columns(spec, described)
            if spec.yields == "utilisation":
                return load_utilisation(self.con, spec, record, typed, base)
            if spec.yields in TABLES:
                return load_inventory(self.con, spec, record, typed, base)
            plan = Plan(
                load_id=record.id,
                source_id=record.source_id,
                format=spec.id,
                dialect=files[0].kind,
                mapping_version=self.versions[spec.id],
                export=record.export,
                delivered_at=record.delivered,
                received_at=record.received,
                loaded_at=self.now.replace(tzinfo=None),
                base=with_computed(base, typed),
                typed=typed,
                mapped=self._mapping(spec),
                files=[file.name for file in record.files],
                byte_count=sum(file.bytes for file in record.files),
                where=record.files[0].name + (f" and {len(record.files) - 1} more" if len(record.files) > 1 else ""),
                origin=record.origin,
                rivals=self._rivals,
                grade=spec.grade,
                held=held,
                tell=self._tell,
            )
            return load(self.con, plan)
        finally:
            if staged:
                self.con.execute("DROP TABLE IF EXISTS temp.staged")


def _manifest(delivery: Delivery, paths: Sequence[Path]) -> tuple[Path, str] | None:
    """A delivery's manifest, and its path below the one of ``paths`` that it was found in."""
    path = delivery.manifest.path if delivery.manifest else None
    root = next((each for each in paths if path and each in path.parents), None)
    return (path, path.relative_to(root).as_posix()) if path and root else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def _readable(
    spec: FormatSpec, files: Sequence[PhysicalFile], names: Sequence[str]
) -> Iterator[tuple[list[PhysicalFile], dict[Path, Path]]]:
    """The files as DuckDB can read them: zip members unpacked, JSON pages as JSON lines, in a folder that goes away."""
    if all(
        file.kind == "parquet" or (file.packing != "zip" and file.kind != "json" and not file.marked) for file in files
    ):
        yield list(files), {}
        return
    with tempfile.TemporaryDirectory(prefix="finops-") as folder:
        readable, paths = [], {}
        for index, (file, name) in enumerate(zip(files, names, strict=True)):
            target = Path(folder) / str(index)
            if file.kind == "json":
                readable.append(flatten_pages(file, name, target))
            else:
                if file.marked:  # DuckDB's JSON reader does not know a byte order mark
                    target.write_bytes(read_whole(file, name).encode())
                    paths[file.path] = target
                    readable.append(replace(file, packing="none"))
                    continue
                if file.packing == "zip":
                    member = zip_member(file.path, name)
                    with zipfile.ZipFile(file.path) as archive, archive.open(member) as inner, target.open("wb") as out:
                        while block := inner.read(1 << 20):
                            out.write(block)
                    paths[file.path] = target
                readable.append(file)
        if spec.quantities:
            own = {file.path: is_of(file.columns, spec) for file in readable}
            usage = [path for path, charges in own.items() if not charges]
            if usage:
                add_quantities([path for path, charges in own.items() if charges], usage, spec.quantities)
        yield readable, paths
