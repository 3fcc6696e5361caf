"""Reports are kept whole, once, whoever writes at the same time; what is damaged, foreign or of another version is said."""

import json
import multiprocessing
import os
import re
import shutil
import sqlite3
import subprocess
import time
import zlib
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import DATA, run_json
from hypothesis import given
from hypothesis import strategies as st
from made_reports import answers, report, variant
from postgresql import open_postgresql

from tflitekit import open_store
from tflitekit.core.errors import ModelError, StoredReportError, StoreError, TflitekitError, UsageError
from tflitekit.core.printable import address_without_password, without_password
from tflitekit.data.drawn import same_samples
from tflitekit.render import index
from tflitekit.results import Finding, SourceRecord
from tflitekit.store.commit import commit_of
from tflitekit.store.entry import rows_of
from tflitekit.store.store import Added

V1 = DATA / "report-version-1.json"
pytest_plugins = ["small_disk"]


def made(number=0, *, model="m.keras", created="2026-01-02T03:04:05+00:00", wrong=10, us=100.0, size=1000):
    """A report of two variants; another number is another report."""
    rows = [
        variant("float32", hits=answers(200, range(wrong)), rounds=[[us] * 20] * 4, size=size * 4),
        variant("int8", hits=answers(200, range(wrong + 1)), rounds=[[us / 2] * 20] * 4, size=size),
    ]
    source = SourceRecord(location=f"models/{model}", sha256=f"{number}")
    return report(*rows, source=source, created=created)


@pytest.fixture(scope="module")
def postgresql():
    with open_postgresql() as address:
        yield address


@pytest.fixture(params=["folder", "sqlite", "postgresql"])
def address(request, tmp_path):
    """An empty store of each kind."""
    if request.param == "folder":
        return str(tmp_path / "store")
    pytest.importorskip("sqlalchemy")
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    psycopg = pytest.importorskip("psycopg")
    server = request.getfixturevalue("postgresql")
    name = f"t{abs(hash(str(tmp_path)))}"
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")


def test_what_is_added_comes_back(address, tmp_path):
    store = open_store(address)
    (tmp_path / "report.json").write_text(json.dumps(made().to_json()))
    first, again, same = store.add(made(), commit="abc-dirty"), store.add(made()), store.add(tmp_path)
    assert [first.is_new, again.is_new, same.is_new] == [True, False, False]
    assert again.entry == same.entry == first.entry
    other = open_store(address, create=False)
    assert other.entries().entries == (first.entry,)
    assert other.report(first.entry) == made()
    assert first.entry.rows == tuple(rows_of(made()))
    assert (first.entry.model, first.entry.commit, first.entry.created[:19]) == (
        "m.keras",
        "abc-dirty",
        "2026-01-02T03:04:05",
    )
    assert first.entry.rows[1].latency_ms == pytest.approx(0.05)
    assert other.entries("another").entries == ()
    assert other.find(first.entry.id[:6]) == first.entry
    with pytest.raises(UsageError, match="There is no report ffff"):
        other.find("ffff")


def test_reports_of_one_second_are_listed_as_they_were_stored(address):
    store = open_store(address)
    reports = sorted(map(made, range(3)), key=lambda report: store.entry_of(report).id, reverse=True)
    stored = [store.add(report).entry.id for report in reports]
    listed = store.entries().entries
    assert [entry.id for entry in listed] == stored
    page = index.render(listed, (), ())
    assert sorted(listed, key=lambda entry: page.index(entry.short), reverse=True) == list(listed)  # the newest first


def test_a_report_from_the_future_is_told(tmp_path, cli):
    for created, told in (("2026-01-02T03:04:05+00:00", False), ("2999-01-02T03:04:05+00:00", True)):
        folder = written(tmp_path / created[:4], int(told), created=created)
        out = cli("store", "add", folder, "--store", tmp_path / "s")[1]
        assert ("made at 2999-01-02 03:04 UTC, which is still to come: a clock is wrong" in out) == told


def test_names_that_no_database_has_room_for_are_spelled_out(address, cli, tmp_path):
    code, out, _ = cli("store", "add", written(tmp_path / "a"), "--store", address, "--model", "m\udcff\0'\"🙂")
    assert (code, "of m\\xff\\x00'\"🙂." in out) == (0, True)
    assert [entry.model for entry in open_store(address).entries().entries] == ["m\\xff\\x00'\"🙂"]
    assert cli("store", "list", "--store", address, "--model", "m\udcff")[0] in (0, 2)


