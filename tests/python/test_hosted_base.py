"""`[environments] base`: environments see a prepared tree instead of the machine's programs. The tree is made here, of a few
of the machine's own programs and what they load; nothing is fetched."""
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from server import BINARY
from test_hosted import again, commands, create, run, serving, shell
from conversation import settle

pytestmark = pytest.mark.soak(120)

PROGRAMS = ["sh", "ls", "cat", "echo", "id", "mkdir"]


def loaded_by(program):
    """What the loader needs to start it, the loader among them."""
    said = subprocess.run(["ldd", str(program)], capture_output=True, text=True)
    return {Path(path) for path in re.findall(r"(/[^\s()]+)", said.stdout)} if said.returncode == 0 else set()


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A folder with `usr` and its links, as a distribution has them."""
    if shutil.which("ldd") is None:
        pytest.skip("what a program loads is asked of `ldd`, which is not here")
    base = tmp_path_factory.mktemp("base")
    for folder in ("bin", "lib", "lib64"):
        (base / "usr" / folder).mkdir(parents=True)
        (base / folder).symlink_to(f"usr/{folder}")
    programs = {name: Path(shutil.which(name)) for name in PROGRAMS}
    for name, program in programs.items():
        shutil.copy(program, base / "usr/bin" / name)
    # The executor is this very server's program, and loads what it loads.
    for library in set().union(*map(loaded_by, [*programs.values(), BINARY])):
        target = base / "usr" / library.relative_to("/usr" if library.is_relative_to("/usr") else "/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    (base / "usr/bin/greet").write_text("#!/bin/sh\necho good day from the base\n")
    (base / "usr/bin/greet").chmod(0o755)
    for path in base.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    for path in [base, *base.parents][:3]:
        path.chmod(0o755)
    return base


def test_commands_run_on_the_tree_and_on_nothing_else(tmp_path, tree):
    with serving(tmp_path / "server", f'[environments]\nbase = "{tree}"\n') as server:
        client = server.client()
        session, ran = run(
            client,
            shell("greet; id -u; echo mine > made.txt; cat made.txt"),
            shell("ls /usr/bin"),
            shell("echo x > /usr/bin/x"),
            shell("python3 -c 'print(1)'"),
            shell("ls -A /root; ls -A /home; ls -A /etc"),
            setup_commands=[{"command": "greet > greeted.txt"}],
        )
        greeted, listed, written, python, root = ran
        assert greeted.output == "good day from the base\n1000\nmine\n"
        assert listed.output.split() == sorted([*PROGRAMS, "greet"])
        assert written.status == "failed" and "ead-only" in written.output, written
        assert python.exit_code == 127
        assert not {".bashrc", ".ssh", "shadow", "machine-id", "fstab"} & set(root.output.split()), root
        assert again(client, session, shell("cat greeted.txt"))[-1].output == "good day from the base\n"
        assert not (tree / "usr/bin/x").exists()


def test_a_system_package_is_looked_for_in_the_tree(tmp_path, tree):
    with serving(tmp_path / "server", f'[environments]\nbase = "{tree}"\n') as server:
        client = server.client()
        session = create(client, "say never", packages={"system": ["python3"]})
        failed = settle(client, session.id, "failed")
        assert "python3" in failed.error and not commands(client, session)
