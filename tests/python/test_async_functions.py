"""Functions that the model does not wait for: the turn goes on, and what came of the call is told when it comes. And
functions that it waits for: several at once, and images as results."""
import openai
import pytest

from conversation import (
    IDLE, TURN_ENDS, begin, calls, failure, function, items, message, messages, of_type, post, result, settle, turns, until,
)
from server import CONFIG, Server

LATER = {**function("later"), "async": True}
LOOK = function("look")


def requires_action(events):
    return of_type(events, "requires_action")


def test_the_turn_goes_on_without_the_result(client):
    session, events = begin(client, 'call later {"n":1}\nsay meanwhile', tools=[LATER])
    (call,) = calls(events)
    with client.beta.agents.sessions.events.stream(session) as stream:
        while ("assistant", "meanwhile") not in messages(client, session):
            until(stream, "agent.session.turn.item.done")
        found = client.beta.agents.sessions.retrieve(session)
        assert found.status == "requires_action"
        assert [action.call_id for action in found.required_actions] == [call.call_id]
        post(client, session, result(call, output="five"))
        until(stream, IDLE)
    said = messages(client, session)
    assert said[-1] == ("assistant", f"echo: The result of call {call.call_id} (later):\nfive")
    # Said on the way to the answer, and the answer.
    phases = [item.phase for item in items(client, session) if item.type == "message" and item.role == "assistant"]
    assert phases == ["commentary", "final_answer"]
    (output,) = [item for item in items(client, session) if item.type == "function_call_output"]
    assert (output.call_id, output.output) == (call.call_id, "five")
    assert len(turns(client, session)) == 1


def test_results_in_any_order_and_failures(client):
    script = 'call later {"n":1} & call later {"n":2}\nsay meanwhile'
    session, events = begin(client, script, tools=[LATER])
    one, two = calls(events)
    with client.beta.agents.sessions.events.stream(session) as stream:
        post(client, session, failure(two, "no luck"))
        post(client, session, failure(two, "no luck"))
        post(client, session, result(one, output="five"))
        until(stream, IDLE)
    said = [text for who, text in messages(client, session) if who == "assistant"]
    assert "meanwhile" in said
    assert said[-1].startswith("echo: The result of call ")
    kinds = [item.type for item in items(client, session) if item.type.startswith("function_call")]
    assert sorted(kinds) == ["function_call"] * 2 + ["function_call_output"] * 2


def test_cancelled_without_the_result(client):
    session, events = begin(client, 'call later {"n":1}\nsay meanwhile', tools=[LATER])
    (call,) = calls(events)
    with client.beta.agents.sessions.events.stream(session) as stream:
        post(client, session, {"type": "agent.session.input.cancel"})
        ended = until(stream, *TURN_ENDS)
    assert ended[-1].type == "agent.session.turn.cancelled"
    with client.beta.agents.sessions.events.stream(session) as stream:
        post(client, session, message("again"))
        until(stream, IDLE)
    assert messages(client, session)[-1] == ("assistant", "echo: again")


def test_a_call_beside_one_that_is_waited_for(client):
    script = 'call later {"n":1} & call look {"n":2}\nsay first'
    session, events = begin(client, script, tools=[LATER, LOOK])
    later, look = calls(events)
    assert len(requires_action(events)) == 1
    with client.beta.agents.sessions.events.stream(session) as stream:
        post(client, session, result(look, output="seen"))
        while ("assistant", "first") not in messages(client, session):
            until(stream, "agent.session.turn.item.done")
        post(client, session, result(later, output="came"))
        until(stream, IDLE)
    said = f"echo: The result of call {later.call_id} (later):\ncame"
    assert messages(client, session)[-1] == ("assistant", said)


def test_calls_at_once_and_images_as_results(client):
    script = 'call look {"n":1} & call look {"n":2} & call look {"n":3}\nsay seen'
    session, events = begin(client, script, tools=[LOOK])
    one, two, three = calls(events)
    (asked,) = requires_action(events)
    assert {action.call_id for action in asked.session.required_actions} == {one.call_id, two.call_id, three.call_id}
    pixel = "data:image/png;base64,iVBORw0KGgo="
    image = [{"type": "input_text", "text": "a pixel"}, {"type": "input_image", "image_url": pixel}]
    with client.beta.agents.sessions.events.stream(session) as stream:
        post(client, session, result(three), result(one, output=image), failure(two, "blind"))
        seen = until(stream, IDLE)
    outputs = {item.call_id: item for item in items(client, session) if item.type == "function_call_output"}
    parts = outputs[one.call_id].output
    assert [part.type for part in parts] == ["input_text", "input_image"] and parts[1].image_url == pixel
    assert (outputs[two.call_id].status, outputs[two.call_id].error) == ("failed", "blind")
    assert len(of_type(seen, "turn.completed")) == 1


def test_a_caller_that_does_not_answer_fails_its_call(tmp_path):
    script = 'call look {"n":1} & call later {"n":2}\nsay end'
    with Server(tmp_path, config=CONFIG + '\n[limits]\nfunction_call_time = "2s"\n') as server:
        session, events = begin(server.client(), script, tools=[LATER, LOOK])
        called = calls(events)
        server.kill()
        server.start()
        client = server.client()
        settle(client, session, "idle")
        outputs = [item for item in items(client, session) if item.type == "function_call_output"]
        told = "the caller did not answer within 2 s"
        assert [(item.status, item.error) for item in outputs] == [("failed", told)] * 2
        assert {item.call_id for item in outputs} == {call.call_id for call in called}
        (turn,) = turns(client, session)
        assert turn.status == "completed"
        for late in (result(called[0], output="late"), failure(called[1], told)):
            with pytest.raises(openai.ConflictError):
                post(client, session, late)