def test_what_a_database_refuses_is_an_error(address):
    if not address.startswith("sqlite"):
        return
    store = open_store(address)
    with closing(sqlite3.connect(address.removeprefix("sqlite:///"))) as connection:
        connection.execute("CREATE TRIGGER t BEFORE INSERT ON tflitekit_reports BEGIN SELECT RAISE(ABORT, 'no'); END")
    for write in (lambda: store.add(made()), store.check_writable):  # and not taken for a report that is there
        with pytest.raises(StoreError, match="cannot be used"):
            write()


def test_trying_to_write_leaves_nothing(address):
    store = open_store(address)
    store.check_writable()
    assert (store.entries().entries, store.entries().warnings) == ((), ())
    assert store.add(made()).is_new


def test_a_run_that_found_nothing_new_adds_nothing(address):
    store = open_store(address)
    store.add(made())
    later = made(created="2026-05-05T00:00:00+00:00")
    reused = later.model_copy(
        update={"variants": tuple(row.model_copy(update={"reused": True}) for row in later.variants)}
    )
    assert not store.add(reused).is_new
    assert store.add(made(1)).is_new


def test_what_was_right_is_read_without_the_report(address):
    store = open_store(address)
    entry, other = (store.add(made(number)).entry for number in range(2))
    found = store.scored(entry)
    assert same_samples(found.dataset, store.scored(other).dataset)
    assert found.hits("int8", 189 / 200).sum() == 189
    assert found.hits("int8", 0.5) is None  # the accuracy of another device
    assert found.hits("none", 0.5) is None


def test_an_older_report_is_migrated_when_it_is_read(address):
    store = open_store(address)
    entry = store.add(V1).entry
    assert store.report(entry).schema_version == 2
    assert store.scored(entry).hits("float16", 1) is None
    assert [row.variant for row in entry.rows][:2] == ["float32", "float16"]


def test_last_accepted_is_of_the_model_and_the_device(address):
    store = open_store(address)
    first, second, other = (store.add(made(i, model=m)).entry for i, m in enumerate(("a.keras", "a.keras", "b.keras")))
    store.accept(second, "release 1")
    store.accept(first, "back to the first")
    store.accept(other)
    entry, acceptance = open_store(address).last_accepted("a.keras", first.device)
    assert (entry, acceptance.note) == (first, "back to the first")
    with pytest.raises(
        UsageError, match=r"Nothing of the model 'a\.keras' on the device 'a phone' was accepted"
    ) as raised:
        store.last_accepted("a.keras", "a phone")
    assert first.device in raised.value.why


def test_reports_are_removed_but_for_accepted_ones(address, cli):
    store = open_store(address)
    first, second, third = (store.add(made(i, created=f"2026-01-0{i + 1}T00:00:00+00:00")).entry for i in range(3))
    other = store.add(made(7, model="other.keras")).entry
    store.accept(second)

    def left():
        return {entry.id for entry in open_store(address).entries().entries}

    remove = ("store", "remove", "--store", address)
    code, _, err = cli(*remove, first.short)
    assert (code, "Nobody can be asked here" in err, "--yes" in err) == (2, True, True)
    code, _, err = cli(*remove, first.short, second.short, "--yes")
    assert (code, f"{second.short} of m.keras was accepted, and stays" in err) == (2, True)
    assert left() == {first.id, second.id, third.id, other.id}
    assert cli(*remove, third.short, "--yes")[0] == 0
    assert left() == {first.id, second.id, other.id}
    with pytest.raises(StoreError):
        store.report(third)
    assert "0 reports removed" in cli(*remove, "--older-than", 36_500, "--yes")[1]
    code, out, err = cli(*remove, "--model", "m.keras", "--older-than", 1, "--yes")
    assert (code, "1 report removed from" in out) == (0, True)
    assert "Kept, because accepted: 1 report." in out + err
    assert left() == {second.id, other.id}
    assert store.add(made(0)).is_new
    for arguments in ((), (second.short, "--model", "m.keras")):
        code, _, err = cli(*remove, *arguments, "--yes")
        assert (code, "takes the ids of reports, or --model and --older-than" in err) == (2, True)


def _add(address, start, count, begin):
    begin.wait()
    store = open_store(address)
    for number in range(start, start + count):
        store.add(made(number))


