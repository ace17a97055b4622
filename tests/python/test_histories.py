"""The recorded histories hold what this version writes: a kind of record that is not among them would not be replayed by
the versions to come."""
import json

import pytest

from histories import kinds, record
from server import ROOT

HISTORIES = ROOT / "tests/histories"


def recorded():
    found = set()
    for file in HISTORIES.glob("*/*.jsonl"):
        found |= kinds([json.loads(line) for line in file.read_text().splitlines()])
    return found


@pytest.mark.soak(120)
def test_f25_every_kind_that_is_written_is_recorded(tmp_path):
    written = set().union(*(kinds(history) for history in record(tmp_path).values()))
    assert written <= recorded(), "record these: cargo xtask record-history NAME"
