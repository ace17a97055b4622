"""What happens inside hosted environments: commands and files, what a killed server finds again, rest and reset, what ends
badly, what cannot be reached. How they look to clients is the subject of test_environments.py."""
import contextlib
import http.server
import json
import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conversation import IDLE, items, message, of_type, post, settle, text_of, until
from server import CONFIG, Server

pytestmark = pytest.mark.soak(120)

WORD = "agent.session.environment."
CONNECTED, DISCONNECTED, FAILED = WORD + "connected", WORD + "disconnected", WORD + "failed"
SUSPENDED, EXPIRED, RESET = WORD + "suspended", WORD + "expired", WORD + "reset"


def script(*lines):
    return "\n".join(lines)


def shell(command, **more):
    return "call shell " + json.dumps({"command": command, **more})


def tool(name, **arguments):
    return f"call {name} " + json.dumps(arguments)


def create(client, text=None, **environment):
    asked = {"agent": {"model": "scripted"}, "environment": {"type": "openai_hosted", "container_size": "small", **environment}}
    if text is not None:
        asked["input"] = text
    return client.beta.agents.sessions.create(**asked)


def run(client, *lines, **environment):
    """A session that has run the lines, and its commands."""
    session = create(client, script(*lines, "say done"), **environment)
    settle(client, session.id, "idle")
    return session, commands(client, session)


def again(client, session, *lines):
    """The commands of one more turn."""
    before = len(commands(client, session))
    with client.beta.agents.sessions.events.stream(session.id) as stream:
        post(client, session.id, message(script(*lines, "say done")))
        until(stream, IDLE)
    return commands(client, session)[before:]


def commands(client, session):
    return [item for item in items(client, session.id) if item.type == "command_execution"]


def wait_for(holds, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.02)
    return found


def disk(server, session):
    return server.data / "environments" / session.environment.id / "disk"


@contextlib.contextmanager
def serving(folder, more=""):
    """A server of its own, whose sandboxes do not outlive it."""
    server = Server(folder, CONFIG + more)
    with server:
        try:
            yield server
        finally:
            if server.process.poll() is not None:
                server.start()
            assert server.stop() == 0


def test_commands_and_files(server, client):
    session, ran = run(
        client,
        shell("echo hello; echo oops >&2; exit 3"),
        shell("id -u; pwd; echo $GREETING $API_KEY"),
        tool("write_file", path="notes/a.txt", content="one\n"),
        shell("cat notes/a.txt; cat given.txt; touch /usr/x 2>&1; ps ax 2>/dev/null | wc -l"),
        tool("read_file", path="notes/a.txt"),
        env={"GREETING": "good day", "API_KEY": "visible inside"},
        files=[{"type": "inline", "path": "/workspace/given.txt", "data": "dHdvCg=="}],
    )
    first, second, third = [item for item in ran if item.duration_ms is not None][:3]
    assert (first.exit_code, first.status) == (3, "failed")
    assert "hello" in first.output and "oops" in first.output
    assert second.output == "1000\n/workspace\ngood day visible inside\n"
    assert third.output.startswith("one\ntwo\n") and "Read-only file system" in third.output
    assert (disk(server, session) / "notes/a.txt").read_text() == "one\n"
    assert text_of(items(client, session.id)[-1]) == "done"
    assert "visible inside" not in json.dumps(session.to_dict()) + server.log()


def test_a_command_goes_on_while_the_server_is_dead(tmp_path):
    with serving(tmp_path / "server") as server:
        client = server.client()
        session, _ = run(client, shell("true"))
        command = "echo begun >> ran; echo first; sleep 5; echo last"
        post(client, session.id, message(script(shell(command), "say done")))
        wait_for((disk(server, session) / "ran").exists, "the command")
        server.kill()
        server.start()
        settle(client, session.id, "idle")
        ran = commands(client, session)[-1]
        assert (ran.status, ran.exit_code, ran.output) == ("completed", 0, "first\nlast\n")
        assert (disk(server, session) / "ran").read_text() == "begun\n"
        assert text_of(items(client, session.id)[-1]) == "done"
        # The same sandbox: what its memory holds is still there.
        assert again(client, session, shell("cat ran"))[0].output == "begun\n"