def test_two_writers_at_once_lose_nothing(address):
    context = multiprocessing.get_context("fork")
    begin = context.Barrier(3)
    # they make the store at the same time, and half of what each adds is the same
    writers = [context.Process(target=_add, args=(address, start, 12, begin)) for start in (0, 6, 0)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(300)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    entries = open_store(address, create=False).entries()
    assert sorted(int(entry.model_sha256) for entry in entries.entries) == list(range(18))
    assert not entries.warnings
    assert all(len(entry.rows) == 2 for entry in entries.entries)


def test_a_killed_writer_leaves_whole_reports_only(address):
    context = multiprocessing.get_context("fork")
    begin = context.Barrier(2)
    writer = context.Process(target=_add, args=(address, 0, 100_000, begin))
    store = open_store(address)
    writer.start()
    begin.wait()
    while len(store.entries().entries) < 2:
        time.sleep(0.01)
    writer.kill()
    writer.join()
    listing = open_store(address, create=False).entries()
    assert not listing.warnings
    for entry in listing.entries:
        assert store.report(entry).variants
        assert len(entry.rows) == 2
    assert store.add(made(100_001)).is_new


def test_a_connection_that_was_cut_off_is_opened_anew(address):
    if not address.startswith("postgresql"):
        return
    import psycopg

    store = open_store(address)
    store.check_writable()  # as a run does before its hours of work
    with psycopg.connect(address.replace("+psycopg", ""), autocommit=True) as connection:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        assert connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}").fetchall()
    assert store.add(made()).is_new


def test_a_store_that_is_not_there_is_not_made_by_reading(tmp_path):
    for address in (tmp_path / "store", *([f"sqlite:///{tmp_path}/store.db"] if find_spec("sqlalchemy") else [])):
        with pytest.raises(UsageError, match="There is no store at"):
            open_store(address, create=False)
    assert not list(tmp_path.iterdir())


def as_of_before(store, ids):
    """Takes from a store what the kit did not keep before it knew of noise."""
    if hasattr(store, "folder"):
        for path in [store.folder / "reports" / id / "entry.json" for id in ids]:
            path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "noisy"}))
        return
    import sqlalchemy as sa

    from tflitekit.store import tables

    with store._engine.begin() as connection:
        connection.execute(
            sa.update(tables.REPORTS).where(tables.REPORTS.c.id.in_(ids)).values(noisy=None, scored=None)
        )


def test_what_older_versions_did_not_keep_is_read_from_their_reports(address, cli):
    store = open_store(address)
    noise = Finding(kind="other-load", message="Load.")
    reports = [made(), made(1).model_copy(update={"warnings": (noise,)}), made(2)]
    entries = [store.add(report).entry for report in reports]
    as_of_before(store, [entry.id for entry in entries])
    assert [entry.noisy for entry in store.entries().entries] == [None] * 3
    store.renew(store.get(entries[1].id))  # one by one, so that who is stopped goes on from there
    assert len(store.outdated()) == 2
    code, out, _ = cli("store", "upgrade", "--store", address)
    assert (code, out.startswith("2 reports of older versions in")) == (0, True)
    assert store.entries().entries == tuple(entries)
    assert not store.renew(entries[0])
    assert "is up to date" in cli("store", "upgrade", "--store", address)[1]
    as_of_before(store, [entries[2].id])
    old = store.get(entries[2].id)
    store.remove(old)
    with pytest.raises(StoredReportError):
        store.renew(old)
    assert not store._renew(entries[2], reports[2])  # it was removed since it was read
    assert store.entries().entries == tuple(entries[:2])


def test_of_acceptances_at_the_same_moment_the_last_counts(address, monkeypatch):
    if "://" not in address:
        return  # files tell nothing but the time
    store = open_store(address)
    entries = [store.add(made(number)).entry for number in range(3)]
    monkeypatch.setattr("tflitekit.store.store.now", lambda: "2026-01-02T03:04:05.000000+00:00")
    for entry in (*entries, entries[1]):
        store.accept(entry)
    assert store.last_accepted(entries[0].model, entries[0].device)[0] == entries[1]


# Folders


def test_a_database_that_is_opened_for_reading_only(tmp_path, cli):
    pytest.importorskip("sqlalchemy")
    entry = open_store(f"sqlite:///{tmp_path}/s.db").add(made()).entry
    address = f"sqlite:///file:{tmp_path}/s.db?mode=ro&uri=true"
    assert open_store(address, create=False).entries().entries == (entry,)
    assert "readonly" in cli("store", "accept", entry.short, "--store", address)[2]
    with pytest.raises(UsageError, match="There is no store at"):
        open_store(address.replace("s.db", "none.db"), create=False)


