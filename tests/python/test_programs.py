"""Programs of models in a session: what comes back of them, what bad ones do to it, and a hundred calls with a kill in the
middle. What a program itself may do is shown by the tests of the crate `code`."""
import json
import subprocess
import threading

import pytest

from conversation import begin, calls, function, items, messages, post, result, say, settings, settle, until
from server import BINARY, CONFIG, Server
from toolserver import READS, ToolServer, tool

PROGRAMS = {"type": "programmatic_tool_calling"}
LOOKUP = function("lookup")


def run(*lines):
    """The model runs a program of these lines, then says that it is done."""
    return "call run_python " + json.dumps({"code": "\n".join(lines)}) + "\nsay done"


def commands(client, session):
    return [item for item in items(client, session) if item.type == "command_execution"]


def output(client, session):
    return commands(client, session)[-1].output


def test_doctor_runs_a_program(tmp_path):
    said = subprocess.run([BINARY, "--data", tmp_path / "data", "doctor"], capture_output=True, text=True, cwd=tmp_path)
    lines = [line for line in said.stdout.splitlines() if line[6:].startswith("programs ")]
    assert [line.split(None, 2)[0] for line in lines] == ["ok"], said.stdout
    assert "was paused and went on" in lines[0]


def test_a_worker_without_a_request_ends(tmp_path):
    for given in (b"", b"hello", b"\xff" * 64):
        ended = subprocess.run([BINARY, "program-worker"], input=given, capture_output=True, timeout=60, cwd=tmp_path)
        assert (ended.returncode, ended.stdout, ended.stderr) == (1, b"", b"")


BAD = {
    "refused": (["open('/etc/passwd')"], "PermissionError: a program has no access to files; it has only its functions"),
    "no clock": (["from datetime import datetime", "datetime.now()"], "PermissionError: a program has no access to a clock"),
    "no module": (["import subprocess"], "ModuleNotFoundError: No module named 'subprocess'"),
    "no language": (["class Wrong(Exception): pass"], "class inheritance"),
    "no Python": (["def f(:"], "SyntaxError: "),
    "an error": (["x = 1", "x / 0"], 'File "program.py", line 2, in <module>\n    x / 0\n    ~~~~~\nZeroDivisionError'),
    "memory": (["x = []", "while True: x.append('a' * 1000)"], "MemoryError: "),
    "memory at once": (["'x' * 10 ** 10"], "MemoryError: "),
    "memory outside": (["[[0] * 1000] * 10 ** 6"], "MemoryError: "),
    "depth": (["def f(): f()", "f()"], "RecursionError: maximum recursion depth exceeded"),
    "time": (["while True: pass"], "TimeoutError: the program ran for more than "),
    "output": (["for i in range(100000): print('y' * 10)"], "more bytes of output are left out]"),
    "unknown": (["nothing_like_it(1)"], "NameError: name 'nothing_like_it' is not defined"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_program_is_told_why_and_the_session_goes_on(client, case):
    lines, expected = BAD[case]
    session, _ = begin(client, run(*lines), tools=[PROGRAMS])
    assert expected in output(client, session)
    assert len(output(client, session)) < 200_000
    assert messages(client, session)[-1] == ("assistant", "done")
    say(client, session, run("6 * 7"))
    assert output(client, session) == "42"


def test_functions_that_are_gathered_are_called_together(client):
    lines = ["import asyncio", "a, b, c = await asyncio.gather(lookup(n=1), lookup(n=2), lookup(n=3))", "[a, b, c]"]
    session, events = begin(client, run(*lines), tools=[LOOKUP, PROGRAMS])
    asked = calls(events)
    assert sorted(call.arguments["n"] for call in asked) == [1, 2, 3]
    with client.beta.agents.sessions.events.stream(session) as stream:
        # In any order, in one request or several.
        post(client, session, result(asked[2], "30"))
        post(client, session, result(asked[0], '{"ü": [1.5, null]}'), result(asked[1], "text"))
        until(stream, "agent.session.idle")
    assert output(client, session) == "[{'ü': [1.5, None]}, 'text', 30]"


def test_a_program_of_a_hundred_calls_goes_on_at_the_call_where_it_was_killed(tmp_path):
    killed_at = 57
    arrived, go = threading.Event(), threading.Event()
    numbers = []

    def square(_, arguments):
        numbers.append(arguments["n"])
        if arguments["n"] == killed_at and numbers.count(killed_at) == 1:
            arrived.set()
            go.wait(30)
        return {"content": [{"type": "text", "text": str(arguments["n"] ** 2)}]}

    lines = ["total, seen = 0, []", "for n in range(100):", "    total += srv__square(n=n)", "    seen.append(n)",
             "print(len(seen), 'calls')", "total"]
    config = CONFIG + '\n[mcp]\nallowed_hosts = ["127.0.0.1"]\n'
    with ToolServer(tool("square", READS)) as tools, Server(tmp_path, config=config) as server:
        tools.call = square
        mcp = {"type": "mcp", "server_label": "srv", "transport": {"type": "http", "server_url": tools.url}}
        sessions = server.client().beta.agents.sessions
        session = sessions.create(**settings(run(*lines), tools=[mcp, PROGRAMS])).id
        assert arrived.wait(30)
        server.kill()
        go.set()
        server.start()
        client = server.client()
        settle(client, session, "idle")
        assert output(client, session) == f"100 calls\n{sum(n * n for n in range(100))}"
        # Only what was in flight was asked again.
        assert sorted(numbers) == sorted([*range(100), killed_at])
        assert messages(client, session)[-1] == ("assistant", "done")
