"""The server is killed after every single event of a turn, and its reader goes on at the event it read last: the sum is
what an uninterrupted reader is told.

The turn has reasoning, a text, two calls at once, their results, a text that takes its time, and a cancel. The model is
an upstream of the tests' own, which outlives the server; so the turn is the same each time.
"""
import json
import queue
import threading
import time

import pytest

from conversation import CANCEL, IDLE, LOOKUP, result, settings
from liar import Liar, call, end, entry, heard, reasoning, text
from server import RawStream, Server

LANES = 4
# Much longer than anybody reads before it is cancelled.
LONG = [f"word{n} " for n in range(400)]
# Pieces of the long text that are read before the cancel.
ENOUGH = 4
OUTPUTS = {1: "one", 2: "two"}
PAUSE = 0.012


def behave(asked, says):
    _, results = heard(asked)
    if not results:
        calls = [event for n in OUTPUTS for event in call(asked, "lookup", json.dumps({"n": n}), f"call_{n}", n)]
        said = [*reasoning(asked, "let ", "me ", "think"), *text(asked, "I ", "will ", "look"), *calls, *end(asked, "tool_calls")]
    else:
        said = [*text(asked, *LONG), *end(asked)]
    says.stream()
    for event in said:
        says.events(event)
        says.pause(PAUSE)


class Reader:
    """One client of one session. It reads, answers, cancels, and is interrupted after `limit` events."""

    def __init__(self, server, how, acts_first):
        self.server, self.how, self.acts_first = server, how, acts_first
        self.seen = []
        self.session = None
        self.answered = set()
        self.said = {}
        self.cancelled = False

    def begin(self):
        agent = {**settings("go", model="liar", tools=[LOOKUP])["agent"], "reasoning": {"summary": "auto"}}
        body = {**settings("go"), "agent": agent, "stream": True, "stream_options": {"include_obfuscation": False}}
        with RawStream(self.server.port, "POST", "/v1/agents/sessions", body) as stream:
            self.seen.append(next(iter(stream)))
        self.session = self.seen[0]["session"]["id"]

    def read(self, limit=None):
        """True at the turn's end, False when `limit` events are read."""
        if len(self.seen) == limit:
            return False
        self.act()
        with self.resumed() as stream:
            for event in stream:
                self.seen.append(event)
                if event["type"] == IDLE:
                    return True
                if len(self.seen) == limit and not self.acts_first:
                    return False
                self.act()
                if len(self.seen) == limit:
                    return False
        raise AssertionError("the stream ended")

    def resumed(self):
        last = self.seen[-1]["event_id"]
        if self.how == "query":
            return self.server.events(self.session, query=f"&after={last}")
        return self.server.events(self.session, headers={"Last-Event-ID": last})

    def act(self):
        """What a client does about the events that it knows."""
        for event in self.seen:
            item = event.get("item") or {}
            if event["type"].endswith("item.added") and item["type"] == "function_call" and item["call_id"] not in self.answered:
                self.post(result(Call(item), OUTPUTS[item["arguments"]["n"]]))
                self.answered.add(item["call_id"])
        spoken = [event["item_id"] for event in self.seen if event["type"].endswith("output_text.delta")]
        if len(self.answered) == 2 and spoken and spoken.count(spoken[-1]) >= ENOUGH and not self.cancelled and self.is_long(spoken[-1]):
            self.post(CANCEL)
            self.cancelled = True

    def is_long(self, item):
        return self.text(item).startswith(LONG[0])

    def text(self, item):
        return "".join(e["delta"] for e in self.seen if e.get("item_id") == item and e["type"].endswith("output_text.delta"))

    def post(self, given):
        status, _, body = self.server.request("POST", f"/v1/agents/sessions/{self.session}/events", {"events": [given]})
        assert status == 202, body


class Call:
    def __init__(self, item):
        self.turn_id, self.call_id = item["turn_id"], item["call_id"]


