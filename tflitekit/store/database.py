"""A store in any database that SQLAlchemy speaks; Alembic makes and upgrades its tables."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tflitekit.core.errors import MissingDependencyError, StoredReportError, StoreError, UsageError
from tflitekit.core.files import TEXT_LIMIT_BYTES, is_file
from tflitekit.core.parts import Finding
from tflitekit.core.printable import address_without_password, without_password
from tflitekit.core.structured import describe_problem
from tflitekit.store.entry import Acceptance, Entry
from tflitekit.store.scored import Scored
from tflitekit.store.store import Listing, Store, damaged

try:
    import sqlalchemy as sa
    from sqlalchemy import exc
except ImportError as error:
    raise MissingDependencyError(
        "A store in a database needs the packages sqlalchemy and alembic, which are not installed.",
        fix="Install them with: pip install 'tflitekit[store]'; or name a folder as the store.",
    ) from error

from tflitekit.store import tables
from tflitekit.store.migrations import REVISIONS, upgrade

if TYPE_CHECKING:
    from tflitekit.results import Report

__all__ = ["DatabaseStore"]

_WRITES = {"tflitekit_writes": True}
_PATIENCE_S = 60
"""How long a writer waits for another one's lock in SQLite, which has one for the whole file."""


class DatabaseStore(Store):
    """A store in a database.

    Args:
        address: SQLAlchemy's URL.
        create: Make its tables where there are none.
        upgraded: Bring the tables of an older kit to those of this one.
    """

    def __init__(self, address: str, *, create: bool = True, upgraded: bool = False) -> None:
        self.name = address_without_password(address)
        self._engine = _connect(address, self.name, create=create)
        self._prepare(create=create, upgraded=upgraded)

    def check_writable(self) -> None:
        with self._transaction(_WRITES) as connection, connection.begin_nested() as tried:
            connection.execute(sa.insert(tables.REPORTS), [{"id": ""}])
            connection.execute(sa.insert(tables.VARIANTS), [{"report": "", "position": 0}])
            tried.rollback()

    def get(self, id: str) -> Entry | None:
        found = self._select(sa.select(tables.REPORTS).where(tables.REPORTS.c.id == id)).entries
        return found[0] if found else None

    def entries(self, model: str | None = None) -> Listing:
        chosen = sa.select(tables.REPORTS)
        return self._select(chosen if model is None else chosen.where(tables.REPORTS.c.model == model))

    def acceptances(self) -> Sequence[Acceptance]:
        with self._transaction() as connection:
            rows = connection.execute(sa.select(tables.ACCEPTED).order_by(tables.ACCEPTED.c.number)).mappings().all()
        try:
            return [Acceptance.model_validate({**row}) for row in rows]
        except ValidationError as error:
            raise StoreError(f"An acceptance in {self.name} is malformed at {describe_problem(error)}.") from None

    def _select(self, chosen: sa.Select[Any]) -> Listing:
        """Returns the entries of the reports that a query names."""
        ids = chosen.with_only_columns(tables.REPORTS.c.id)
        of_them = sa.select(tables.VARIANTS).where(tables.VARIANTS.c.report.in_(ids))
        with self._transaction() as connection:
            reports = _dicts(connection.execute(chosen.with_only_columns(*tables.FIGURES)))
            variants = _dicts(connection.execute(of_them.order_by(tables.VARIANTS.c.position)))
        rows: dict[str, list[dict[str, Any]]] = {}
        for variant in variants:
            rows.setdefault(variant["report"], []).append(variant)
        found, warnings = [], []
        for report in reports:
            try:
                found.append(Entry.model_validate({**report, "rows": rows.get(report["id"], ())}))
            except ValidationError as error:
                what = f"The entry {str(report['id'])[:8]} of {self.name} is malformed at {describe_problem(error)}."
                warnings.append(Finding(kind="damaged-entry", message=what))
        return Listing.of(found, warnings)

    def outdated(self) -> tuple[Entry, ...]:
        unread = self._select(sa.select(tables.REPORTS).where(tables.REPORTS.c.scored.is_(None))).entries
        return tuple({entry.id: entry for entry in (*unread, *super().outdated())}.values())

    def _renew(self, entry: Entry, report: Report) -> bool:
        found = {"noisy": entry.noisy, "scored": _slice(report.to_json())}
        row = tables.REPORTS.c
        lacks = sa.or_(row.scored.is_(None), row.noisy.is_(None) if entry.noisy is not None else sa.false())
        with self._transaction(_WRITES) as connection:
            done = connection.execute(sa.update(tables.REPORTS).where(row.id == entry.id, lacks).values(**found))
        return done.rowcount > 0

    def _put(self, content: Any, entry: Entry) -> bool:
        whole = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        packed = {"content": _packed(whole), "scored": _slice(content)}
        figures = entry.model_dump(mode="json", exclude={"rows"})
        rows = [row.model_dump(mode="json") | {"report": entry.id, "position": i} for i, row in enumerate(entry.rows)]
        with self._transaction(_WRITES) as connection:
            try:
                with connection.begin_nested():
                    connection.execute(sa.insert(tables.REPORTS), [figures | packed])
            except exc.IntegrityError:
                if connection.scalar(sa.select(tables.REPORTS.c.id).where(tables.REPORTS.c.id == entry.id)) is None:
                    raise
                return False  # another process was faster
            if rows:
                connection.execute(sa.insert(tables.VARIANTS), rows)
        return True

    def _content(self, id: str) -> bytes:
        return self._unpacked(id, tables.REPORTS.c.content)

    def _scored(self, id: str) -> bytes:
        return self._unpacked(id, sa.func.coalesce(tables.REPORTS.c.scored, tables.REPORTS.c.content))

    def _unpacked(self, id: str, column: sa.ColumnElement[bytes]) -> bytes:
        with self._transaction() as connection:
            packed = connection.scalar(sa.select(column).where(tables.REPORTS.c.id == id))
        name = f"The report {id[:8]} in {self.name}"
        if packed is None:
            raise StoredReportError(f"{name} is gone.")
        try:
            return zlib.decompressobj().decompress(packed, TEXT_LIMIT_BYTES)
        except (zlib.error, TypeError) as error:
            raise damaged(name, error) from error

    def _remove(self, id: str) -> None:
        with self._transaction(_WRITES) as connection:
            connection.execute(sa.delete(tables.VARIANTS).where(tables.VARIANTS.c.report == id))
            connection.execute(sa.delete(tables.REPORTS).where(tables.REPORTS.c.id == id))

    def _put_acceptance(self, acceptance: Acceptance) -> None:
        with self._transaction(_WRITES) as connection:
            connection.execute(sa.insert(tables.ACCEPTED), [acceptance.model_dump(mode="json")])

    def _prepare(self, *, create: bool, upgraded: bool) -> None:
        """Makes the tables where there are none; those of an older kit are upgraded if that is wanted, else refused."""
        found = self._revision()
        if found is None and not create:
            raise UsageError(
                f"There is no store at {self.name}.", fix="'tflitekit store add REPORT --store ...' makes its tables."
            )
        if found not in (None, REVISIONS[-1]) and not upgraded:
            raise StoreError(
                f"The tables of {self.name} are those of an older tflitekit ({found}; this one has {REVISIONS[-1]}).",
                fix="Run 'tflitekit store upgrade' once; older versions of tflitekit cannot use the store afterwards.",
            )
        if found != REVISIONS[-1]:
            with self._transaction(_WRITES) as connection:
                upgrade(connection)
            self.upgraded_from = found

    def _revision(self) -> str | None:
        """Returns the version of the tables; None where there are none."""
        with self._transaction() as connection:
            if not sa.inspect(connection).has_table(tables.VERSION):
                return None
            found: str | None = connection.scalar(sa.text(f"SELECT version_num FROM {tables.VERSION}"))
        if found is not None and found not in REVISIONS:
            raise StoreError(
                f"The tables of {self.name} are those of a newer tflitekit ({str(found)[:40]}; this one knows {', '.join(REVISIONS)}).",
                fix="Update tflitekit.",
            )
        return found

    @contextmanager
    def _transaction(self, options: dict[str, Any] | None = None) -> Iterator[sa.Connection]:
        """Opens a transaction; what the database says of it becomes an error of the kit."""
        try:
            with self._engine.connect().execution_options(**options or {}) as connection, connection.begin():
                yield connection
        except (exc.SQLAlchemyError, OSError, OverflowError, UnicodeError) as error:
            raise _refused(self.name, error) from error