def test_a_server_that_ends_leaves_no_idle_sandbox_and_the_next_starts_another(tmp_path):
    with serving(tmp_path / "server") as server:
        client = server.client()
        session, _ = run(client, shell("echo kept > file; echo gone > /tmp/file"))
        assert server.stop() == 0
        assert not (server.data / "environments" / session.environment.id / "keeper.sock").exists()
        server.start()
        assert client.beta.agents.environments.retrieve(session.environment.id).status == "suspended"
        (ran,) = again(client, session, shell("cat file; test -e /tmp/file || echo fresh"))
        assert ran.output == "kept\nfresh\n"


def test_suspended_when_idle_and_resumed_with_the_next_turn(tmp_path):
    with serving(tmp_path / "server", '[environments]\nsuspend_after = "300ms"\n') as server:
        client = server.client()
        session = create(client)
        with client.beta.agents.sessions.events.stream(session.id) as stream:
            # A turn is longer than that, and is not disturbed.
            post(client, session.id, message(script(shell("echo kept > file; sleep 2; echo slept"), "say done")))
            events = until(stream, SUSPENDED)
            assert of_type(events, "turn.completed")
            post(client, session.id, message(script(shell("cat file"), "say done")))
            assert of_type(until(stream, IDLE), "environment.connected")
        assert [command.output for command in commands(client, session)] == ["slept\n", "kept\n"]


def test_expired_when_idle_for_long_and_then_reset(tmp_path):
    more = '[environments]\nsuspend_after = "100ms"\nexpire_after = "300ms"\n'
    with serving(tmp_path / "server", more) as server:
        client = server.client()
        files = [{"type": "inline", "path": "/workspace/given.txt", "data": "dHdvCg=="}]
        session = create(client, files=files)
        with client.beta.agents.sessions.events.stream(session.id) as stream:
            for count in (1, 2):
                post(client, session.id, message(script(shell("ls; echo mine > made.txt"), "say done")))
                until(stream, EXPIRED)
                assert not disk(server, session).exists()
                post(client, session.id, message(script(shell("ls"), "say done")))
                (reset,) = of_type(until(stream, IDLE), "environment.reset")
                assert (reset.environment_id, reset.reset_count) == (session.environment.id, count * 2 - 1)
                if count == 1:
                    until(stream, EXPIRED)
        assert {command.output for command in commands(client, session)} == {"given.txt\n"}


def processes(words):
    """Processes of this machine whose command line has these words."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if words in (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                found.append(int(entry.name))
    return found


def parent(process):
    return int(re.search(r"^PPid:\s*(\d+)", Path(f"/proc/{process}/status").read_text(), re.M)[1])


def executor_of(process):
    """The executor that a process inside descends from."""
    while process > 1:
        with contextlib.suppress(OSError):
            if b"executor" in Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[1:2]:
                return process
        process = parent(process)
    raise AssertionError("no executor")


def test_a_command_of_a_killed_executor_is_unknown(server, client):
    session, _ = run(client, shell("true"))
    seconds = f"61.{os.getpid()}7"
    with client.beta.agents.sessions.events.stream(session.id) as stream:
        post(client, session.id, message(script(shell(f"sleep {seconds}"), shell("echo alive"), "say done")))
        sleeping = wait_for(lambda: processes(f"sleep {seconds}"), "the command")[-1]
        os.kill(executor_of(sleeping), signal.SIGKILL)
        gone = until(stream, DISCONNECTED)[-1]
        assert gone.environment.error.code == "sandbox_error" and "signal 9" in gone.environment.error.message
        # The next command gets another sandbox.
        events = until(stream, IDLE)
        assert of_type(events, "environment.connected")
    _, lost, after = commands(client, session)
    assert lost.status == "failed" and "outcome unknown" in json.dumps(lost.to_dict()), lost
    assert after.output == "alive\n"
    assert not processes(f"sleep {seconds}")


def test_a_setup_command_that_fails_fails_the_environment(client):
    secret = "not-to-be-seen-anywhere"
    session = create(
        client, script(shell("echo never"), "say done"),
        setup_commands=[{"command": "touch ok"}, {"command": f"echo {secret}; exit 3"}],
    )
    found = settle(client, session.id, "failed")
    assert "Setup command 2 failed with exit code 3" in found.error
    assert client.beta.agents.environments.retrieve(session.environment.id).status == "failed"
    assert not commands(client, session)
    assert secret not in json.dumps(found.to_dict())


ASK = """
python3 - <<'END'
import urllib.error, urllib.request
try:
    print(urllib.request.urlopen("http://HOST:PORT/", timeout=20).status)
