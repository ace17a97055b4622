"""Turns of a session: they remember, are steered, cancelled, fail and go on."""
import openai
import pydantic
import pytest

from conversation import (
    CANCEL, IDLE, LOOKUP, TURN_ENDS, begin, calls, items, message, messages, of_type, post, result, say, settings, settle,
    text_of, turns, until,
)
from server import Server

LONG = "slow 400 " + " ".join(f"word{n}" for n in range(400))


def test_a_turn_says_its_events_in_order(client):
    session, events = begin(client, "hello")
    kinds = [event.type.removeprefix("agent.session.") for event in events]
    without_deltas = [kind for at, kind in enumerate(kinds) if kind != "turn.output_text.delta" or kinds[at - 1] != kind]
    assert without_deltas == [
        "created", "turn.created", "turn.item.added", "in_progress", "turn.in_progress", "turn.item.added",
        "turn.content_part.added", "turn.output_text.delta", "turn.output_text.done", "turn.content_part.done",
        "turn.item.done", "turn.completed", "idle",
    ]
    ids = [event.event_id for event in events]
    assert len(set(ids)) == len(ids)
    assert events[0].session.status == "in_progress" and events[0].session.usage is None
    assert events[2].output_index is None and events[2].item.phase is None
    assert events[5].item.content == []
    said = "".join(event.delta for event in of_type(events, "turn.output_text.delta"))
    done = of_type(events, "turn.item.done")[0].item
    assert said == text_of(done) == of_type(events, "turn.output_text.done")[0].text == "echo: hello"
    assert messages(client, session) == [("user", "hello"), ("assistant", "echo: hello")]


def test_a_session_goes_on(client):
    session, _ = begin(client, "one")
    say(client, session, "two")
    say(client, session, "three")
    spoken = [("user", "one"), ("assistant", "echo: one"), ("user", "two"), ("assistant", "echo: two"),
              ("user", "three"), ("assistant", "echo: three")]
    assert messages(client, session) == spoken
    assert [turn.status for turn in turns(client, session)] == ["completed"] * 3
    for turn in turns(client, session):
        own = list(client.beta.agents.sessions.turns.items.list(turn.id, session_id=session, order="asc"))
        assert [item.role for item in own] == ["user", "assistant"]
        assert {item.turn_id for item in own} == {turn.id}


def test_the_model_sees_the_whole_conversation(tmp_path, upstream):
    config = f'[[model]]\nname = "*"\nprovider = "openai-chat"\nbase_url = "{upstream.base}"\n' \
        'upstream_model = "theirs"\napi_key_env = "UPSTREAM_KEY"\n'
    with Server(tmp_path, config, {"UPSTREAM_KEY": "sk-upstream"}) as server:
        client = server.client()
        session, _ = begin(client, "my name is Ada", model="any")
        say(client, session, "what is my name?")
        # A restart forgets nothing.
        server.kill()
        server.start()
        say(client, session, "and now?")
        assert messages(client, session)[-1] == ("assistant", "my name is Ada | what is my name? | and now?")
        found = client.beta.agents.sessions.retrieve(session)
        assert found.usage.input_tokens == 33
    assert {call["key"] for call in upstream.asked} == {"Bearer sk-upstream"}
    assert {call["body"]["model"] for call in upstream.asked} == {"theirs"}
    roles = [entry["role"] for entry in upstream.asked[-1]["body"]["messages"]]
    assert [role for role in roles if role != "system"] == ["user", "assistant", "user", "assistant", "user"]


def test_a_message_steers_a_running_turn(client):
    with client.beta.agents.sessions.create(**settings("slow 30 a b c d e f g h"), stream=True) as stream:
        seen = until(stream, "agent.session.turn.output_text.delta")
        session = seen[0].session.id
        post(client, session, message("say steered"))
        seen += until(stream, IDLE)
    assert len(of_type(seen, "turn.created")) == len(of_type(seen, "turn.completed")) == 1
    spoken = messages(client, session)
    assert [who for who in spoken if who[0] == "user"] == [("user", "slow 30 a b c d e f g h"), ("user", "say steered")]
    assert [who for who in spoken if who[0] == "assistant"] == [("assistant", "a b c d e f g h"), ("assistant", "steered")]
    assert len(turns(client, session)) == 1


