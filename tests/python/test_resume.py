"""A stream that broke off is taken up at the event that was read last: no gap, no repeat."""
import pytest

from conversation import CANCEL, IDLE, LOOKUP, begin, message, post, settings
from server import RawStream

SCRIPT = 'call lookup {"n":1} & call lookup {"n":2}\nslow 6 an answer that takes its time to be said'


def fold(events):
    """What a reader knows after these events: deltas of one item are one text, however they were cut."""
    told = []
    for event in events:
        kind = event["type"].removeprefix("agent.session.")
        if kind.endswith(".delta"):
            if told and told[-1][:2] == [kind, event["item_id"]]:
                told[-1][2] += event["delta"]
            else:
                told.append([kind, event["item_id"], event["delta"]])
        elif "item" in event:
            told.append([kind, event["item"], event["output_index"]])
        elif "turn" in event:
            told.append([kind, event["turn"]["id"], event["turn"]["status"]])
        elif "session" in event:
            told.append([kind, event["session"]["status"], event["session"]["required_actions"]])
        else:
            told.append([kind, {k: v for k, v in event.items() if k not in ("event_id", "obfuscation")}])
    return told


def ids(events):
    return [event["event_id"] for event in events]


def read_until(stream, kind):
    seen = []
    for event in stream:
        seen.append(event)
        if event["type"] == kind:
            return seen
    raise AssertionError(f"the stream ended without {kind}")


def answer(server, event):
    body = {
        "type": "agent.session.input.tool_result", "turn_id": event["turn_id"], "call_id": event["item"]["call_id"],
        "success": True, "output": "ok",
    }
    assert server.request("POST", f"/v1/agents/sessions/{event['session_id']}/events", {"events": [body]})[0] == 202


@pytest.fixture(scope="module")
def recorded(server):
    """All events of a session with one turn: two calls and a text."""
    body = settings(SCRIPT, tools=[LOOKUP], stream=True, stream_options={"include_obfuscation": False})
    seen = []
    with RawStream(server.port, "POST", "/v1/agents/sessions", body) as stream:
        for event in stream:
            seen.append(event)
            if event["type"].endswith("item.added") and event["item"]["type"] == "function_call":
                answer(server, event)
    assert seen[-1]["type"] == IDLE
    return seen[0]["session"]["id"], seen


def test_events_are_different_positions(recorded):
    _, seen = recorded
    assert len(set(ids(seen))) == len(seen)
    assert len([event for event in seen if event["type"].endswith("output_text.delta")]) > 2


@pytest.mark.parametrize("how", ["query", "header"])
def test_resume_at_every_event(server, recorded, how):
    session, seen = recorded
    whole = fold(seen)
    for k, last in enumerate(ids(seen)[:-1]):
        asked = {"query": f"&after={last}"} if how == "query" else {"headers": {"Last-Event-ID": last}}
        with server.events(session, **asked) as stream:
            rest = read_until(stream, IDLE)
        assert not set(ids(seen[: k + 1])) & set(ids(rest)), f"repeated after event {k}"
        assert len(set(ids(rest))) == len(rest)
        assert fold(seen[: k + 1] + rest) == whole, f"resumed after event {k}, {seen[k]['type']}"


def test_resume_twice(server, recorded):
    """A reader that breaks off again in what it resumed loses nothing either."""
    session, seen = recorded
    whole = fold(seen)
    for k in range(0, len(seen) - 1, 3):
        with server.events(session, query=f"&after={seen[k]['event_id']}") as stream:
            once = read_until(stream, IDLE)
        for cut in range(0, len(once) - 1, 2):
            with server.events(session, query=f"&after={once[cut]['event_id']}") as stream:
                twice = read_until(stream, IDLE)
            assert fold(seen[: k + 1] + once[: cut + 1] + twice) == whole


