"""The MCP client as `outcrop mcp try` drives it: the conformance suite of npm, and two servers of other makers.

What a hostile server can do is tested in `crates/mcp/tests`.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from server import BINARY, ROOT, free_port

HERE = Path(__file__).resolve().parent
MODULES = ROOT / "tests/node/node_modules"
SUITE = MODULES / "@modelcontextprotocol/conformance/dist/index.js"
EVERYTHING = MODULES / "@modelcontextprotocol/server-everything/dist/index.js"
# The suite needs a newer node than many machines have.
NODE = MODULES / "node/bin/node"

# A required scenario that is not passed, and why (docs/mcp.md says it too): there is no person to ask.
DECLINED = "elicitation-sep1034-client-defaults"

needs_node = pytest.mark.skipif(not SUITE.exists(), reason="npm install was not run in tests/node")


def try_out(*words, environment=None):
    """One session; what it said, and its status."""
    done = subprocess.run(
        [BINARY, "mcp", "try", *words],
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    return done.returncode, done.stdout, done.stderr


@contextlib.contextmanager
def running(words, line, environment=None):
    """A server process, from the line that says that it listens."""
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    try:
        for said in process.stdout:
            if found := re.search(line, said):
                yield found
                return
        raise AssertionError(f"it ended before it listened: {words}")
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def counting(file, *options):
    words = [sys.executable, HERE / "mcp_servers/counting.py", "http", "0", file, *options]
    with running(words, r"ready (\d+)") as found:
        yield f"http://127.0.0.1:{found[1]}/mcp"


def conformance(revision, tmp_path):
    """Runs the suite; which scenarios passed, and which did not."""
    client = f"{sys.executable} {HERE / 'mcp_servers/conformance_client.py'}"
    words = [NODE, SUITE, "client", "--command", client, "--requirements", revision, "-o", tmp_path / "results"]
    done = subprocess.run(
        words, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "OUTCROP_BINARY": str(BINARY)}
    )
    passed, failed = set(), set()
    for mark, name in re.findall(r"^(✓|✗) ([\w/-]+): ", done.stdout, re.MULTILINE):
        (passed if mark == "✓" else failed).add(name)
    unscored = set(re.findall(r"^  ✗ ([\w/-]+) \(", done.stdout, re.MULTILINE))
    return passed, failed - unscored, done.stdout


@needs_node
@pytest.mark.soak(300)
@pytest.mark.parametrize(
    "revision, required, declined", [("2025-11-25", 18, {DECLINED}), ("2026-07-28", 32, set())]
)
def test_conformance(tmp_path, revision, required, declined):
    passed, failed, said = conformance(revision, tmp_path)
    assert failed == declined, said[-5000:]
    assert len(passed) >= required - len(declined), sorted(passed)


def test_a_server_in_python(tmp_path):
    file = tmp_path / "calls"
    with counting(file) as url:
        status, said, wrong = try_out(
            url, "--call", "add", "--arguments", '{"a": 2, "b": 3}', "--call", "send", "--arguments",
            '{"message": "hello"}', "--call", "picture", "--arguments", "{}", "--call", "steps", "--arguments",
            '{"number": 3}',
        )
    assert (status, wrong) == (0, ""), (said, wrong)
    assert "server    counting (revision 2026-07-28)" in said
    assert "tool      add [read-only] Add two numbers." in said
    assert "call      send: done\nsent hello" in said
    assert "[an image, " in said and "3 steps" in said
    assert file.read_text().split("\n") == ["add 2 3", "send hello", "picture", "steps 3", ""]


def test_a_tool_that_goes_wrong_says_so(tmp_path):
    with counting(tmp_path / "calls") as url:
        status, said, wrong = try_out(url, "--call", "fail", "--arguments", '{"reason": "no \\u001b[31mpaper"}')
    assert status == 1 and "1 of the calls failed" in wrong
    assert "call      fail: the tool says that it failed" in said and "paper" in said
    assert "\x1b" not in said + wrong


def test_a_call_that_takes_too_long_may_have_happened(tmp_path):
    file = tmp_path / "calls"
    with counting(file) as url:
        words = ["--call", "send_slowly", "--arguments", '{"message": "m", "seconds": 3600}', "--patience", "1"]
        status, said, _ = try_out(url, *words)
    assert status == 1
    assert "call      send_slowly: outcome unknown: no answer within 1 s" in said
    assert file.read_text() == "send_slowly m\n"


def test_nobody_listens():
    status, _, wrong = try_out(f"http://127.0.0.1:{free_port()}/mcp")
    assert status == 1 and wrong.startswith("error: "), wrong


def test_addresses_that_are_not_public_are_refused(tmp_path):
    with counting(tmp_path / "calls") as url:
        for place in [url, url.replace("127.0.0.1", "localhost"), "http://[::ffff:7f00:1]:1/mcp"]:
            status, _, wrong = try_out("--public", place)
            assert status == 1 and "loopback address, which this server does not reach" in wrong, wrong
    status, _, wrong = try_out("http://169.254.169.254/latest/meta-data")
    assert status == 1 and "metadata address, which this server does not reach" in wrong, wrong


# Words of a server that speaks lines, ignores every wish to end, and says who it is.
STUBBORN = r'''
import json, os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("pid", os.getpid(), "\x1b[31m", file=sys.stderr, flush=True)
for line in sys.stdin:
    message = json.loads(line)
    info = {"name": "stubborn", "version": "1"}
    said = {"initialize": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info},
            "tools/list": {"tools": []}}.get(message["method"])
    if "id" in message:
        said = {"result": said} if said else {"error": {"code": -32601, "message": "?"}}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **said}), flush=True)
time.sleep(3600)
'''


def test_a_program(tmp_path):
    file = tmp_path / "calls"
    status, said, wrong = try_out(
        "--stdio", "--call", "add", "--arguments", '{"a": 2, "b": 3}', "--", sys.executable,
        str(HERE / "mcp_servers/counting.py"), "stdio", str(file),
    )
    assert status == 0, (said, wrong)
    assert "server    counting (revision 2026-07-28)" in said and "call      add: done\n5" in said
    assert file.read_text() == "add 2 3\n"


def test_a_program_that_does_not_want_to_end_is_ended():
    status, said, wrong = try_out("--stdio", "--", sys.executable, "-c", STUBBORN)
    assert (status, said) == (0, "server    stubborn 1 (revision 2025-06-18)\n"), wrong
    # What it writes for people is handed on, harmless.
    process = int(re.fullmatch(r"stderr    pid (\d+) \ufffd\[31m\n", wrong)[1])
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_program_that_is_no_server_says_why():
    status, _, wrong = try_out("--stdio", "--", "sh", "-c", "echo no key >&2; exit 3")
    assert status == 1 and 'error: the program ended: exit code 3; it wrote: "no key"' in wrong, wrong
    status, _, wrong = try_out("--stdio", "--", "sh", "-c", "kill -KILL $$")
    assert status == 1 and "ended by signal 9" in wrong, wrong
    status, _, wrong = try_out("--stdio", "--", "/no/such/program")
    assert status == 1 and "/no/such/program cannot be started" in wrong, wrong


def test_a_command_line_that_makes_no_sense():
    program = ["--", "true"]
    for words in [
        ["no url"], ["http://h/", "--arguments", "{}"], ["http://h/", "--call", "a", "--arguments", "[]"],
        [], ["--stdio"], program, ["--stdio", "http://h/"], ["--stdio", "http://h/", *program], ["http://h/", *program],
        ["--stdio", "--public", *program], ["--stdio", "--header", "a: b", *program], ["--stdio", "--authorize", *program],
    ]:
        status, _, wrong = try_out(*words)
        assert status == 2 and wrong, words


def test_a_browser_brings_a_token_and_a_refresh_the_next():
    """The address that is printed is opened as a browser would, and what it is sent back to is this command."""
    with running([sys.executable, HERE / "mcp_servers/guarded.py"], r"ready (\d+)") as found:
        origin = f"http://127.0.0.1:{found[1]}"
        words = ["mcp", "try", f"{origin}/mcp", "--authorize"] + ["--call", "act"] * 4
        process = subprocess.Popen([BINARY, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        address = next(line.strip() for line in process.stderr if origin in line)
        with urllib.request.urlopen(address) as page:
            assert "close this page" in page.read().decode()
        said, wrong = process.communicate()
        with urllib.request.urlopen(f"{origin}/seen") as seen:
            seen = json.load(seen)
    assert process.returncode == 0 and said.count("call      act: done\nacted") == 4, (said, wrong)
    assert "token-" not in said + wrong and "refresh-" not in said + wrong
    asked = {kind: [it["asked"] for it in seen if it["path"].startswith(kind)] for kind in ("/authorize", "/token")}
    [authorization] = asked["/authorize"]
    assert (authorization["resource"], authorization["scope"]) == (f"{origin}/mcp", "call")
    assert [it["grant_type"] for it in asked["/token"]] == ["authorization_code", "refresh_token"]
    assert all(it["resource"] == f"{origin}/mcp" for it in asked["/token"])
    tokens = [it["token"] for it in seen if it.get("method") == "tools/call"]
    # The call that found its token used up was refused whole, and is the only one that was sent twice.
    assert tokens == ["token-0", "token-0", "token-1", "token-1", "token-1"], tokens


@needs_node
def test_server_everything():
    port = free_port()
    words = [NODE, EVERYTHING, "streamableHttp"]
    with running(words, "listening on port", {"PORT": str(port)}):
        status, said, wrong = try_out(
            f"http://127.0.0.1:{port}/mcp", "--call", "echo", "--arguments", '{"message": "hello"}',
            "--call", "get-sum", "--arguments", '{"a": 2, "b": 3}', "--call", "get-structured-content",
            "--arguments", '{"location": "New York"}', "--call", "get-tiny-image", "--arguments", "{}",
            "--call", "get-resource-links", "--arguments", '{"count": 2}',
            "--call", "trigger-long-running-operation", "--arguments", '{"duration": 1, "steps": 2}',
        )
    assert (status, wrong) == (0, ""), (said, wrong)
    assert "server    mcp-servers/everything" in said and "(revision 2025-11-25)" in said
    assert "Echo: hello" in said and "The sum of 2 and 3 is 5" in said
    assert '"temperature"' in said and "[an image, " in said and "[resource " in said


@needs_node
def test_server_everything_as_a_program():
    status, said, wrong = try_out(
        "--stdio", "--call", "echo", "--arguments", '{"message": "hello"}', "--call", "get-tiny-image", "--arguments", "{}",
        "--", str(NODE), str(EVERYTHING), "stdio",
    )
    assert status == 0, (said, wrong)
    assert "server    mcp-servers/everything" in said and "Echo: hello" in said and "[an image, " in said
