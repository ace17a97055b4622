"""Keys: each opens one project, does what its scopes say, and stops when it is revoked."""
import time

import openai
import pytest

from conversation import begin, message, settings, turns

SESSION = "sess_000000000000000000000000"
AGENT = "agent_000000000000000000000000"
TURN = "turn_000000000000000000000000"


@pytest.fixture(scope="module")
def stranger(server):
    """A key of another project."""
    key, _ = server.create_key("--project", "elsewhere")
    return key


@pytest.fixture(scope="module")
def own(client):
    """A session, a turn and an agent of the default project."""
    session, _ = begin(client, "secret", metadata={"whose": "mine"})
    return session, turns(client, session)[0].id, client.beta.agents.create(model="scripted", name="mine").id


def test_lists_show_only_the_project(server, stranger, own):
    theirs = server.client(stranger)
    assert theirs.beta.agents.list().data == []
    assert theirs.beta.agents.sessions.list(metadata={"whose": "mine"}).data == []
    session, _ = begin(theirs, "hello")
    assert [entry.id for entry in theirs.beta.agents.sessions.list()] == [session]
    assert session not in [entry.id for entry in server.client().beta.agents.sessions.list(limit=100)]


REQUESTS = [
    ("GET", "/v1/agents/sessions/{session}", None),
    ("POST", "/v1/agents/sessions/{session}", {"metadata": {"a": "b"}}),
    ("DELETE", "/v1/agents/sessions/{session}", None),
    ("GET", "/v1/agents/sessions/{session}/events", None),
    ("POST", "/v1/agents/sessions/{session}/events", {"events": [message("in")]}),
    ("GET", "/v1/agents/sessions/{session}/items", None),
    ("GET", "/v1/agents/sessions/{session}/turns", None),
    ("GET", "/v1/agents/sessions/{session}/turns/{turn}", None),
    ("GET", "/v1/agents/sessions/{session}/turns/{turn}/items", None),
    ("GET", "/v1/agents/sessions/{session}/subagents", None),
    ("GET", "/v1/agents/sessions/{session}/artifacts", None),
    ("GET", "/v1/agents/sessions?after={session}", None),
    ("GET", "/v1/agents?after={agent}", None),
    ("GET", "/v1/agents/{agent}", None),
    ("POST", "/v1/agents/{agent}", {"name": "taken"}),
    ("DELETE", "/v1/agents/{agent}", None),
    ("POST", "/v1/agents/sessions", {"agent_id": "{agent}", "environment": {"type": "none"}, "input": "hello"}),
]
# What may differ between two answers to the same question.
OF_THE_MOMENT = {"x-request-id", "openai-processing-ms", "date"}


def fill(value, names):
    if isinstance(value, str):
        return value.format(**names) if "{" in value else value
    if isinstance(value, dict):
        return {key: fill(entry, names) for key, entry in value.items()}
    return [fill(entry, names) for entry in value] if isinstance(value, list) else value


@pytest.mark.parametrize("method, path, body", REQUESTS, ids=[f"{method} {path}" for method, path, _ in REQUESTS])
def test_foreign_and_missing_are_the_same(server, stranger, own, method, path, body):
    answers = []
    for session, turn, agent in (own, (SESSION, TURN, AGENT)):
        names = {"session": session, "turn": turn, "agent": agent}
        status, headers, text = server.request(method, fill(path, names), fill(body, names), key=stranger)
        for identity in names.values():
            text = text.replace(identity.encode(), b"ID")
        answers.append((status, {k: v for k, v in headers.items() if k not in OF_THE_MOMENT | {"content-length"}}, text))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


def test_nothing_was_changed_from_outside(server, own):
    session, _, agent = own
    found = server.client().beta.agents.sessions.retrieve(session)
    assert found.metadata == {"whose": "mine"}
    assert server.client().beta.agents.retrieve(agent).name == "mine"


def test_a_key_does_what_its_scopes_say(server, client, own):
    key, _ = server.create_key("--scopes", "api.agents.read")
    reader = server.client(key)
    session, _, agent = own
    assert reader.beta.agents.sessions.retrieve(session).id == session
    assert reader.beta.agents.retrieve(agent).id == agent
    writes = [
        lambda: reader.beta.agents.create(model="scripted"),
        lambda: reader.beta.agents.delete(agent),
        lambda: reader.beta.agents.sessions.create(**settings("hello")),
        lambda: reader.beta.agents.sessions.update(session, metadata={}),
        lambda: reader.beta.agents.sessions.delete(session),
        lambda: reader.beta.agents.sessions.events.create(session, events=[message("in")]),
    ]
    for write in writes:
        with pytest.raises(openai.PermissionDeniedError) as refused:
            write()
        assert refused.value.code == "forbidden"
    assert len(turns(client, session)) == 1
    writer = server.client(server.create_key("--scopes", "api.agents.read,api.agents.write")[0])
    assert begin(writer, "hello")


def test_a_revoked_key_stops_working(server):
    key, identity = server.create_key()
    client = server.client(key)
    assert client.beta.agents.list(limit=1)
    server.run("key", "revoke", identity)
    revoked = time.monotonic()
    while True:
        try:
            client.beta.agents.list(limit=1)
        except openai.AuthenticationError:
            break
        # A second was promised; the rest is for a busy machine.
        assert time.monotonic() - revoked < 3, "the key still works"
        time.sleep(0.05)


@pytest.mark.parametrize("headers", [
    {"Authorization": None}, {"Authorization": "Bearer sk-wrong"}, {"Authorization": "Basic c2s6"}, {"Authorization": "Bearer "},
])
def test_without_a_key_there_is_nothing(server, headers):
    status, body = server.json("GET", "/v1/agents", headers=headers)
    assert status == 401
    assert body["error"]["type"] == "invalid_request_error"
