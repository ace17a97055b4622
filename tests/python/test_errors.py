"""Bad input: an error of one shape, never a panic, and nothing of it in the log."""
import json
import socket

import openai
import pytest

from conversation import LOOKUP, begin, message, settings
from server import BETA, KEY

SHAPE = {"message", "type", "code", "param"}


def refused(server, method, path, body, status=400, headers=None):
    got, answer_headers, text = server.request(method, path, body, headers)
    error = json.loads(text)["error"]
    assert got == status, error
    assert set(error) == SHAPE and isinstance(error["message"], str) and error["message"]
    assert answer_headers["x-request-id"].startswith("req_")
    return error


def without(field):
    body = settings("hello")
    del body[field]
    return body


# What is wrong, the body, and the parameter at fault where one is.
CREATIONS = [
    ("no environment", without("environment"), "environment"),
    ("no input", without("input"), None),
    ("no agent", without("agent"), None),
    ("no model", {**settings("hello"), "agent": {"instructions": "x"}}, None),
    ("empty input", settings(""), None),
    ("empty messages", settings([]), None),
    ("unknown field", {**settings("hello"), "colour": "blue"}, "colour"),
    ("unknown field of the agent", {**settings("hello"), "agent": {"model": "scripted", "colour": 1}}, "agent.colour"),
    ("wrong type", {**settings("hello"), "stream": "yes"}, "stream"),
    ("wrong type of the agent", {**settings("hello"), "agent": {"model": 7}}, "agent.model"),
    ("number out of range", {**settings("hello"), "agent": {
        "model": "scripted", "multi_agent": {"enabled": True, "max_concurrent_subagents": 0}}},
        "agent.multi_agent.max_concurrent_subagents"),
    ("unknown effort", {**settings("hello"), "agent": {"model": "scripted", "reasoning": {"effort": "huge"}}}, "agent.reasoning.effort"),
    ("unknown environment", {**settings("hello"), "environment": {"type": "moon"}}, None),
    ("another environment", {**settings("hello"), "environment": {"type": "aws_bedrock_agentcore"}}, "environment.type"),
    ("17 pairs of metadata", settings("hello", metadata={str(n): "x" for n in range(17)}), "metadata"),
    ("a long key", settings("hello", metadata={"k" * 65: "x"}), None),
    ("a long value", settings("hello", metadata={"k": "x" * 513}), "metadata.k"),
    ("two tools of one name", settings("hello", tools=[LOOKUP, LOOKUP]), None),
    ("a negative limit", {**settings("hello"), "spend_control": {"limit": -1}}, None),
    ("too many tools", settings("hello", tools=[{**LOOKUP, "description": "x" * (3 << 20)}]), None),
]


@pytest.mark.parametrize("body, param", [case[1:] for case in CREATIONS], ids=[case[0] for case in CREATIONS])
def test_bad_creations(server, body, param):
    error = refused(server, "POST", "/v1/agents/sessions", body)
    assert error["type"] == "invalid_request_error"
    if param:
        assert error["param"] == param, error


def test_the_originals_words(server):
    create = ("POST", "/v1/agents/sessions")
    assert refused(server, *create, without("environment"))["message"] == "Missing required parameter: 'environment'."
    assert refused(server, *create, {**settings("x"), "colour": 1})["message"] == "Unknown parameter: 'colour'."
    assert refused(server, *create, {**settings("x"), "stream": "yes"})["message"].startswith(
        "Invalid type for 'stream': expected a boolean, but got ")
    assert refused(server, *create, settings("x", tools=[LOOKUP, LOOKUP]))["message"] == "duplicate function tool name: lookup"


@pytest.mark.parametrize("raw", [
    b"", b"{", b"nonsense", b'"text"', b"7", b"null", b'{"a": 1, "a": 2}', b'{"input": "\xff\xfe"}', b"[" * 100_000,
    b'{"input": ' + b"[" * 5000 + b"]" * 5000 + b"}", b'{"metadata": {"a": 1e999}}', b'{"x": ' + b"9" * 5000 + b"}",
    b'{"input": "\\ud800"}',
], ids=lambda raw: raw[:20].decode(errors="replace"))
def test_what_is_no_request_at_all(server, raw):
    refused(server, "POST", "/v1/agents/sessions", raw)


