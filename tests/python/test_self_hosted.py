"""Sessions whose commands run on a machine of the client's own, through the unmodified `codex exec-server`."""
import contextlib
import json
import os
import signal
import subprocess
import time

import pytest

from conversation import IDLE, items, message, of_type, post, settle, text_of, until
from server import CONFIG, KEY, ROOT, Server
from upstream import text as said

CODEX = ROOT / "tests/node/node_modules/.bin/codex"
pytestmark = [
    pytest.mark.soak(120),
    pytest.mark.skipif(not CODEX.exists(), reason="the npm packages of tests/node are not installed"),
]

CONNECTED = "agent.session.environment.connected"
DISCONNECTED = "agent.session.environment.disconnected"


class Executor:
    """`codex exec-server` for one environment, with a home of its own."""

    def __init__(self, folder, environment, key=KEY):
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)
        self.errors = open(folder / "codex.log", "ab")
        self.command = [
            str(CODEX), "exec-server", "--remote", environment.remote_url, "--environment-id", environment.id,
        ]
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.home), "CODEX_HOME": str(self.home), "CODEX_API_KEY": key,
            "NO_PROXY": "127.0.0.1",
        }
        self.process = None

    def __enter__(self):
        # A group of its own: what npm puts in between ends with it.
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors, env=self.environment,
            start_new_session=True,
        )
        return self

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def __exit__(self, *_):
        self.kill()
        self.errors.close()


def script(*lines):
    return "\n".join(lines)


def shell(command, **more):
    return "call shell " + json.dumps({"command": command, **more})


def create(client, workspace, text=None, **more):
    asked = {"agent": {"model": "scripted"}, "environment": {"type": "self_hosted", "workspace_directory": str(workspace)}}
    if text is not None:
        asked["input"] = text
    return client.beta.agents.sessions.create(**asked, **more)


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def commands(client, session):
    return [item for item in items(client, session) if item.type == "command_execution"]


def wait_for(holds, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.02)


def ran_three(client, session, workspace):
    """The three commands of a turn: one that fails, one whose result the next one sees, one that reads."""
    first, second, third = commands(client, session.id)
    assert (first.exit_code, first.status) == (3, "failed")
    assert "hello" in first.output and "oops" in first.output
    assert second.exit_code == 0 and second.output.strip() == "2"
    assert (workspace / "made.txt").read_text() == "a\nb\n"
    assert "a\nb" in third.output.replace("1\t", "").replace("2\t", ""), third.output
    assert text_of(items(client, session.id)[-1]) == "done"


def ran_once(client, session, workspace):
    """The command that went on while something was away: run one time, with all that it printed."""
    (ran,) = commands(client, session.id)
    assert (ran.status, ran.exit_code, ran.output) == ("completed", 0, "first\nlast\n")
    assert (workspace / "ran").read_text() == "begun\n"
    assert text_of(items(client, session.id)[-1]) == "done"


def is_unknown(client, session, workspace):
    """Begun one time, and nobody says what came of it."""
    (ran,) = commands(client, session.id)
    assert ran.status == "failed" and "outcome unknown" in json.dumps(ran.to_dict()), ran
    assert (workspace / "ran").read_text() == "begun\n"
    assert text_of(items(client, session.id)[-1]) == "done"


def test_a_turn_waits_for_its_executor_and_runs_commands_there(server, client, tmp_path, workspace):
    work = script(
        shell("echo hello; echo oops >&2; exit 3"), shell("printf 'a\\nb\\n' > made.txt; wc -l < made.txt"),
        "call read_file " + json.dumps({"path": "made.txt"}), "say done",
    )
    session = create(client, workspace, work)
    assert session.environment.type == "self_hosted" and session.environment.id.startswith("env_")
    assert session.environment.remote_url == f"{server.base}/agents/api"
    waiting = settle(client, session.id, "requires_action")
    assert [action.type for action in waiting.required_actions] == ["environment_connection"]
    with client.beta.agents.sessions.events.stream(session.id) as stream, Executor(tmp_path, session.environment):
        events = until(stream, IDLE)
    assert of_type(events, "environment.connected")
    ran_three(client, session, workspace)


def test_a_command_goes_on_while_the_server_is_dead(tmp_path, workspace):
    with Server(tmp_path / "server") as server:
        client = server.client()
        session = create(client, workspace)
        with client.beta.agents.sessions.events.stream(session.id) as stream, Executor(tmp_path, session.environment):
            until(stream, CONNECTED)
            command = "echo begun >> ran; echo first; sleep 5; echo last"
            post(client, session.id, message(script(shell(command), "say done")))
            wait_for(lambda: (workspace / "ran").exists(), "the command")
            server.kill()
            server.start()
            settle(client, session.id, "idle")
        ran_once(client, session, workspace)
        assert server.stop() == 0


