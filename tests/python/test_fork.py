"""Forks: a session that goes on where another one stood. Over HTTP, on the command line, across a kill and a restore."""
import random
import sqlite3

import pytest

from conversation import (
    CANCEL, IDLE, LOOKUP, begin, calls, items, message, messages, post, result, say, settings, settle, text_of, turns, until,
)
from server import Server
from test_resume import fold, read_until

TWO_CALLS = 'call lookup {"n":1} & call lookup {"n":2}\nsay done'


def fork(server, session, status=201, **body):
    got, answer = server.json("POST", f"/v1/agents/sessions/{session}/fork", body)
    assert got == status, answer
    return answer["id"] if status == 201 else answer["error"]


def effects(server, session):
    status, body = server.json("GET", f"/v1/agents/sessions/{session}/ledger?limit=100&order=asc")
    assert status == 200, body
    return body["data"]


def stored_bytes(server):
    """What the log takes, as SQLite counts it."""
    with sqlite3.connect(f"file:{server.data / 'outcrop.db'}?mode=ro", uri=True) as database:
        return database.execute("SELECT sum(length(data)) FROM batches").fetchone()[0]


def delete(server, session):
    assert server.json("DELETE", f"/v1/agents/sessions/{session}")[0] == 200


@pytest.fixture
def place(tmp_path):
    with Server(tmp_path / "live") as server:
        yield server


def test_the_two_share_the_past_and_go_on_apart(server, client):
    mother, _ = begin(client, "say one", metadata={"k": "v"})
    say(client, mother, "say two")
    child = fork(server, mother)
    assert child != mother
    found = client.beta.agents.sessions.retrieve(child)
    assert (found.status, found.metadata, found.usage.total_tokens) == ("idle", {"k": "v"}, 0)
    assert found.agent == client.beta.agents.sessions.retrieve(mother).agent
    assert items(client, child) == items(client, mother)
    assert [turn.id for turn in turns(client, child)] == [turn.id for turn in turns(client, mother)]
    assert [turn.status for turn in turns(client, child)] == ["completed", "completed"]

    say(client, mother, "say three")
    assert say(client, child, "say four")[-1].type == IDLE
    told = [text for _, text in messages(client, mother)]
    assert told == ["say one", "one", "say two", "two", "say three", "three"]
    assert [text for _, text in messages(client, child)] == told[:4] + ["say four", "four"]
    # Pages run across the cut.
    for order in ("asc", "desc"):
        listed = client.beta.agents.sessions.items.list(child, limit=1, order=order)
        whole = [item.id for item in items(client, child)]
        assert [item.id for item in listed] == (whole if order == "asc" else whole[::-1])
    shared, own = effects(server, child)[:2], effects(server, child)[2:]
    assert [effect["state"] for effect in shared + own] == ["committed"] * 3
    assert all(effect["session_id"] == child for effect in shared + own)
    assert child in [session.id for session in client.beta.agents.sessions.list(limit=100)]


def test_every_item_is_a_place_to_cut(server, client):
    mother, seen = begin(client, TWO_CALLS, tools=[LOOKUP])
    for call in calls(seen):
        post(client, mother, result(call))
    settle(client, mother, IDLE.rsplit(".", 1)[1])
    say(client, mother, "say more")
    whole = items(client, mother)
    assert [item.type for item in whole] == ["message"] + ["function_call"] * 2 + ["function_call_output"] * 2 + ["message"] * 3
    for number, item in enumerate(whole, 1):
        child = fork(server, mother, after_item_id=item.id)
        assert items(client, child) == whole[:number], item
        # What ended with the item has ended here too; what was still going on has not.
        ended = {6: ["completed"], 8: ["completed"] * 2, 7: ["completed", "cancelled"]}.get(number, ["cancelled"])
        assert [turn.status for turn in turns(client, child)] == ended, item
        seen = say(client, child, "say on")
        assert seen[-1].type == IDLE and text_of(items(client, child)[-1]) == "on", item


