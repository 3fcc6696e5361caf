"""Mutants of every file that the kit reads; ``python tests/fuzz.py --count 20000`` looks at more of them."""

from fuzz import READERS, run

COUNT = 1000


def test_no_reader_breaks_on_mutants():
    faults, borne = run(COUNT, seed=11)
    assert faults == []
    for reader in READERS:  # mutants that are all refused at once would reach nothing
        assert borne[reader] > 0, reader