def _connect(address: str, name: str, *, create: bool) -> sa.Engine:
    """Returns what connects to a database when it is first used."""
    try:
        url = sa.make_url(address)
        is_sqlite = url.get_backend_name() == "sqlite"
        file = (url.database or "").removeprefix("file:")  # as SQLite's own URLs begin, which may ask for mode=ro
        if is_sqlite and not create and file and not is_file(Path(file)):
            raise UsageError(f"There is no store at {name}.", fix="Name the file that 'tflitekit store add' made.")
        # A run may take hours between its first look and its report: a connection that was cut off meanwhile is opened anew.
        how = {"connect_args": {"timeout": _PATIENCE_S}} if is_sqlite else {"pool_pre_ping": True}
        engine = sa.create_engine(url, **how)
    except (exc.ArgumentError, exc.NoSuchModuleError, ValueError, TypeError) as error:
        raise UsageError(
            f"{name} is not the address of a store.",
            why=without_password(str(error).replace(address, name)),
            fix="Name a folder, sqlite:///FILE, or a URL of SQLAlchemy such as postgresql+psycopg://USER@HOST/DATABASE.",
        ) from None
    except ImportError as error:
        raise MissingDependencyError(
            f"{name} needs a package that is not installed: {error.name}.",
            fix="Install the driver of the database; for PostgreSQL: pip install 'tflitekit[postgresql]'",
        ) from error
    if is_sqlite:
        sa.event.listen(engine, "connect", _begin_ourselves)
        sa.event.listen(engine, "begin", _begin)
    return engine


