"""Turns of sessions with hosted environments: they wait for the setup and for nothing else, and what fails is said."""
import contextlib

import openai
import pytest

from conversation import CANCEL, message, messages, of_type, post, turns, until
from test_hosted import SUSPENDED, create, disk, serving, wait_for

WAITS = [{"command": "touch begun; while [ ! -e go ]; do sleep 0.02; done"}]
HAS_FAILED = "The session's environment has failed and cannot be used again. Create a new session."


def let_go(server, client, session):
    """Lets the setup end, until the session rests: a server that was killed begins it anew on a fresh disk."""
    def rests():
        with contextlib.suppress(OSError):
            (disk(server, session) / "go").touch()
        return client.beta.agents.sessions.retrieve(session.id).status == "idle"

    wait_for(rests, "the session")


def test_a_turn_waits_for_the_setup(server, client):
    session = create(client, "say one", setup_commands=WAITS)
    assert (session.status, session.required_actions) == ("in_progress", [])
    (turn,) = turns(client, session.id)
    assert (turn.status, turn.started_at) == ("queued", None)
    post(client, session.id, message("say two"))
    with pytest.raises(openai.ConflictError):
        client.beta.agents.sessions.delete(session.id)
    let_go(server, client, session)
    # What was said while it waited is heard with the first.
    assert [said for role, said in messages(client, session.id) if role == "user"] == ["say one", "say two"]
    (turn,) = turns(client, session.id)
    assert (turn.status, turn.started_at is None) == ("completed", False)


def test_who_waits_may_be_cancelled_and_comes_again(server, client):
    session = create(client, setup_commands=WAITS)
    assert session.status == "idle"
    post(client, session.id, message("say one"))
    assert client.beta.agents.sessions.retrieve(session.id).status == "in_progress"
    post(client, session.id, CANCEL)
    assert client.beta.agents.sessions.retrieve(session.id).status == "idle"
    post(client, session.id, message("say two"))
    let_go(server, client, session)
    assert [turn.status for turn in turns(client, session.id)] == ["cancelled", "completed"]


def test_where_the_environment_has_failed_no_turn_begins(client):
    session = create(client, setup_commands=[{"command": "exit 3"}])
    wait_for(lambda: client.beta.agents.environments.retrieve(session.environment.id).status == "failed", "the failure")
    assert client.beta.agents.sessions.retrieve(session.id).status == "idle"

    def refused():
        try:
            post(client, session.id, message("say one"))
        except openai.ConflictError as error:
            return error.body["message"]
        return None

    # Where the row says so already, the session may not have been told yet: then the turn fails at once.
    assert wait_for(refused, "a refusal") == HAS_FAILED
    assert all((turn.status, turn.error.code) == ("failed", "sandbox_error") for turn in turns(client, session.id))


@pytest.mark.soak(60)
def test_a_turn_waits_over_the_death_of_its_server(tmp_path):
    with serving(tmp_path / "server") as server:
        client = server.client()
        session = create(client, "say one", setup_commands=WAITS)
        wait_for((disk(server, session) / "begun").exists, "the setup")
        server.kill()
        server.start()
        assert client.beta.agents.sessions.retrieve(session.id).status == "in_progress"
        let_go(server, client, session)
        assert [turn.status for turn in turns(client, session.id)] == ["completed"]


@pytest.mark.soak(60)
def test_nobody_waits_for_one_that_sleeps(tmp_path):
    with serving(tmp_path / "server", '[environments]\nsuspend_after = "100ms"\n') as server:
        client = server.client()
        session = create(client)
        with client.beta.agents.sessions.events.stream(session.id) as stream:
            for word in ("one", "two"):
                post(client, session.id, message(f"say {word}"))
                seen = []
                while not of_type(seen, "turn.completed"):
                    seen += until(stream, SUSPENDED)
                assert [len(of_type(seen, name)) for name in ("in_progress", "turn.in_progress")] == [1, 1]