def test_another_folder_is_not_taken_for_a_store(tmp_path):
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(UsageError, match="is not a store: it holds other files"):
        open_store(tmp_path)


def test_a_damaged_entry_is_told_and_repaired(tmp_path):
    store = open_store(tmp_path / "s")
    entry = store.add(made()).entry
    store.add(made(1))
    path = tmp_path / "s" / "reports" / entry.id / "entry.json"
    path.write_text(path.read_text()[:100])
    listing = store.entries()
    assert len(listing.entries) == 1
    assert "entry.json cannot be read" in listing.warnings[0].message
    assert store.add(made()).is_new
    assert store.entries().entries[0].id in (entry.id, listing.entries[0].id)
    assert len(store.entries().entries) == 2
    (path.parent / "report.json").write_text("[1")
    for read in (store.report, store.scored):
        with pytest.raises(StoreError, match="is damaged"):
            read(entry)
    store.accept(entry)
    for damage in (lambda file: file.write_text("[1"), Path.unlink):  # neither may be removed: it was accepted
        damage(path.parent / "report.json")
        assert store.add(made()).is_new
        assert store.report(entry) == made()
        assert not store.add(made()).is_new


def test_a_damaged_report_of_a_database_is_repaired(tmp_path):
    pytest.importorskip("sqlalchemy")
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    entry = store.add(made()).entry
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("UPDATE tflitekit_reports SET content = x'00', scored = x'00'")
    assert store.add(made()) == Added(entry, is_new=True)
    assert store.report(entry) == made()
    assert len(store.entries().entries) == 1


def test_an_entry_counts_only_for_its_own_report(tmp_path):
    store = open_store(tmp_path / "s")
    entry = store.add(made()).entry
    reports = tmp_path / "s" / "reports"
    shutil.copytree(reports / entry.id, reports / ("0" * 64))
    assert "that of another report" in store.entries().warnings[0].message


def test_a_newer_folder_is_refused(tmp_path):
    open_store(tmp_path / "s")
    (tmp_path / "s" / "tflitekit-store.json").write_text('{"format": 2}')
    with pytest.raises(StoreError, match="format 2; this kit reads format 1"):
        open_store(tmp_path / "s")


def test_a_place_that_cannot_be_written(tmp_path, cli):
    (tmp_path / "file").write_text("")
    code, _, err = cli("store", "add", written(tmp_path / "a"), "--store", tmp_path / "file" / "s")
    assert code == 2
    assert "Cannot write" in err
    assert "--out" not in err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only_can_be_read(tmp_path):
    entry = open_store(tmp_path / "s").add(made()).entry
    (tmp_path / "s" / "reports").chmod(0o555)
    try:
        store = open_store(tmp_path / "s", create=False)
        assert store.entries().entries == (entry,)
        with pytest.raises(TflitekitError, match="Cannot write"):
            store.add(made(1))
    finally:
        (tmp_path / "s" / "reports").chmod(0o755)


# Databases


@pytest.fixture
def _sqlalchemy():
    pytest.importorskip("sqlalchemy")


databases = pytest.mark.usefixtures("_sqlalchemy")


def test_tables_of_an_older_kit_are_upgraded_when_the_user_says_so(address, cli):
    if "://" not in address:
        return  # a folder has no tables
    import sqlalchemy as sa

    from tflitekit.store.migrations import REVISIONS, upgrade

    engine = sa.create_engine(address)
    with engine.begin() as connection:
        upgrade(connection, to="0001")
        packed = {"id": "a" * 64, "content": zlib.compress(json.dumps(made().to_json()).encode())}
        connection.execute(sa.text("INSERT INTO tflitekit_reports (id, added, created, model, device, content) VALUES (:id, '2026-01-01', '2026-01-01', 'old', '', :content)"), packed)  # fmt: skip
    code, _, err = cli("store", "list", "--store", address)
    assert code == 2
    assert "older tflitekit (0001; this one has" in err
    assert "tflitekit store upgrade" in err
    name = without_password(address)
    told = f"{name} is upgraded; its tables were those of version 0001.\n1 report of older versions in {name}: what they did not keep is read.\n"
    assert cli("store", "upgrade", "--store", address)[:2] == (0, told)
    assert "is up to date" in cli("store", "upgrade", "--store", address)[1]
    assert [entry.model for entry in open_store(address).entries().entries] == ["old"]
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE tflitekit_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=f"newer tflitekit \\(9999; this one knows .*{REVISIONS[-1]}"):
        open_store(address)
    engine.dispose()