def test_a_body_of_another_type(server):
    refused(server, "POST", "/v1/agents/sessions", b"a=b", headers={"Content-Type": "application/x-www-form-urlencoded"})


def test_a_body_has_a_size(server):
    """64 MiB; it may be refused before it is read to its end."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        head = f"POST /v1/agents/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nOpenAI-Beta: agents=v1\r\n" \
            f"Content-Type: application/json\r\nContent-Length: {65 << 20}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(12)[9:12] in (b"400", b"413")


def test_a_body_that_breaks_off_harms_nobody(server, client):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        head = f"POST /v1/agents/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n" \
            "OpenAI-Beta: agents=v1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"input\": "
        connection.sendall(head.encode())
    assert begin(client, "still there?")


INPUTS = [
    ("null", {"events": None}, 400), ("no events", {}, 400), ("nothing", {"events": []}, 202), ("not a list", {"events": {}}, 400),
    ("input as text", {"events": [{"type": "agent.session.input.message", "input": "hello"}]}, 400),
    ("unknown type", {"events": [{"type": "agent.session.input.dance"}]}, 400), ("no type", {"events": [{}]}, 400),
    ("another role", {"events": [{"type": "agent.session.input.message", "input": [{"role": "system", "content": []}]}]}, 400),
    ("no text", {"events": [message("")]}, 400), ("blank text", {"events": [message(" ")]}, 202),
    ("no content", {"events": [{"type": "agent.session.input.message", "input": [{"role": "user", "content": []}]}]}, 400),
    ("empty message type", {"events": [{"type": "agent.session.input.message", "input": [
        {"type": "", "role": "user", "content": [{"type": "input_text", "text": "x"}]}]}]}, 400),
    ("no call", {"events": [{"type": "agent.session.input.tool_result"}]}, 400),
]


@pytest.mark.parametrize("body, status", [case[1:] for case in INPUTS], ids=[case[0] for case in INPUTS])
def test_inputs(server, client, body, status):
    session, _ = begin(client, "hello")
    path = f"/v1/agents/sessions/{session}/events"
    if status == 202:
        got, _, text = server.request("POST", path, body)
        assert (got, text) == (202, b"")
    else:
        refused(server, "POST", path, body, status)


def test_a_model_that_nobody_answers(client):
    with pytest.raises(openai.NotFoundError) as missing:
        client.beta.agents.sessions.create(**settings("hello", model="gpt-nobody"))
    assert missing.value.code == "model_not_found"
    # A saved agent may name any; its sessions are what fails.
    agent = client.beta.agents.create(model="gpt-nobody")
    with pytest.raises(openai.NotFoundError) as missing:
        client.beta.agents.sessions.create(agent_id=agent.id, environment={"type": "none"}, input="x")
    assert missing.value.code == "model_not_found"


@pytest.mark.parametrize("tool", [
    {"type": "web_search"}, {"type": "computer_use"}, {"type": "automations"},
], ids=lambda tool: tool["type"])
def test_a_tool_that_is_not_served_is_named(client, tool):
    assert client.beta.agents.create(model="scripted", tools=[tool])
    with pytest.raises(openai.BadRequestError) as error:
        client.beta.agents.sessions.create(**settings("hello", tools=[tool]))
    assert tool["type"] in error.value.body["message"]


def test_a_session_local_agent_is_not_to_be_used_again(client):
    session = client.beta.agents.sessions.create(**settings("hello"))
    with pytest.raises(openai.BadRequestError) as error:
        client.beta.agents.sessions.create(agent_id=session.agent.id, environment={"type": "none"}, input="x")
    assert error.value.code == "agent_not_persisted"


def test_the_beta_header_is_needed(server):
    for headers in ({"OpenAI-Beta": None}, {"OpenAI-Beta": "agents=v2"}):
        error = refused(server, "GET", "/v1/agents", None, headers={**BETA, **headers})
        assert error["code"] == "invalid_beta"
        assert error["message"] == "To access the Agents API, set the 'OpenAI-Beta' header to 'agents=v1'."


@pytest.mark.parametrize("path", ["/v1/agents/nothing", "/v1/agents/sessions/x", "/v1/agents/sessions/%00", "/v1/" + "a" * 3000])
def test_missing_things(server, path):
    assert refused(server, "GET", path, None, 404)["type"]