def test_a_command_of_a_dead_executor_is_unknown(client, tmp_path, workspace):
    session = create(client, workspace)
    with client.beta.agents.sessions.events.stream(session.id) as stream:
        with Executor(tmp_path, session.environment) as executor:
            until(stream, CONNECTED)
            post(client, session.id, message(script(shell("echo begun >> ran; sleep 60"), "say done")))
            wait_for(lambda: (workspace / "ran").exists(), "the command")
            executor.kill()
            until(stream, DISCONNECTED)
        # Another one knows nothing of what the first has begun.
        with Executor(tmp_path, session.environment):
            settle(client, session.id, "idle")
    is_unknown(client, session, workspace)


def test_who_may_register(server, client, tmp_path, workspace):
    session = create(client, workspace)
    environment = session.environment
    path = f"/v1/agents/api/cloud/environment/{environment.id}/register"
    assert server.json("POST", path, {}, key="sk-wrong")[0] == 401
    reader, _ = server.create_key("--scopes", "api.agents.read")
    assert server.json("POST", path, {}, key=reader)[0] == 403
    stranger, _ = server.create_key("--project", "another")
    foreign = server.json("POST", path, {}, key=stranger)
    missing = server.json("POST", path.replace(environment.id, "env_" + "0" * 24), {})
    assert foreign[0] == missing[0] == 404
    status, error = server.json("POST", path, {})
    assert status == 400 and "cannot be read" in error["error"]["message"]
    status, error = server.json("POST", path.replace("/register", "/validate"), {})
    assert status == 400 and "x-codex-noise-stream-id" in error["error"]["message"]
    machine, _ = server.create_key("--scopes", "api.environments.write")
    with client.beta.agents.sessions.events.stream(session.id) as stream:
        with Executor(tmp_path, environment, key=machine):
            until(stream, CONNECTED)


def test_a_rendezvous_without_its_token(server, client, workspace):
    session = create(client, workspace)
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Authorization": None,
    }
    path = f"/v1/agents/api/rendezvous/{session.environment.id}?project=default&token="
    for token in ("", "0" * 64):
        status, _, text = server.request("GET", path + token, headers=upgrade)
        assert status == 409 and json.loads(text)["error"]["code"] == "environment_connection_failed"
    assert server.request("GET", path)[0] == 400


def test_a_deleted_session_sends_its_executor_away(client, tmp_path, workspace):
    session = create(client, workspace)
    with client.beta.agents.sessions.events.stream(session.id) as stream:
        with Executor(tmp_path, session.environment) as executor:
            until(stream, CONNECTED)
            client.beta.agents.sessions.delete(session.id)
            # It registers anew, and there is nothing to register for.
            assert executor.process.wait(timeout=60) == 1


def test_the_model_is_told_what_the_files_of_its_machine_say(tmp_path, workspace, upstream):
    """Notes and skills go before the agent's own instructions; a changed file is told anew."""
    config = CONFIG + f'[[model]]\nname = "m"\nprovider = "openai-chat"\nbase_url = "{upstream.base}"\n'
    (workspace / "AGENTS.md").write_text("Run the tests with make check.\n")
    skill = tmp_path / "capabilities" / "pdf" / "SKILL.md"
    skill.parent.mkdir(parents=True)
    skill.write_text("---\nname: pdf\ndescription: Fills in forms.\n---\nThe body is for later.\n")

    def told():
        system, *others = [m for m in upstream.asked[-1]["body"]["messages"] if m["role"] in ("system", "developer")]
        assert not others
        return said(system)

    with Server(tmp_path / "server", config) as server:
        client = server.client()
        session = client.beta.agents.sessions.create(
            agent={"model": "m", "instructions": "Answer in one word."}, input="hello",
            environment={
                "type": "self_hosted", "workspace_directory": str(workspace),
                "capability_directories": [str(tmp_path / "capabilities")],
            },
        )
        with client.beta.agents.sessions.events.stream(session.id) as stream:
            with Executor(tmp_path, session.environment):
                until(stream, IDLE)
                first = told()
                assert "\nRun the tests with make check.\n" in first
                assert f"\n- pdf: Fills in forms. ({skill})\n" in first and "The body" not in first
                assert first.endswith("\n\nAnswer in one word.")
                (workspace / "AGENTS.md").write_text("Run the tests with make test.\n")
                post(client, session.id, message("again"))
                until(stream, IDLE)
                second = told()
                assert second == first.replace("make check", "make test")
            until(stream, DISCONNECTED)
            # Another executor on the same files: the model is told the same.
            with Executor(tmp_path, session.environment):
                until(stream, CONNECTED)
                post(client, session.id, message("still there?"))
                until(stream, IDLE)
            assert told() == second and len(upstream.asked) == 3
        assert client.beta.agents.sessions.retrieve(session.id).agent.instructions == "Answer in one word."
        assert server.stop() == 0