@databases
def test_migrations_end_in_the_tables_that_are_used(tmp_path):
    import sqlalchemy as sa
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    from tflitekit.store import tables
    from tflitekit.store.migrations import REVISIONS

    settings = Config()
    settings.set_main_option("script_location", "tflitekit.store:migrations")
    assert tuple(r.revision for r in ScriptDirectory.from_config(settings).walk_revisions())[::-1] == REVISIONS
    open_store(f"sqlite:///{tmp_path}/s.db")
    found = sa.inspect(sa.create_engine(f"sqlite:///{tmp_path}/s.db"))
    for table in (tables.REPORTS, tables.VARIANTS, tables.ACCEPTED):
        assert {c["name"]: str(c["type"]) for c in found.get_columns(table.name)} == {
            c.name: str(c.type.compile(sa.create_engine("sqlite://").dialect)) for c in table.c
        }


@databases
def test_mlflow_may_live_in_the_same_database(tmp_path):
    path = tmp_path / "runs.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.execute("INSERT INTO alembic_version VALUES ('mlflows')")
    store = open_store(f"sqlite:///{path}")
    store.add(made())
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT * FROM alembic_version").fetchall() == [("mlflows",)]


@databases
@pytest.mark.parametrize("content", [b"no database at all, but long enough for a header of SQLite" * 20, None])
def test_a_damaged_database_is_an_error(tmp_path, cli, content):
    path = tmp_path / "s.db"
    if content is None:
        open_store(f"sqlite:///{path}").add(made())
        whole = path.read_bytes()
        content = whole[: len(whole) // 3]
    path.write_bytes(content)
    code, _, err = cli("store", "list", "--store", f"sqlite:///{path}")
    assert code == 2
    assert "cannot be used" in err


@databases
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("nonsense://user:hidden@host/x", "is not the address of a store"),
        ("postgresql+psycopg://user:hidden@127.0.0.1:1/x?connect_timeout=2", "cannot be used"),
        ("postgresql+psycopg://127.0.0.1:1/x?password=hidden", "cannot be used"),
        ("postgresql+pg8000://user:hidden@host/x", "needs a package that is not installed"),
    ],
)
def test_no_password_is_shown(cli, tmp_path, monkeypatch, address, words):
    monkeypatch.chdir(tmp_path)
    code, out, err = cli("store", "list", "--store", address)
    assert code == 2
    assert words in err
    assert "hidden" not in out + err


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
def test_whatever_a_password_is_it_is_hidden(password):
    address = f"postgresql://user:{password}@host/base?x=1"
    assert address_without_password(address) == "postgresql://***@host/base?x=1"
    if not re.search(r"\s", password):
        assert without_password(f"Of {address}.") == "Of postgresql://***@host/base?x=1."


# The command line


def written(folder, *arguments, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(made(*arguments, **changes).to_json()))
    return folder


def test_compare_against_the_last_accepted(tmp_path, cli):
    store, old, new = tmp_path / "s", written(tmp_path / "old"), written(tmp_path / "new", 1, wrong=60, us=100.0)
    against = ("compare", new, "--against", "last-accepted", "--store", store)
    code, _, err = cli(*against)
    assert (code, "There is no store at" in err) == (2, True)
    assert cli("store", "add", new, "--store", store)[0] == 0
    code, _, err = cli(*against)
    assert code == 2
    assert "Nothing of the model 'm.keras' on the device 'a cpu, 2 cores' was accepted" in err
    assert cli("store", "accept", old, "--store", store, "--note", "release")[0] == 0
    code, out, _ = cli(*against, "--max-accuracy-drop", 1)
    assert code == 1
    assert "broken: int8: top1 drops 25.00 points" in out.replace("\n", " ")
    assert f"in {store}, accepted 20" in out.replace("\n", " ")
    assert cli("compare", old, *against[2:], "--max-accuracy-drop", 1)[0] == 0
    id = open_store(store).add(old).entry.short
    assert run_json(cli("compare", new, "--against", id, "--store", store, "--json"))["old"]["location"].startswith(id)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("one",), "takes two reports, the old and the new; 1 was given"),
        (("one", "two", "three"), "takes two reports, the old and the new; 3 were given"),
        (("one", "--store", "s"), "--store only applies with --against"),
        (("one", "--against", "last-accepted"), "--against only applies with --store"),
        (("one", "two", "--against", "last-accepted", "--store", "s"), "takes one report with --against; 2 were given"),
        (("one", "two", "--model", "m"), "--model only applies with --against"),
    ],
)
def test_what_compare_takes(cli, arguments, words):
    code, _, err = cli("compare", *arguments)
    assert code == 2
    assert words in err


