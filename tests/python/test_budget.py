"""A spending limit is kept before the money is gone, and raising it lets the session go on."""
import openai
import pytest

from conversation import IDLE, begin, of_type, post, message, say, turns


def test_a_limit_stops_the_session_until_it_is_raised(client):
    sessions = client.beta.agents.sessions
    with sessions.create(
        agent={"model": "priced"}, environment={"type": "none"}, input="hello", spend_control={"limit": 1}, stream=True
    ) as stream:
        seen = []
        for event in stream:
            seen.append(event)
            if event.type == "agent.session.budget_reached":
                break
    session = seen[0].session.id
    kinds = [event.type.removeprefix("agent.session.") for event in seen]
    assert kinds[-2:] == ["turn.failed", "budget_reached"]
    assert seen[-2].turn.error.code == "session_budget_exceeded"
    found = sessions.retrieve(session)
    assert found.status == "budget_reached" and found.spend_control.limit == 1
    with pytest.raises(openai.ConflictError) as refused:
        post(client, session, message("again"))
    assert refused.value.response.headers["x-should-retry"] == "false"

    assert sessions.update(session, spend_control={"limit": 2_000_000_000}).status == "idle"
    assert of_type(say(client, session, "again"), "turn.completed")
    found = sessions.retrieve(session)
    assert found.status == "idle" and 0 < found.spend_control.consumed <= 2_000_000_000
    assert [turn.status for turn in turns(client, session)] == ["failed", "completed"]


def test_without_a_limit_nothing_is_held_back(client):
    session, seen = begin(client, "hello", model="priced")
    assert seen[-1].type == IDLE
    control = client.beta.agents.sessions.retrieve(session).spend_control
    assert control.limit is None and control.consumed > 0


def test_money_spent_counts_for_later_turns(client):
    """The first turn fits, and what it left does not hold another."""
    sessions = client.beta.agents.sessions
    session, _ = begin(client, "hello", model="priced")
    spent = sessions.retrieve(session).spend_control.consumed
    sessions.update(session, spend_control={"limit": spent})
    seen = say(client, session, "more")
    assert seen[-1].type == "agent.session.budget_reached"
    assert sessions.retrieve(session).spend_control.consumed == spent