def test_a_message_waits_while_a_call_does(client):
    session, seen = begin(client, 'call lookup {"n":1}\nsay first', tools=[LOOKUP])
    post(client, session, message("say second"))
    assert client.beta.agents.sessions.retrieve(session).status == "requires_action"
    with client.beta.agents.sessions.events.stream(session) as stream:
        post(client, session, result(calls(seen)[0]))
        until(stream, IDLE)
    (turn,) = turns(client, session)
    assert turn.status == "completed"
    spoken = messages(client, session)
    assert ("user", "say second") in spoken and spoken[-1] == ("assistant", "second")


def test_cancel_ends_a_running_turn(client):
    with client.beta.agents.sessions.create(**settings(LONG), stream=True) as stream:
        seen = until(stream, "agent.session.turn.output_text.delta")
        session = seen[0].session.id
        post(client, session, CANCEL)
        seen += until(stream, IDLE)
    done = of_type(seen, "turn.item.done")
    assert [event.item.status for event in done] == ["incomplete"]
    assert [event.type for event in seen if event.type in TURN_ENDS] == ["agent.session.turn.cancelled"]
    # What was cut off is not part of the conversation, and the session goes on.
    assert [who for who, _ in messages(client, session)] == ["user"]
    assert say(client, session, "say back")[-1].session.status == "idle"
    assert [turn.status for turn in turns(client, session)] == ["cancelled", "completed"]


def test_cancel_without_a_turn_does_nothing(client):
    session, _ = begin(client, "hello")
    post(client, session, CANCEL)
    assert [turn.status for turn in turns(client, session)] == ["completed"]


def test_a_model_that_fails_fails_the_turn_and_not_the_session(client):
    session, seen = begin(client, "fail 500 9")
    (failed,) = of_type(seen, "turn.failed")
    assert failed.turn.error.code == "server_error"
    assert seen[-1].type == IDLE and seen[-1].session.status == "idle"
    assert of_type(say(client, session, "say on"), "turn.completed")
    assert [turn.status for turn in turns(client, session)] == ["failed", "completed"]


def test_a_plain_message_is_echoed_whatever_became_of_a_script_before(client):
    session, _ = begin(client, "fail 500 9")
    say(client, session, "hello")
    assert messages(client, session)[-1] == ("assistant", "echo: hello")


@pytest.mark.parametrize("status, code", [
    (400, "invalid_request"), (401, "authentication_error"), (404, "resource_not_found"),
])
def test_what_another_try_cannot_help_is_not_tried_again(client, status, code):
    session, seen = begin(client, f"fail {status} 1\nsay never")
    (failed,) = of_type(seen, "turn.failed")
    assert failed.turn.error.code == code
    assert [who for who, _ in messages(client, session)] == ["user"]


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_what_another_try_may_help_is_tried_again(client, status):
    session, seen = begin(client, f"fail {status} 1\nsay after all")
    assert of_type(seen, "turn.completed") and not of_type(seen, "turn.failed")
    assert messages(client, session)[-1] == ("assistant", "after all")


def test_a_torn_answer_is_never_glued(client):
    words = " ".join(f"w{n}" for n in range(12))
    session, seen = begin(client, f"cut 4 {words}")
    assert messages(client, session)[1:] == [("assistant", words)]
    begun = [event.item.id for event in of_type(seen, "turn.item.added") if event.output_index is not None]
    ended = {event.item.id: event.item for event in of_type(seen, "turn.item.done")}
    assert sorted(begun) == sorted(ended), "every item that was begun was closed"
    assert [item.status for item in ended.values()] == ["incomplete", "completed"]
    for item in ended.values():
        said = "".join(event.delta for event in of_type(seen, "turn.output_text.delta") if event.item_id == item.id)
        if item.status == "completed":
            assert said == text_of(item) == words
        else:
            assert words.startswith(said) and said != words