def test_a_list_of_a_store(tmp_path, cli):
    store = tmp_path / "s"
    assert (
        cli(
            "store", "add", written(tmp_path / "a"), written(tmp_path / "b", 1), "--store", store, "--commit", "c0ffee"
        )[0]
        == 0
    )
    cli("store", "accept", tmp_path / "a", "--store", store, "--note", "[bold]first[/bold]")
    _, out, _ = cli("store", "list", "--store", store)
    assert "accepted [bold]first[/bold]" in out
    assert "2 reports in" in out
    assert "all on a cpu, 2 cores." in " ".join(out.split())
    assert "Device" not in out
    found = run_json(cli("store", "list", "--store", store, "--json"))
    assert [entry["commit"] for entry in found] == ["c0ffee", "c0ffee"]
    assert sorted(bool(entry["acceptance"]) for entry in found) == [False, True]
    assert run_json(cli("store", "list", "--store", store, "--model", "other", "--json")) == []


def test_reports_of_tflite_files_need_a_name(tmp_path, cli):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(made().model_copy(update={"source": None}).to_json()))
    code, _, err = cli("store", "add", path, "--store", tmp_path / "s")
    assert code == 2
    assert "does not say of which model its files are" in err
    assert cli("store", "add", path, "--store", tmp_path / "s", "--model", "mine")[0] == 0
    assert open_store(tmp_path / "s").entries().entries[0].model == "mine"


def test_a_report_of_an_unknown_version_is_refused(tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(made().to_json() | {"schema_version": 99}))
    with pytest.raises(ModelError, match="schema version 99"):
        open_store(tmp_path / "s").add(path)


def test_a_figure_that_no_store_can_hold_is_refused(tmp_path):
    huge = made().variants[0].model_copy(update={"size_bytes": 2**63})
    with pytest.raises(ModelError, match="size_bytes"):
        open_store(tmp_path / "s").add(made().model_copy(update={"variants": (huge,), "baseline": "float32"}))


# Commits


@pytest.fixture
def project(tmp_path):
    """A repository with one commit of 2026-03-01."""

    def git(*arguments):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        environment = os.environ | {"GIT_COMMITTER_DATE": "2026-03-01T12:00:00+00:00"}
        return subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True, env=environment).stdout  # fmt: skip

    (tmp_path / "train.py").write_text("1")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    return tmp_path, git("rev-parse", "HEAD").strip()


def test_the_commit_that_a_report_was_made_from(project):
    folder, commit = project
    assert commit_of(folder, "2026-03-01T13:00:00+00:00") == commit
    assert commit_of(folder, "2026-03-01T11:00:00+00:00") is None  # the report is older
    (folder / "train.py").write_text("2")
    assert commit_of(folder, "2026-03-02T00:00:00") == f"{commit}-dirty"
    assert commit_of(Path("/"), "2026-03-02T00:00:00") is None


def test_a_repository_runs_no_program(project):
    folder, commit = project
    (folder / "monitor").write_text(f"#!/bin/sh\ntouch {folder}/ran\n")
    (folder / "monitor").chmod(0o755)
    subprocess.run(["git", "config", "core.fsmonitor", str(folder / "monitor")], cwd=folder, check=True)
    assert commit_of(folder, "2026-03-02T00:00:00") == commit
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("address", ["{disk}/store", "sqlite:///{disk}/s.db"])
def test_a_store_whose_disk_is_full_keeps_what_it_has_and_takes_more_when_there_is_room(small_disk, address):
    disk, make_room = small_disk
    store = open_store(address.format(disk=disk))
    first = store.add(made(0)).entry
    (disk / "rest").write_bytes(bytes(shutil.disk_usage(disk).free - 4096))
    with pytest.raises(TflitekitError) as raised:
        [store.add(made(number)) for number in range(1, 4)]
    assert str(disk) in raised.value.what
    assert "disk is full" in f"{raised.value.what} {raised.value.why}".lower()
    there = [entry.id for entry in store.entries().entries]
    assert first.id in there
    assert not store.entries().warnings
    make_room()
    added = [store.add(made(number)) for number in range(4)]
    assert [one.entry.id for one in added if not one.is_new] == there
    assert len(store.entries().entries) == 4