def test_resume_after_the_last_event_is_live(server, client):
    session, events = begin(client, "hello")
    with server.events(session, query=f"&after={events[-1].event_id}") as stream:
        post(client, session, message("more"))
        rest = read_until(stream, IDLE)
    assert rest[0]["type"] == "agent.session.turn.created"
    assert len([event for event in rest if event["type"] == "agent.session.turn.completed"]) == 1


def test_resume_while_the_model_speaks(server, client):
    """A second reader, that begins in the middle of a text, ends up with the same text."""
    text = " ".join(f"word{n}" for n in range(40))
    body = settings(f"slow 40 {text}", stream=True, stream_options={"include_obfuscation": False})
    with RawStream(server.port, "POST", "/v1/agents/sessions", body) as stream:
        seen = read_until(stream, "agent.session.turn.output_text.delta")
        with server.events(seen[0]["session"]["id"], query=f"&after={seen[-1]['event_id']}") as second:
            there = read_until(second, IDLE)
        here = seen + read_until(stream, IDLE)
    assert fold(here) == fold(seen + there)
    said = "".join(event["delta"] for event in here if event["type"].endswith("output_text.delta"))
    assert said == text


def test_resume_in_a_text_that_was_thrown_away(server, client):
    """The reader is told that what it has will never be finished."""
    body = settings("cut 8 " + " ".join("abcdefghijkl"), stream=True, stream_options={"include_obfuscation": False})
    with RawStream(server.port, "POST", "/v1/agents/sessions", body) as stream:
        seen = read_until(stream, IDLE)
    deltas = [event for event in seen if event["type"].endswith("output_text.delta")]
    torn = deltas[0]
    with server.events(seen[0]["session"]["id"], query=f"&after={torn['event_id']}") as stream:
        rest = read_until(stream, IDLE)
    closed = [event["item"] for event in rest if event["type"].endswith("item.done")]
    assert [(item["id"] == torn["item_id"], item["status"]) for item in closed] == [(True, "incomplete"), (False, "completed")]
    assert not [event for event in rest if event.get("item_id") == torn["item_id"]]


def test_unknown_positions(server, client, recorded):
    session, seen = recorded
    ours = f"evt_{session.removeprefix('sess_')}"
    foreign = f"evt_{'0' * 24}_0000000001_0000"
    for unknown in ("nonsense", f"{ours}_0000009999_0000", f"{ours}_0000000001_9999", foreign, ""):
        with server.events(session, query=f"&after={unknown}") as stream:
            assert stream.status == 404, unknown
            assert stream.error()["code"] == "not_found_error"


@pytest.mark.parametrize("headers", [{}, {"Last-Event-ID": "nonsense"}, {"Last-Event-ID": "42"}])
def test_a_plain_stream_never_replays(server, client, headers):
    session, _ = begin(client, "hello")
    with server.events(session, headers=headers) as stream:
        post(client, session, message("more"))
        rest = read_until(stream, IDLE)
    assert rest[0]["type"] == "agent.session.turn.created"


def test_closing_a_stream_cancels_nothing(server, client):
    body = settings("slow 20 a b c d e f g h", stream=True)
    with RawStream(server.port, "POST", "/v1/agents/sessions", body) as stream:
        seen = read_until(stream, "agent.session.turn.output_text.delta")
    session = seen[0]["session"]["id"]
    with server.events(session, query=f"&after={seen[-1]['event_id']}") as stream:
        rest = read_until(stream, IDLE)
    assert [event for event in rest if event["type"] == "agent.session.turn.completed"]


def test_obfuscation_is_on_unless_it_is_refused(server, client):
    for given, expected in (("", True), ("?include_obfuscation=true", True), ("?include_obfuscation=false", False)):
        session, _ = begin(client, "hello")
        with RawStream(server.port, "GET", f"/v1/agents/sessions/{session}/events{given}") as stream:
            post(client, session, message("slow 3 a b c"))
            deltas = [event for event in read_until(stream, IDLE) if event["type"].endswith("delta")]
        assert {bool(event.get("obfuscation")) for event in deltas} == {expected}
    post(client, session, CANCEL)