def test_a_session_that_works_or_waits_can_be_forked(server, client):
    waits, seen = begin(client, TWO_CALLS, tools=[LOOKUP])
    one, two = calls(seen)
    post(client, waits, result(one))
    child = fork(server, waits)
    found = client.beta.agents.sessions.retrieve(child)
    assert (found.status, found.required_actions) == ("idle", [])
    by_call = {effect["call_id"]: effect for effect in effects(server, child) if effect["call_id"]}
    assert by_call[one.call_id]["state"] == "committed"
    lost = by_call[two.call_id]
    assert (lost["state"], lost["error"]["message"]) == ("unknown", "outcome unknown: not carried over")
    with pytest.raises(Exception, match="closed"):
        post(client, child, result(two))
    assert say(client, child, "say on")[-1].type == IDLE
    # The other one has noticed nothing.
    post(client, waits, result(two))
    assert settle(client, waits, "idle").status == "idle"
    assert text_of(items(client, waits)[-1]) == "done"

    with client.beta.agents.sessions.create(**settings("slow 100 " + "word " * 100), stream=True) as stream:
        seen = until(stream, "agent.session.turn.output_text.delta")
        works = seen[0].session.id
        child = fork(server, works)
        assert client.beta.agents.sessions.retrieve(works).status == "in_progress"
    assert [item.role for item in items(client, child)] == ["user"]
    assert [turn.status for turn in turns(client, child)] == ["cancelled"]
    post(client, works, CANCEL)


def test_the_stream_begins_with_the_fork(server, client):
    mother, seen = begin(client, "say one")
    child = fork(server, mother)
    with server.events(child) as stream:
        post(client, child, message("say two"))
        live = read_until(stream, IDLE)
    digits = child.removeprefix("sess_")
    assert all(digits in event["event_id"] for event in live)
    first = live[0]["event_id"]
    with server.events(child, query=f"&after={first}") as stream:
        assert fold(read_until(stream, IDLE)) == fold(live[1:])
    # The record before the fork's own first one is told in the other stream; so are all before it.
    for event in seen:
        foreign = event.event_id.replace(mother.removeprefix("sess_"), digits)
        with server.events(child, query=f"&after={foreign}") as stream:
            assert (stream.status, stream.error()["code"]) == (404, "not_found_error"), foreign


def test_another_agent(server, client):
    mother, _ = begin(client, "say one", tools=[LOOKUP])
    child = fork(server, mother, agent={"model": "priced", "instructions": "Be brief.", "tools": None})
    agent = client.beta.agents.sessions.retrieve(child).agent
    assert (agent.model, agent.instructions, agent.tools) == ("priced", "Be brief.", [])
    assert client.beta.agents.sessions.retrieve(mother).agent.model == "scripted"


def test_whichever_is_deleted_the_other_stays(server, client):
    mother, _ = begin(client, "say one")
    child = fork(server, mother)
    grandchild = fork(server, child, after_item_id=items(client, child)[0].id)
    delete(server, mother)
    assert server.json("GET", f"/v1/agents/sessions/{mother}")[0] == 404
    fork(server, mother, status=404)
    assert [text for _, text in messages(client, child)] == ["say one", "one"]
    say(client, child, "say two")
    delete(server, child)
    assert [text for _, text in messages(client, grandchild)] == ["say one"]
    assert say(client, grandchild, "say three")[-1].type == IDLE


def test_nothing_is_copied(place):
    client = place.client()
    mother, _ = begin(client, "say ready")
    for number in range(50):
        say(client, mother, "say " + random.Random(number).randbytes(12_000).hex())
    before = stored_bytes(place)
    assert before > 1_000_000
    children = [fork(place, mother) for _ in range(10)]
    assert stored_bytes(place) - before < 10 * 2_000
    assert all(items(client, child) == items(client, mother) for child in children)


