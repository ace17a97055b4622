"""The acceptance driver, as an outsider would run it: every method of the SDK that this server answers."""
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from server import KEY, Server

DRIVER = Path(__file__).parent / "acceptance/sdk_calls.py"


def wheel(folder, name):
    """A package that a template of the driver asks for, so that no registry is asked."""
    folder.mkdir()
    told = f"{name}-1.0.dist-info"
    files = {
        f"{name}/__init__.py": "",
        f"{told}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{told}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as zipped:
        for path, text in files.items():
            zipped.writestr(path, text)
        zipped.writestr(f"{told}/RECORD", "".join(f"{path},,\n" for path in [*files, f"{told}/RECORD"]))


@pytest.fixture(scope="module")
def any_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("acceptance")
    wheel(folder / "wheels", "requests")
    found = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder / "wheels")}
    config = '[[model]]\nname = "*"\nprovider = "script"\n'
    with Server(folder, config, environment=found) as server:
        yield server


@pytest.mark.parametrize("environment", ["none", "openai_hosted"])
def test_the_acceptance_driver(any_model, environment):
    told = {
        "OPENAI_BASE_URL": any_model.base, "OPENAI_API_KEY": KEY, "AGENTS_ENV": environment,
        "AGENTS_ONLY": "agents,vaults,environments,sessions,async,raw",
    }
    done = subprocess.run([sys.executable, DRIVER], env={**os.environ, **told}, capture_output=True, text=True, timeout=55)
    print(done.stdout, done.stderr)
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("FAIL")] == []
    assert done.returncode == 0
    assert len([line for line in lines if line.startswith("PASS")]) >= 93
