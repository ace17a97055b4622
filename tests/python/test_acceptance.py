"""The acceptance driver, as an outsider would run it: every method of the SDK that this server answers."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

from server import KEY, Server

DRIVER = Path(__file__).parent / "acceptance/sdk_calls.py"


@pytest.fixture(scope="module")
def any_model(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("acceptance"), '[[model]]\nname = "*"\nprovider = "script"\n') as server:
        yield server


def test_the_acceptance_driver(any_model):
    told = {
        "OPENAI_BASE_URL": any_model.base, "OPENAI_API_KEY": KEY,
        "AGENTS_ONLY": "agents,sessions,async,raw", "AGENTS_KINDS": "none",
    }
    done = subprocess.run([sys.executable, DRIVER], env={**os.environ, **told}, capture_output=True, text=True, timeout=55)
    print(done.stdout, done.stderr)
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("FAIL")] == []
    assert done.returncode == 0
    assert len([line for line in lines if line.startswith("PASS")]) > 40