def told(events):
    """What events tell, without ids and without what was closed as incomplete: that is only ever the beginning of what
    is said."""
    ids = [event["event_id"] for event in events]
    assert len(set(ids)) == len(ids), "an event came twice"
    done = {event["item"]["id"]: event["item"]["status"] for event in events if event["type"].endswith("item.done")}
    begun = [event["item"]["id"] for event in events if event["type"].endswith("item.added") and event["output_index"] is not None]
    assert len(set(begun)) == len(begun) and set(begun) == set(done), "an item was begun twice or left open"
    # Items in the order of their beginnings, each with what was told of it: the closing of one may come after the next
    # one's beginning, or before.
    story, items = [], {}
    for event in events:
        kind = event["type"].removeprefix("agent.session.")
        owner = event["item"]["id"] if "item" in event else event.get("item_id")
        if done.get(owner) == "incomplete":
            continue
        if owner is None:
            story.append([kind, *tell_whole(event)])
            continue
        if owner not in items:
            items[owner] = []
            story.append(items[owner])
        said = items[owner]
        if kind.endswith(".delta") and said[-1][0] == kind:
            said[-1][1] += event["delta"]
        elif kind.endswith(".delta"):
            said.append([kind, event["delta"]])
        elif "item" in event:
            item = {name: value for name, value in event["item"].items() if name not in ("id", "turn_id")}
            said.append([kind, item, event["output_index"]])
        else:
            said.append([kind, event.get("part")])
    return story


def tell_whole(event):
    """An event that belongs to no item."""
    if "turn" in event:
        return [event["turn"]["status"]]
    return [event["session"]["status"], sorted(action["call_id"] for action in event["session"]["required_actions"])]


def check_torn_texts(reader):
    """What was closed as incomplete is the beginning of what the model says, without a gap and without a repeat."""
    whole = "".join(LONG)
    for event in reader.seen:
        if event["type"].endswith("item.done") and event["item"]["status"] == "incomplete" and event["item"]["type"] == "message":
            said = reader.text(event["item"]["id"])
            assert whole.startswith(said) or "I will look".startswith(said), said


def check_replay(reader):
    """The whole stream in one go tells the same."""
    with reader.server.events(reader.session, query=f"&after={reader.seen[0]['event_id']}") as stream:
        replay = [reader.seen[0]]
        for event in stream:
            replay.append(event)
            if event["type"] == IDLE:
                break
    assert told(replay) == told(reader.seen)


class Lane(threading.Thread):
    """One server on its own data, for the kills that it takes from the queue."""

    def __init__(self, folder, config, work, expected):
        super().__init__(daemon=True)
        self.folder, self.config, self.work, self.expected = folder, config, work, expected
        self.error = None
        self.kills = 0
        self.interrupted = set()

    def run(self):
        try:
            with Server(self.folder, self.config) as server:
                while True:
                    how, limit = self.work.get_nowait()
                    self.interrupt(server, how, limit)
        except queue.Empty:
            pass
        except BaseException as error:
            self.error = error

    def interrupt(self, server, how, limit):
        reader = Reader(server, how, acts_first=how == "header")
        reader.begin()
        if reader.read(limit):
            return  # cut otherwise this time, the turn had fewer events
        server.kill()
        self.kills += 1
        self.interrupted.add(reader.seen[-1]["type"].removeprefix("agent.session."))
        server.start()
        reader.read()
        assert told(reader.seen) == self.expected, f"killed after event {limit}, {reader.seen[limit - 1]['type']}; resumed by {how}"
        check_torn_texts(reader)
        check_replay(reader)


@pytest.mark.soak(180)
def test_f18_killed_after_every_event_a_reader_misses_nothing(tmp_path):
    began = time.monotonic()
    with Liar(behave) as upstream:
        config = entry("openai-responses", upstream.base)
        with Server(tmp_path / "whole", config) as server:
            whole = Reader(server, "query", acts_first=True)
            whole.begin()
            assert whole.read()
        expected = told(whole.seen)
        kinds = {event["type"].removeprefix("agent.session.") for event in whole.seen}
        assert {"turn.reasoning_summary_text.delta", "turn.output_text.delta", "requires_action", "turn.cancelled"} <= kinds, kinds
        work = queue.Queue()
        for limit in range(1, len(whole.seen)):
            for how in ("query", "header"):
                work.put((how, limit))
        lanes = [Lane(tmp_path / f"lane{n}", config, work, expected) for n in range(LANES)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
            if lane.error:
                raise lane.error
    kills = sum(lane.kills for lane in lanes)
    interrupted = set().union(*(lane.interrupted for lane in lanes))
    print(f"{kills} kills after {len(whole.seen) - 1} events in {time.monotonic() - began:.0f} s")
    assert interrupted >= kinds - {"idle"}, f"never killed after {kinds - interrupted}"
