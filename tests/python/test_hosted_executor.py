"""The executor of a hosted environment beside the commands that it starts: they are of one user, and it is not theirs."""
import pytest

from test_hosted import disk, run, shell

pytestmark = pytest.mark.soak(120)


def test_a_client_s_variables_reach_commands_and_not_their_executor(server, client):
    loader = {"LD_DEBUG": "files", "LD_DEBUG_OUTPUT": "/workspace/loaded"}
    session, (ran,) = run(client, shell("ls / > /dev/null; echo $PPID $MODE"), env={"MODE": "test", **loader})
    executor, mode = ran.output.split()
    assert mode == "test"
    # The loader of each program writes a file with the process's number.
    wrote = {path.suffix for path in disk(server, session).glob("loaded.*")}
    assert wrote and f".{executor}" not in wrote


def test_the_executor_s_memory_and_descriptors_are_closed_to_commands(client):
    parts = ["cat /proc/$PPID/environ", "ls /proc/$PPID/fd/", "echo x > /proc/$PPID/mem"]
    _, (ran,) = run(client, shell("; ".join(f"({part}) 2>&1" for part in parts)))
    assert ran.output.count("ermission denied") == len(parts), ran.output
