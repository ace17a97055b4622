"""Hosted environments after a restore: a backup has what they are made of and not their disks. A session goes on with a
fresh one, and is told so."""
import pytest

from conversation import IDLE, message, of_type, post, until
from server import CONFIG, Server
from test_hosted import RESET, again, commands, create, disk, run, script, serving, shell, wait_for

pytestmark = pytest.mark.soak(120)

FILES = [{"type": "inline", "path": "/workspace/given.txt", "data": "dHdvCg=="}]


def test_a_session_goes_on_with_a_fresh_disk_and_is_told(tmp_path):
    file = tmp_path / "the.backup"
    with serving(tmp_path / "server") as server:
        client = server.client()
        session, _ = run(
            client, shell("echo mine > made.txt; mkdir outputs; echo kept > outputs/kept"),
            files=FILES, setup_commands=[{"command": "echo set up > setup.txt"}], env={"MODE": "test"},
        )
        (artifact,) = client.beta.agents.sessions.artifacts.list(session.id).data
        waiting = client.beta.agents.environments.create(environment={"type": "openai_hosted", "files": FILES})
        wait_for(lambda: client.beta.agents.environments.retrieve(waiting.id).status == "ready", "the prewarmed one")
        server.run("backup", str(file))
    restored = Server(tmp_path / "restored", CONFIG)
    restored.run("restore", str(file))
    with restored:
        client = restored.client()
        found = client.beta.agents.environments.retrieve(session.environment.id)
        assert found.status == "expired"
        # What was published is in the backup.
        content = client.beta.agents.sessions.artifacts.content(artifact.id, session_id=session.id).read()
        assert content == b"kept\n"
        with client.beta.agents.sessions.events.stream(session.id) as stream:
            post(client, session.id, message(script(shell("ls; cat setup.txt given.txt; echo $MODE"), "say done")))
            (reset,) = of_type(until(stream, IDLE), "environment.reset")
        assert (reset.type, reset.environment_id, reset.reset_count) == (RESET, session.environment.id, 1)
        assert commands(client, session)[-1].output == "given.txt\nsetup.txt\nset up\ntwo\ntest\n"
        assert client.beta.agents.environments.retrieve(session.environment.id).status == "connected"
        # And on from there as any other, told once.
        with client.beta.agents.sessions.events.stream(session.id) as stream:
            post(client, session.id, message(script(shell("echo more > more.txt; ls"), "say done")))
            assert not of_type(until(stream, IDLE), "environment.reset")
        # One that nobody had is made anew before somebody asks.
        wait_for(lambda: client.beta.agents.environments.retrieve(waiting.id).status == "ready", "the prewarmed one")
        taken = client.beta.agents.sessions.create(
            agent={"model": "scripted"}, environment={"type": "openai_hosted", "environment_id": waiting.id},
        )
        assert again(client, taken, shell("cat given.txt"))[-1].output == "two\n"
        assert restored.stop() == 0


def test_a_disk_that_somebody_took_away_is_replaced_once(tmp_path):
    with serving(tmp_path / "server", '[environments]\nsuspend_after = "100ms"\n') as server:
        client = server.client()
        session = create(client, files=FILES)
        with client.beta.agents.sessions.events.stream(session.id) as stream:
            post(client, session.id, message(script(shell("echo mine > made.txt"), "say done")))
            until(stream, "agent.session.environment.suspended")
            disk(server, session).rename(tmp_path / "taken")
            post(client, session.id, message(script(shell("ls"), "say done")))
            (reset,) = of_type(until(stream, IDLE), "environment.reset")
        assert reset.reset_count == 1
        assert commands(client, session)[-1].output == "given.txt\n"