def test_refusals(server, client):
    mother, _ = begin(client, "say one")
    other, _ = begin(client, "say two")
    stranger, _ = server.create_key("--project", "another")
    missing = fork(server, "sess_000000000000000000000000", status=404)
    status, foreign = server.json("POST", f"/v1/agents/sessions/{mother}/fork", {}, key=stranger)
    assert status == 404
    assert foreign["error"]["message"].replace(mother, "X") == missing["message"].replace("sess_" + "0" * 24, "X")
    for item in ("msg_none", items(client, other)[0].id):
        error = fork(server, mother, status=404, after_item_id=item)
        assert error["param"] == "after_item_id" and item in error["message"]
    for body, param in [
        ({"after_item_id": 7}, "after_item_id"), ({"after_item_id": "x" * 65}, "after_item_id"),
        ({"agent": {"model": 7}}, "agent.model"), ({"input": "hello"}, "input"),
        ({"agent": {"tools": [{"type": "web_search"}]}}, "agent.tools[0]"),
    ]:
        error = fork(server, mother, status=400, **body)
        assert error["param"] == param, error
    assert fork(server, mother, status=404, agent={"model": "none"})["param"] == "agent.model"
    assert server.request("GET", f"/v1/agents/sessions/{mother}/fork")[0] in (404, 405)


def test_a_chain_of_forks(server, client):
    last, _ = begin(client, "say 0")
    for number in range(1, 40):
        last = fork(server, last)
        if number % 13 == 0:
            say(client, last, f"say {number}")
    assert [text for _, text in messages(client, last)] == [
        "say 0", "0", "say 13", "13", "say 26", "26", "say 39", "39"
    ]


def test_the_command_line(place):
    client = place.client()
    mother, _ = begin(client, "say one")
    child = place.run("session", "fork", mother).strip()
    assert messages(client, child) == messages(client, mother)
    cut = place.run("session", "fork", mother, "--after", items(client, mother)[0].id).strip()
    assert len(items(client, cut)) == 1
    for command in ("show", "ledger"):
        assert place.run("session", command, child)
    for wrong, why in ((["sess_none"], "404"), (["../x"], "no session's id"), ([mother, "--after", "msg_x"], "msg_x")):
        with pytest.raises(AssertionError, match=why):
            place.run("session", "fork", *wrong)
    place.stop()
    with pytest.raises(AssertionError, match="outcrop serve"):
        place.run("session", "fork", mother)


@pytest.mark.soak(120)
def test_across_a_kill_and_a_restore(place, tmp_path):
    client = place.client()
    mother, seen = begin(client, TWO_CALLS, tools=[LOOKUP])
    child = fork(place, mother)
    with client.beta.agents.sessions.events.stream(child) as stream:
        post(client, child, message("slow 60 " + "word " * 60))
        until(stream, "agent.session.turn.output_text.delta")
    place.kill()
    place.start()
    client = place.client()
    assert settle(client, child, "idle").status == "idle"
    assert [turn.status for turn in turns(client, child)] == ["cancelled", "completed"]
    assert [effect["state"] for effect in effects(place, child)][-1] == "committed"
    # What the other one waits for was not touched.
    assert client.beta.agents.sessions.retrieve(mother).status == "requires_action"
    grandchild = fork(place, child)
    delete(place, child)
    whole = items(client, grandchild)
    place.run("backup", str(tmp_path / "the.backup"))
    restored = Server(tmp_path / "restored")
    restored.run("restore", str(tmp_path / "the.backup"))
    with restored:
        client = restored.client()
        assert items(client, grandchild) == whole
        assert restored.json("GET", f"/v1/agents/sessions/{child}")[0] == 404
        assert say(client, grandchild, "say on")[-1].type == IDLE
        last = fork(restored, grandchild)
        assert say(client, last, "say and on")[-1].type == IDLE
        assert items(client, last)[:len(whole)] == whole