def test_structured_output_is_parsed(client):
    class Answer(pydantic.BaseModel):
        answer: str
        score: int

    stream = client.beta.agents.sessions.create(
        **settings('json {"answer": "hi", "score": 7}'), output_type=Answer, stream=True
    )
    assert stream.get_final_result().output_parsed == Answer(answer="hi", score=7)


def test_the_same_creation_twice_makes_two_sessions(server):
    """The original ignores an Idempotency-Key here, and so do we."""
    ids = set()
    for _ in range(2):
        status, body = server.json("POST", "/v1/agents/sessions", settings("hello"), {"Idempotency-Key": "same"})
        assert status == 201
        ids.add(body["id"])
    assert len(ids) == 2


def test_a_key_makes_a_message_count_one_time(client):
    session, _ = begin(client, "hello")
    for _ in range(3):
        post(client, session, message("again"), idempotency_key="k-1")
    settle(client, session, "idle")
    assert len(turns(client, session)) == 2
    with pytest.raises(openai.ConflictError) as refused:
        post(client, session, message("another"), idempotency_key="k-1")
    assert refused.value.response.headers["x-should-retry"] == "false"
    post(client, session, message("again"), idempotency_key="k-2")
    settle(client, session, "idle")
    assert len(turns(client, session)) == 3


def test_a_key_has_a_length(client):
    session, _ = begin(client, "hello")
    post(client, session, message("x"), idempotency_key="k" * 256)
    with pytest.raises(openai.BadRequestError):
        post(client, session, message("x"), idempotency_key="k" * 257)


def test_several_inputs_are_taken_together_or_not_at_all(client):
    session, _ = begin(client, "hello")
    unknown = {"type": "agent.session.input.tool_result", "turn_id": "turn_x", "call_id": "call_x", "success": True}
    with pytest.raises(openai.BadRequestError):
        post(client, session, message("lost"), unknown)
    assert len(turns(client, session)) == 1
    assert len(items(client, session)) == 2
    post(client, session)  # nothing is no error


def test_update_and_delete(client):
    sessions = client.beta.agents.sessions
    session, _ = begin(client, "hello", metadata={"a": "1", "b": "2"})
    assert sessions.update(session, metadata={"c": "3"}).metadata == {"c": "3"}
    assert sessions.update(session, metadata=None).metadata == {}
    with pytest.raises(openai.BadRequestError):
        sessions.update(session)
    with sessions.events.stream(session) as stream:
        post(client, session, message(LONG))
        until(stream, "agent.session.turn.output_text.delta")
        with pytest.raises(openai.ConflictError):
            sessions.delete(session)
        post(client, session, CANCEL)
        until(stream, IDLE)
    for _ in range(2):
        assert sessions.delete(session).deleted is True
    with pytest.raises(openai.NotFoundError):
        sessions.retrieve(session)
    assert session not in [found.id for found in sessions.list(limit=100)]


def test_a_saved_agent_is_copied_at_creation(client):
    agents = client.beta.agents
    agent = agents.create(model="scripted", name="helper", instructions="Be terse.", tools=[LOOKUP])
    session = agents.sessions.create(agent_id=agent.id, environment={"type": "none"}, input="hello")
    agents.update(agent.id, instructions="Be long.")
    agents.delete(agent.id)
    found = settle(client, session.id, "idle")
    assert (found.agent.id, found.agent.name, found.agent.instructions) == (agent.id, "helper", "Be terse.")
    assert [tool.name for tool in found.agent.tools] == ["lookup"]
    with pytest.raises(openai.NotFoundError):
        agents.sessions.create(agent_id=agent.id, environment={"type": "none"}, input="hello")