except urllib.error.HTTPError as error:
    print(error.code, error.headers.get("outcrop-egress"))
END
"""


@pytest.mark.parametrize(
    ("network", "word"),
    [
        ({"access": "disabled"}, "network_disabled"),
        ({"access": "restricted", "allowed_domains": ["example.com"]}, "host_not_allowed"),
        ({"access": "restricted", "blocked_domains": ["outcrop.test"]}, "host_blocked"),
        ({"access": "enabled"}, "port_not_allowed"),
    ],
)
def test_the_way_out_keeps_to_the_rules(client, network, word):
    """Nothing leaves: the one server that is there hears of nobody."""
    heard = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            heard.append(self.path)
            self.send_response(200)
            self.end_headers()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        ask = ASK.replace("HOST", "outcrop.test").replace("PORT", str(listening.server_port))
        # Around the proxy there is nothing at all.
        direct = f"python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {listening.server_port}), 5)' 2>&1 | tail -1"
        _, ran = run(client, shell(ask), shell(direct), network=network)
        listening.shutdown()
    assert ran[0].output == f"403 {word}\n"
    assert "refused" in ran[1].output
    assert not heard


def test_tenants_do_not_reach_each_other(server, client):
    mine, _ = run(client, shell("echo mine > mine.txt"))
    key, _ = server.create_key("--project", "another")
    stranger = server.client(key)
    theirs, ran = run(stranger, shell("find / -name mine.txt -not -path '/proc/*' 2>/dev/null; ls -A /workspace; ls /home"))
    assert ran[0].output == ""
    for path in (f"/v1/agents/environments/{mine.environment.id}", f"/v1/agents/environments/{mine.environment.id}/files"):
        missing = path.replace(mine.environment.id, "env_" + "0" * 24)
        assert server.json("GET", path, key=key)[0] == server.json("GET", missing, key=key)[0] == 404
    environment = {"type": "openai_hosted", "environment_id": mine.environment.id}
    taken = {"agent": {"model": "scripted"}, "environment": environment, "input": "say x"}
    assert server.json("POST", "/v1/agents/sessions", taken, key=key)[0] == 404
    assert disk(server, mine) != disk(server, theirs)


def test_nothing_of_the_machine_is_seen_inside(server, client, tmp_path):
    planted = [Path.home() / "planted-7d1", server.data / "planted-7d1", server.folder / "planted-7d1", tmp_path / "planted-7d1"]
    for path in planted:
        path.write_text("planted\n")
    try:
        looks = [shell(f"cat {path} 2>&1 | tail -1") for path in [*planted, server.config, server.data / "outcrop.db"]]
        found = "find / -name 'planted-7d1' -not -path '/proc/*' 2>/dev/null; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep -i key"
        _, ran = run(client, *looks, shell(found), shell("cat /proc/*/cmdline | tr '\\0' ' '"))
    finally:
        for path in planted:
            path.unlink()
    *looked, searched, running = ran
    for look in looked:
        assert "No such file or directory" in look.output, look
    assert searched.output == ""
    assert str(server.data) not in running.output and "serve" not in running.output


def test_a_deleted_session_takes_its_environment_along(server, client):
    session, _ = run(client, shell("(sleep 1234.5 &) ; mkdir -p a/b; echo x > a/b/c"))
    folder = disk(server, session).parent
    assert folder.exists()
    client.beta.agents.sessions.delete(session.id)
    wait_for(lambda: not folder.exists(), "the folder to go")
    assert not processes("sleep 1234.5")
    assert server.json("GET", f"/v1/agents/environments/{session.environment.id}")[0] == 404


@pytest.mark.soak(600)
def test_fifty_at_once(tmp_path):
    with serving(tmp_path / "server") as server:
        client = server.client()

        def one(number):
            session, ran = run(client, shell(f"echo {number} > number; cat number"))
            return session, ran[0].output

        with ThreadPoolExecutor(50) as pool:
            done = list(pool.map(one, range(50)))
        assert [output for _, output in done] == [f"{number}\n" for number in range(50)]
        folders = [disk(server, session).parent for session, _ in done]
        assert all((folder / "keeper.sock").exists() for folder in folders)


def test_a_setup_that_was_cut_off_begins_anew(tmp_path):
    with serving(tmp_path / "server") as server:
        client = server.client()
        session = create(client, script(shell("cat ran"), "say done"), setup_commands=[{"command": "echo run >> ran; sleep 2"}])
        wait_for((disk(server, session) / "ran").exists, "the setup")
        server.kill()
        server.start()
        settle(client, session.id, "idle")
        # On a fresh disk: what the first one had done is not there.
        assert [command.output for command in commands(client, session)] == ["run\n"]


def test_a_command_in_the_background_keeps_its_environment_awake(tmp_path):
    with serving(tmp_path / "server", '[environments]\nsuspend_after = "200ms"\n') as server:
        client = server.client()
        session = create(client)
        with client.beta.agents.sessions.events.stream(session.id) as stream:
            post(client, session.id, message(script(shell("sleep 2; echo late > late.txt", background=True), "say done")))
            until(stream, IDLE)
            until(stream, SUSPENDED)
        # Suspended, but not before the command had ended.
        assert (disk(server, session) / "late.txt").read_text() == "late\n"


def test_a_command_in_the_background_keeps_it_awake_no_longer_than_that(tmp_path):
    more = '[environments]\nsuspend_after = "200ms"\nbackground_after = "1s"\n'
    with serving(tmp_path / "server", more) as server:
        client = server.client()
        session = create(client)
        with client.beta.agents.sessions.events.stream(session.id) as stream:
            post(client, session.id, message(script(shell("echo begun > begun; sleep 888.5", background=True), "say done")))
            until(stream, SUSPENDED)
            assert not processes("sleep 888.5")
            # Its disk is there, and the next command starts on it.
            post(client, session.id, message(script(shell("cat begun"), "say done")))
            until(stream, IDLE)
        assert commands(client, session)[-1].output == "begun\n"


@pytest.mark.soak(300)
def test_a_large_fork_is_made_while_its_parent_works(tmp_path):
    """A quarter of a gigabyte and three thousand files, copied while commands run on the disk."""
    with serving(tmp_path / "server") as server:
        client = server.client(timeout=200)
        fill = "mkdir many big; for n in $(seq 8); do head -c 32M /dev/urandom > big/$n; done; for n in $(seq 3000); do echo $n > many/$n; done"
        session, ran = run(client, shell(fill), shell("cat big/* | sha256sum; cat many/* | sort | sha256sum"))
        assert ran[0].exit_code == 0
        waits = "echo begun > begun; while [ ! -e go ]; do date +%N >> ticks; done; echo went on"
        post(client, session.id, message(script(shell(waits), shell("echo after >> log; cat log"), "say done")))
        wait_for((disk(server, session) / "begun").exists, "the command")
        status, child = server.json("POST", f"/v1/agents/sessions/{session.id}/fork", {})
        assert status == 201, child
        # The parent's turn was not held up, and ends as it would have.
        assert client.beta.agents.sessions.retrieve(session.id).status == "in_progress"
        (disk(server, session) / "go").touch()
        settle(client, session.id, "idle")
        assert [command.output for command in commands(client, session)[-2:]] == ["went on\n", "after\n"]
        child = client.beta.agents.sessions.retrieve(child["id"])
        (same,) = again(client, child, shell("cat big/* | sha256sum; cat many/* | sort | sha256sum; ls begun; cat log 2>/dev/null"))
        assert same.output == ran[1].output + "begun\n"