def _slice(content: Any) -> bytes:
    """Returns of a report's JSON what `Scored` reads of it, packed."""
    return _packed(Scored.model_validate(content).model_dump_json())


def _packed(text: str) -> bytes:
    return zlib.compress(text.encode())


def _dicts(result: sa.CursorResult[Any]) -> list[dict[str, Any]]:
    """Returns the rows of a result; a mapping of SQLAlchemy's for each of thousands takes half of the time that they are read in."""
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result.all()]


def _begin_ourselves(connection: Any, _: Any) -> None:
    """Keeps Python's sqlite3 from beginning transactions later than it is told to, which would leave tables outside of them.

    Source: SQLAlchemy's manual, 'Serializable isolation / Savepoints / Transactional DDL' of its dialect for SQLite.
    """
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")


def _begin(connection: sa.Connection) -> None:
    # Who is going to write takes the lock at once, and waits for it: two readers that both want to write would wait for each other.
    writes = "tflitekit_writes" in connection.get_execution_options()
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _first(error: BaseException) -> BaseException:
    """Returns what went wrong first: SQLite undoes a transaction itself when its disk is full, and then knows none that could be undone."""
    found, seen = error, error.__context__
    while seen is not None:
        found = seen if isinstance(seen, exc.OperationalError) else found
        seen = seen.__context__
    return found


def _refused(name: str, error: Exception) -> StoreError:
    first = _first(error)
    reason = str(getattr(first, "orig", None) or first).strip().splitlines()
    return StoreError(
        f"The store {name} cannot be used.",
        why=without_password(reason[0][:500]) if reason else type(error).__name__,
        fix="Check the address, the rights and the database. Nothing that was stored before is changed.",
    )
