"""The ledger: every effect of a session with its class, its state and its tries; over HTTP and on the command line."""
import json

import pytest

from conversation import CANCEL, LOOKUP, begin, calls, failure, post, result, say, settings, settle, turns

TWO_CALLS = 'call lookup {"n":1} & call lookup {"n":2}\nsay done'


def ledger(server, session, query="?limit=100&order=asc", **more):
    status, body = server.json("GET", f"/v1/agents/sessions/{session}/ledger{query}", **more)
    assert status == 200, body
    assert body["object"] == "list"
    ids = [effect["id"] for effect in body["data"]]
    assert [body["first_id"], body["last_id"]] == ([ids[0], ids[-1]] if ids else [None, None])
    return body


def effects(server, session):
    return ledger(server, session)["data"]


@pytest.fixture(scope="module")
def talked(server, client):
    """Two turns: two calls of which one failed, then a call that was never answered."""
    session, seen = begin(client, TWO_CALLS, tools=[LOOKUP])
    one, two = calls(seen)
    post(client, session, result(one))
    post(client, session, failure(two, "no such number"))
    settle(client, session, "idle")
    say(client, session, 'call lookup {"n":3}')
    post(client, session, CANCEL)
    settle(client, session, "idle")
    return session, (one, two)


def test_every_effect_is_there(server, client, talked):
    session, (one, two) = talked
    found = effects(server, session)
    digits = session.removeprefix("sess_")
    # The call that would have followed the first turn's answer was never made; its number is left out.
    assert [effect["id"] for effect in found] == [f"eff_{digits}_{n}" for n in (1, 2, 3, 4, 6, 7)]
    assert [(effect["kind"], effect["class"], effect["state"]) for effect in found] == [
        ("model_call", "repeatable", "committed"),
        ("function_call", "external", "committed"),
        ("function_call", "external", "failed"),
        ("model_call", "repeatable", "committed"),
        ("model_call", "repeatable", "committed"),
        ("function_call", "external", "unknown"),
    ]
    first, second = turns(client, session)
    assert [effect["turn_id"] for effect in found] == [first.id] * 4 + [second.id] * 2
    assert all(effect["object"] == "agent.session.effect" and effect["session_id"] == session for effect in found)
    assert all(effect["intended_at"] <= effect["ended_at"] and not effect["diverged"] for effect in found)
    assert [(call["call_id"], call["item_id"], call["name"]) for call in found[1:3]] == [
        (call.call_id, call.id, "lookup") for call in (one, two)
    ]
    assert found[2]["error"] == {"code": "call_failed", "message": "no such number"}
    assert found[5]["error"]["message"].startswith("outcome unknown:")
    assert found[1]["error"] is None and found[1]["attempts"] == []
    (attempt,) = found[0]["attempts"]
    assert (attempt["number"], attempt["model"], attempt["state"], attempt["verdict"]) == (1, "scripted", "committed", "permit")
    assert attempt["usage"]["output_tokens"] > 0 and attempt["charged"] == 0


def test_pages(server, talked):
    session, _ = talked
    whole = [effect["id"] for effect in effects(server, session)]
    for order, expected in (("asc", whole), ("desc", whole[::-1])):
        for limit in (1, 2, 4, 6, 100):
            seen, after = [], ""
            while True:
                page = ledger(server, session, f"?order={order}&limit={limit}{after}")
                seen += [effect["id"] for effect in page["data"]]
                if not page["has_more"]:
                    break
                after = f"&after={page['last_id']}"
            assert seen == expected, (order, limit)
    # Newest first is the default, as in every list.
    assert [effect["id"] for effect in ledger(server, session, "")["data"]] == whole[::-1]
    for limit in (0, 101):
        assert server.json("GET", f"/v1/agents/sessions/{session}/ledger?limit={limit}")[0] == 400


def test_many_turns_are_paged_by_halving(server, client):
    session, _ = begin(client, "turn 0")
    for n in range(1, 30):
        say(client, session, f"turn {n}")
    whole = [effect["id"] for effect in effects(server, session)]
    assert len(whole) == 30
    for place, effect in enumerate(whole):
        page = ledger(server, session, f"?order=asc&limit=3&after={effect}")
        assert [found["id"] for found in page["data"]] == whole[place + 1:place + 4]
        page = ledger(server, session, f"?limit=2&after={effect}")
        assert [found["id"] for found in page["data"]] == whole[max(place - 2, 0):place][::-1]


def test_what_is_not_there(server, talked):
    session, _ = talked
    digits = session.removeprefix("sess_")
    for after in ("nothing", f"eff_{digits}_5", f"eff_{digits}_8", f"eff_{digits}_0", f"eff_{digits}_01", f"eff_{'0' * 24}_1", "eff_"):
        status, body = server.json("GET", f"/v1/agents/sessions/{session}/ledger?after={after}")
        assert (status, body["error"]["code"]) == (404, "not_found_error"), after
    missing = server.json("GET", "/v1/agents/sessions/sess_000000000000000000000000/ledger")
    key, _ = server.create_key("--project", "elsewhere")
    foreign = server.json("GET", f"/v1/agents/sessions/{session}/ledger", key=key)
    assert missing[0] == foreign[0] == 404
    assert json.dumps(foreign[1]).replace(session, "X") == json.dumps(missing[1]).replace("sess_" + "0" * 24, "X")


def test_tries_and_their_money(server, client):
    session, _ = begin(client, "fail 503\nsay well", model="priced")
    (effect,) = effects(server, session)
    assert effect["state"] == "committed" and effect["name"] == "priced"
    failed, good = effect["attempts"]
    assert (failed["state"], failed["error"]["code"], failed["usage"]) == ("abandoned", "overloaded", None)
    assert good["state"] == "committed" and good["charged"] > 0
    spent = client.beta.agents.sessions.retrieve(session).spend_control.consumed
    assert spent == int(failed["charged"] + good["charged"]), "US cents, as the session shows them"


def test_what_the_gate_refused(server, client):
    session = client.beta.agents.sessions.create(**settings("hello", model="priced", spend_control={"limit": 1})).id
    settle(client, session, "budget_reached")
    # Without money for its reservation nothing was ever intended.
    assert effects(server, session) == []


def test_what_is_open(server, client):
    session, _ = begin(client, 'call lookup {"n":1}\nsay done', tools=[LOOKUP])
    model, call = effects(server, session)
    assert (model["state"], call["state"], call["ended_at"]) == ("committed", "waiting", None)


def test_the_command_line_says_the_same(server, talked):
    session, _ = talked
    lines = server.run("session", "ledger", session, "--json").splitlines()
    assert [json.loads(line) for line in lines] == effects(server, session)
    text = server.run("session", "ledger", session)
    for effect in effects(server, session):
        assert effect["id"] in text
    assert "outcome unknown:" in text and "no such number" in text and "attempt 1 committed on scripted" in text
