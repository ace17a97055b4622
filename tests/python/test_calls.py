"""Function calls: asked for by the model, answered by the client, in any order, each one time."""
import itertools

import openai
import pytest

from conversation import (
    CANCEL, IDLE, LOOKUP, begin, calls, failure, function, items, messages, of_type, post, result, say, settle, turns, until,
)

TWO = 'call lookup {"n":1} & call lookup {"n":2}\nsay both'
THREE = 'call lookup {"n":1} & call lookup {"n":2} & call other {"n":3}\nsay all'
TOOLS = [LOOKUP, function("other")]


def retries(error):
    """How often the SDK asked again before it raised this."""
    return int(error.response.request.headers["x-stainless-retry-count"])


def test_the_sdk_runs_the_loop(client):
    asked = []
    stream = client.beta.agents.sessions.create(
        agent={"model": "scripted", "tools": TOOLS}, environment={"type": "none"}, stream=True,
        input='call lookup {"n":1}\ncall other {"n":2}\nsay done',
        tool_handlers={"lookup": lambda a: asked.append(("lookup", a)) or "1", "other": lambda a: asked.append(("other", a)) or "2"},
    )
    assert stream.get_final_result().output_text == "done"
    assert asked == [("lookup", {"n": 1}), ("other", {"n": 2})]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_calls_are_answered_in_any_order(client, order):
    session, seen = begin(client, THREE, tools=TOOLS)
    waiting = calls(seen)
    assert [call.arguments for call in waiting] == [{"n": 1}, {"n": 2}, {"n": 3}]
    required = client.beta.agents.sessions.retrieve(session).required_actions
    assert {action.call_id for action in required} == {call.call_id for call in waiting}
    with client.beta.agents.sessions.events.stream(session) as stream:
        for at, index in enumerate(order):
            post(client, session, result(waiting[index], f"out {index}"))
            if at < 2:
                found = client.beta.agents.sessions.retrieve(session)
                assert found.status == "requires_action"
                assert len(found.required_actions) == 2 - at
        rest = until(stream, IDLE)
    # One in_progress for the session when all are answered, and no second one for the turn.
    assert len(of_type(rest, "in_progress")) == 1 and not of_type(rest, "turn.in_progress")
    listed = items(client, session)
    asked = [item.call_id for item in listed if item.type == "function_call"]
    answered = {item.call_id: item.output for item in listed if item.type == "function_call_output"}
    assert answered == {asked[index]: f"out {index}" for index in range(3)}
    assert messages(client, session)[-1] == ("assistant", "all")
    assert {item.status for item in listed if item.type.startswith("function_call")} == {"completed"}


def test_events_of_a_call_come_in_order(client):
    session, seen = begin(client, 'call lookup {"n":1}\nsay done', tools=TOOLS)
    assert [event.type.removeprefix("agent.session.") for event in seen[5:]] == [
        "turn.item.added", "turn.item.done", "requires_action",
    ]
    assert seen[-1].session.status == "requires_action"
    (turn,) = turns(client, session)
    assert turn.status == "waiting"
    with client.beta.agents.sessions.events.stream(session) as stream:
        post(client, session, result(calls(seen)[0]))
        rest = until(stream, IDLE)
    kinds = [event.type.removeprefix("agent.session.") for event in rest]
    assert kinds[:2] == ["turn.item.added", "in_progress"]
    assert rest[0].item.type == "function_call_output" and rest[0].output_index is None
    assert kinds[-2:] == ["turn.completed", "idle"]


def test_a_call_can_fail(client):
    session, seen = begin(client, TWO, tools=TOOLS)
    first, second = calls(seen)
    post(client, session, failure(first, "no such customer"))
    post(client, session, result(second, [{"type": "input_text", "text": "part"}]))
    settle(client, session, "idle")
    outputs = [item for item in items(client, session) if item.type == "function_call_output"]
    assert outputs[0].error == "no such customer" and outputs[0].output is None
    assert outputs[1].error is None and [part.text for part in outputs[1].output] == ["part"]
    assert messages(client, session)[-1] == ("assistant", "both")


def test_the_same_result_again_is_accepted_another_is_not(client):
    session, seen = begin(client, TWO, tools=TOOLS)
    first, second = calls(seen)
    for _ in range(3):
        post(client, session, result(first, "1"))
    with pytest.raises(openai.ConflictError) as refused:
        post(client.with_options(max_retries=2), session, result(first, "one"))
    assert refused.value.code == "conflict_error"
    assert refused.value.response.headers["x-should-retry"] == "false" and retries(refused.value) == 0
    post(client, session, result(second, "2"))
    settle(client, session, "idle")
    # After the end too.
    post(client, session, result(first, "1"))
    with pytest.raises(openai.ConflictError):
        post(client, session, result(first, "one"))
    assert len([item for item in items(client, session) if item.type == "function_call_output"]) == 2


def test_results_for_unknown_calls_are_refused(client):
    session, seen = begin(client, TWO, tools=TOOLS)
    call = calls(seen)[0]
    with pytest.raises(openai.BadRequestError) as unknown:
        post(client, session, {**result(call), "call_id": "call_never"})
    assert unknown.value.body["message"] == "Unknown pending tool call: call_never"
    assert unknown.value.code == "invalid_request_error"
    with pytest.raises(openai.BadRequestError) as elsewhere:
        post(client, session, {**result(call), "turn_id": "turn_000000000000000000000000"})
    assert elsewhere.value.body["message"] != f"Unknown pending tool call: {call.call_id}"
    assert client.beta.agents.sessions.retrieve(session).status == "requires_action"


def test_cancel_closes_waiting_calls(client):
    session, seen = begin(client, TWO, tools=TOOLS)
    first, second = calls(seen)
    post(client, session, result(first, "1"))
    with client.beta.agents.sessions.events.stream(session) as stream:
        post(client, session, CANCEL)
        ended = until(stream, IDLE)
    assert not of_type(ended, "in_progress"), "a cancelled turn that waited does not run again"
    assert of_type(ended, "turn.cancelled") and ended[-1].session.required_actions == []
    with pytest.raises(openai.ConflictError) as late:
        post(client.with_options(max_retries=2), session, result(second, "late"))
    assert late.value.code == "conflict_error"
    assert late.value.response.headers["x-should-retry"] == "false" and retries(late.value) == 0
    # The transcript stays valid: the next turn runs on it.
    assert of_type(say(client, session, "say on"), "turn.completed")
    assert messages(client, session)[-1] == ("assistant", "on")
