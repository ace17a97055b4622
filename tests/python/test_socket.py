"""The WebSocket of the Responses API: the unmodified SDK's connection and its lanes, and what no SDK would send."""
import asyncio
import contextlib
import json
import os
import signal
import socket as sockets
import struct
import threading
import time

import openai
import pytest
from openai.lib.responses_websocket import (
    AsyncResponsesWebSocketSession,
    ResponsesWebSocketLimits,
    ResponsesWebSocketSession,
)
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from server import KEY, Server

MODEL = "scripted"
TERMINAL = {"response.completed", "response.failed", "response.incomplete", "error"}
MiB = 1 << 20


def limits():
    return ResponsesWebSocketLimits(
        max_lanes=20, max_events_per_lane=2000, max_events=8000, max_bytes_per_lane=16 * MiB, max_bytes=64 * MiB
    )


class Raw:
    """A connection below the SDK: frames as JSON."""

    def __init__(self, server, key=KEY, **options):
        address = f"ws://127.0.0.1:{server.port}/v1/responses"
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self.socket = connect(address, additional_headers=headers, max_size=None, proxy=None, **options)

    def send(self, frame):
        self.socket.send(frame if isinstance(frame, (str, bytes)) else json.dumps(frame))

    def create(self, text, **fields):
        self.send({"type": "response.create", "model": MODEL, "input": text, **fields})

    def next(self):
        return json.loads(self.socket.recv(timeout=40))

    def turn(self):
        """All events up to a terminal one."""
        events = [self.next()]
        while events[-1]["type"] not in TERMINAL:
            events.append(self.next())
        return events

    def ask(self, text, **fields):
        self.create(text, **fields)
        return self.turn()[-1]

    def until(self, kind):
        while (event := self.next())["type"] != kind:
            assert event["type"] != "error", event
        return event

    def closed(self):
        """The code with which the server ends it."""
        while True:
            try:
                self.socket.recv(timeout=40)
            except ConnectionClosed as end:
                return end.rcvd.code if end.rcvd else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


@pytest.fixture
def raw(server):
    with Raw(server) as raw:
        yield raw


def text_of(response):
    return "".join(part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"])


def script(*lines):
    return "\n".join(lines)


def echo(text):
    """What the scripted model answers to what is no script."""
    return f"echo: {text}"


# ---- the SDK


def test_the_sdk_connects_and_reads_a_response(client):
    with client.responses.connect(websocket_connection_options={"proxy": None}) as connection:
        connection.response.create(model=MODEL, input="hello there, over a socket")
        seen = []
        for event in connection:
            seen.append(event)
            if event.type in TERMINAL:
                break
    assert [event.type for event in seen[:2]] == ["response.created", "response.in_progress"]
    assert seen[-1].type == "response.completed"
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    deltas = "".join(event.delta for event in seen if event.type == "response.output_text.delta")
    assert deltas == seen[-1].response.output_text == echo("hello there, over a socket")
    assert client.responses.retrieve(seen[-1].response.id).output_text == deltas


def test_events_are_those_of_sse(client, raw):
    raw.create("the same words twice")
    over_socket = raw.turn()
    identity = over_socket[-1]["response"]["id"]
    replayed = [event.to_dict() for event in client.responses.retrieve(identity, stream=True)]
    assert [event["type"] for event in replayed] == [event["type"] for event in over_socket]
    strip = lambda event: {k: v for k, v in event.items() if k != "obfuscation"}
    assert [strip(event) for event in over_socket] == [strip(event) for event in replayed]


def test_lanes_of_the_sdk_run_side_by_side(client):
    with client.responses.connect(websocket_connection_options={"max_size": None, "proxy": None}) as connection:
        with ResponsesWebSocketSession(connection, limits=limits()) as session:
            lanes = [session.lane(f"lane-{n}") for n in range(8)]
            for n, lane in enumerate(lanes):
                lane.send({"type": "response.create", "model": MODEL, "input": f"answer number {n}"})
            session.default.send({"type": "response.create", "model": MODEL, "input": "and without a name"})
            assert session.default.get_final_response(timeout=40).output_text == echo("and without a name")
            for n, lane in enumerate(lanes):
                final = lane.get_final_response(timeout=40)
                assert final.output_text == echo(f"answer number {n}")
                lane.send({"type": "response.create", "model": MODEL, "input": "more", "previous_response_id": final.id})
            for lane in lanes:
                lane.get_final_response(timeout=40)


def test_the_async_sdk_does_the_same(server):
    async def run():
        async with openai.AsyncOpenAI(base_url=server.base, api_key=KEY, max_retries=0) as client:
            options = {"max_size": None, "proxy": None}
            async with client.responses.connect(websocket_connection_options=options) as connection:
                async with AsyncResponsesWebSocketSession(connection, limits=limits()) as session:
                    lanes = [session.lane(f"a.{n}") for n in range(4)]
                    for n, lane in enumerate(lanes):
                        await lane.send({"type": "response.create", "model": MODEL, "input": f"async {n}"})
                    finals = [await lane.get_final_response() for lane in lanes]
                    assert [final.output_text for final in finals] == [echo(f"async {n}") for n in range(4)]

    asyncio.run(run())


# ---- lanes


def test_a_lane_keeps_its_order_and_seventeen_wait_for_sixteen(raw):
    for n in range(17):
        for turn in range(2):
            raw.create(script(f"slow 5 answer {n} of {turn} in many words"), stream_id=f"l{n}")
    ended, running, most = {}, set(), 0
    while sum(map(len, ended.values())) < 34:
        event = raw.next()
        lane = event["stream_id"]
        if event["type"] == "response.created":
            assert lane not in running
            running.add(lane)
            most = max(most, len(running))
        if event["type"] in TERMINAL:
            assert event["type"] == "response.completed", event
            running.discard(lane)
            ended.setdefault(lane, []).append(text_of(event["response"]))
    assert most <= 16
    assert ended == {f"l{n}": [f"answer {n} of {turn} in many words" for turn in range(2)] for n in range(17)}


def test_errors_keep_their_place_in_the_lane(raw):
    raw.create(script("slow 5 first of all in some words"), stream_id="q")
    raw.send({"type": "response.create", "model": MODEL, "stream_id": "q", "input": "x", "temperature": 9})
    raw.create("third", stream_id="q")
    last = [raw.turn()[-1] for _ in range(3)]
    assert [event["type"] for event in last] == ["response.completed", "error", "response.completed"]
    assert last[1]["error"]["param"] == "temperature" and last[1]["stream_id"] == "q" and last[1]["status"] == 400


# ---- what a connection keeps


def test_what_is_not_stored_lives_with_its_connection(server, raw):
    first = raw.ask("remember cobalt", store=False)["response"]
    second = raw.ask("again", store=False, previous_response_id=first["id"])["response"]
    fork = raw.ask("aside", store=False, previous_response_id=first["id"])["response"]
    assert second["previous_response_id"] == fork["previous_response_id"] == first["id"] and not second["store"]
    # It may go on in the log, with all that was said.
    kept = raw.ask("kept", previous_response_id=second["id"])["response"]
    status, items = server.json("GET", f"/v1/responses/{kept['id']}/input_items")
    assert status == 200 and "remember cobalt" in json.dumps(items)
    for identity in (first["id"], second["id"]):
        assert server.json("GET", f"/v1/responses/{identity}")[0] == 404
    with Raw(server) as other:
        lost = other.ask("x", store=False, previous_response_id=first["id"])
        assert (lost["status"], lost["error"]["code"]) == (400, "previous_response_not_found")
        assert other.ask("clean", store=False)["type"] == "response.completed"
        assert other.ask("on", previous_response_id=kept["id"])["type"] == "response.completed"


def test_a_refused_continuation_evicts_its_parent(raw):
    wrong = [{"type": "function_call_output", "call_id": "call_none", "output": "?"}]
    parent = raw.ask("ember", store=False, stream_id="a")["response"]["id"]
    refused = raw.ask(wrong, store=False, stream_id="b", previous_response_id=parent)
    assert refused["status"] == 400 and refused["stream_id"] == "b"
    fork = raw.ask("fork", store=False, stream_id="b", previous_response_id=parent)
    assert fork["type"] == "response.completed"
    assert raw.ask(wrong, store=False, stream_id="a", previous_response_id=parent)["status"] == 400
    gone = raw.ask("again", store=False, stream_id="a", previous_response_id=parent)
    assert gone["error"]["code"] == "previous_response_not_found"
    # What was built on it stays.
    assert raw.ask("on", store=False, stream_id="b", previous_response_id=fork["response"]["id"])["type"] == "response.completed"


def test_a_warm_up_can_be_continued(client, raw):
    raw.create("the plan is blue", generate=False, instructions="be brief")
    events = raw.turn()
    assert [event["type"] for event in events] == ["response.created", "response.in_progress", "response.completed"]
    warm = events[-1]["response"]
    assert warm["output"] == [] and warm["status"] == "completed"
    assert client.responses.retrieve(warm["id"]).output == []
    final = raw.ask("go", previous_response_id=warm["id"])["response"]
    assert text_of(final) == echo("go")
    assert raw.ask("other", previous_response_id=warm["id"])["type"] == "response.completed"


# ---- steering


def test_a_steered_response_has_a_successor(raw):
    raw.create(script("slow 20 one two three four five six seven eight nine ten"), stream_id="s")
    target = raw.until("response.created")["response"]["id"]
    raw.send({"type": "response.steer", "previous_response_id": target, "input": "rather in French"})
    accepted = raw.until("response.steer.accepted")
    assert accepted["stream_id"] == "s" and accepted["steer"]["previous_response_id"] == target
    assert accepted["steer"]["id"].startswith("steer_")
    assert raw.until("response.completed")["response"]["id"] == target
    successor = raw.until("response.created")
    assert successor["stream_id"] == "s" and successor["response"]["previous_response_id"] == target
    assert text_of(raw.until("response.completed")["response"]) == echo("rather in French")


def test_a_steered_response_with_calls_waits_for_their_results(raw):
    tools = [{"type": "function", "name": "lookup", "parameters": {"type": "object"}, "strict": False}]
    raw.create(script("fail 503 2", 'call lookup {"n":1}', "say done then"), tools=tools)
    target = raw.until("response.created")["response"]["id"]
    raw.send({"type": "response.steer", "previous_response_id": target,
              "input": [{"type": "message", "role": "user", "content": "steered words"}]})
    accepted = raw.until("response.steer.accepted")
    call = next(i for i in raw.until("response.completed")["response"]["output"] if i["type"] == "function_call")
    pending = raw.until("response.steer.pending")
    assert pending["steer"]["id"] == accepted["steer"]["id"] and pending["reason"] == "waiting_for_required_input"
    assert pending["required_input"] == [{"type": "function_call_output", "call_id": call["call_id"], "name": "lookup"}]
    output = [{"type": "function_call_output", "call_id": call["call_id"], "output": "7"}]
    final = raw.ask(output, tools=tools, previous_response_id=target)
    assert final["type"] == "response.completed"


def test_what_cannot_be_steered_comes_back(raw):
    def steer(target, message="x", **fields):
        raw.send({"type": "response.steer", "previous_response_id": target, "input": message, **fields})
        return raw.until("response.steer.failed")

    ended = raw.ask("hello")["response"]["id"]
    assert steer("resp_nothing")["error"]["code"] == "response_not_found"
    failed = steer(ended)
    assert failed["error"] == {**failed["error"], "type": "invalid_request_error", "code": "response_already_completed"}
    assert failed["steer"] == {"previous_response_id": ended, "input": "x"}
    raw.create(script("slow 20 a b c d e f g h i j k l m n o p q r s t u v w x y z"))
    running = raw.until("response.created")["response"]["id"]
    for wrong in ([], [{"type": "message", "role": "system", "content": "x"}], [{"type": "reasoning", "summary": []}]):
        assert steer(running, wrong)["error"]["code"] == "invalid_input"
    assert steer(running, stream_id="s")["error"]["code"] == "invalid_input"
    raw.until("response.completed")


# ---- bad input


def test_garbage_is_answered_and_the_connection_goes_on(raw):
    for frame in ("", "nothing", "[]", "[1]", "null", "{", '{"type":7}', '{"type":"response.cancel"}',
                  '{"a":1,"a":2}', b"\x00\xff", '{"type":"response.create","stream_id":"a b"}'):
        raw.send(frame)
        event = raw.next()
        assert event["type"] == "error" and event["status"] == 400 and event["error"]["message"], (frame, event)
    for key, value in (("stream", False), ("stream_options", {}), ("background", False), ("nonsense", 1)):
        assert raw.ask("x", **{key: value})["error"]["param"] == key
    for name, code in (("", "invalid_stream_id"), ("x" * 257, "invalid_stream_id"), ("ü", "invalid_stream_id")):
        assert raw.ask("x", stream_id=name)["error"]["code"] == code
    assert raw.ask("x", model="none-such")["error"]["code"] == "model_not_found"
    for identity in ("resp_x", "resp_" + "0" * 24 + "t2"):
        assert raw.ask("x", previous_response_id=identity)["error"]["code"] == "previous_response_not_found"
    assert raw.ask("still here")["type"] == "response.completed"


def test_thirty_two_names_a_connection(raw):
    for n in range(32):
        assert raw.ask("x", stream_id=f"n{n}", temperature=9)["error"]["param"] == "temperature"
    over = raw.ask("x", stream_id="n32")
    assert over["error"]["code"] == "websocket_stream_limit_reached" and over["stream_id"] == "n32"
    assert raw.ask("x", stream_id="n0")["type"] == "response.completed"


def test_a_stranger_and_a_plain_get_do_not_pass(server):
    for key in (None, "sk-wrong"):
        with pytest.raises(InvalidStatus) as refused:
            Raw(server, key=key)
        assert refused.value.response.status_code == 401
    status, error = server.json("GET", "/v1/responses")
    assert status == 405 and "Invalid method" in error["error"]["message"]
    reader, _ = server.create_key("--scopes", "api.responses.read")
    with pytest.raises(InvalidStatus) as refused:
        Raw(server, key=reader)
    assert refused.value.response.status_code == 403


def test_a_foreign_response_is_unknown(server, raw):
    mine = raw.ask("mine")["response"]["id"]
    key, _ = server.create_key("--project", "another")
    with Raw(server, key=key) as other:
        assert other.ask("x", previous_response_id=mine)["error"]["code"] == "previous_response_not_found"
        unstored = other.ask("x", store=False, previous_response_id=mine)
        assert unstored["error"]["code"] == "previous_response_not_found"


def test_a_frame_of_100_mb_ends_the_connection(server):
    # By hand, for the library cannot hear anything while it sends.
    with Handmade(server) as handmade:
        def flood():
            with contextlib.suppress(OSError):
                handmade.socket.sendall(b"\x81\xff" + struct.pack(">Q", 100 * MiB) + bytes(4) + b"x" * (100 * MiB))

        sender = threading.Thread(target=flood, daemon=True)
        sender.start()
        assert handmade.code() == 1009
        sender.join()
    assert server.request("GET", "/healthz")[0] == 200


def test_broken_frames_end_the_connection(server):
    for bytes_, code in ((b"\x81\x01x", 1002), (b"\x81\x81\0\0\0\0\xff", 1007), (b"\xf1\x80\0\0\0\0", 1002)):
        with Handmade(server) as handmade:
            handmade.socket.sendall(bytes_)
            assert handmade.code() == code, bytes_


class Handmade:
    """A socket whose bytes are our own."""

    def __init__(self, server, receive=None):
        self.socket = sockets.socket()
        if receive:
            self.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, receive)
        self.socket.settimeout(40)
        self.socket.connect(("127.0.0.1", server.port))
        head = (f"GET /v1/responses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nConnection: Upgrade\r\n"
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        self.socket.sendall(head.encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += self.socket.recv(1)
        assert answer.startswith(b"HTTP/1.1 101"), answer

    def send(self, frame):
        body = json.dumps(frame).encode()
        head = b"\x81" + (bytes([0x80 | len(body)]) if len(body) < 126 else b"\xfe" + struct.pack(">H", len(body)))
        self.socket.sendall(head + b"\0\0\0\0" + body)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                return None
            data += more
        return data

    def frame(self):
        """Opcode and payload."""
        head = self.exactly(2)
        if head is None:
            return None, b""
        length = head[1]
        if length == 126:
            length = struct.unpack(">H", self.exactly(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self.exactly(8))[0]
        return head[0] & 15, self.exactly(length) or b""

    def code(self):
        while True:
            opcode, payload = self.frame()
            if opcode is None:
                return None
            if opcode == 8:
                return struct.unpack(">H", payload[:2])[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def memory(server):
    """Resident memory of the server, bytes."""
    with open(f"/proc/{server.process.pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_who_reads_slowly_holds_up_nobody_and_costs_little(server):
    words = "many words " * 20000
    with Handmade(server, receive=4096) as slow, Raw(server) as quick:
        quick.ask("warm")
        before = memory(server)
        for n in range(8):
            slow.send({"type": "response.create", "model": MODEL, "stream_id": f"s{n}", "input": words[:60000]})
        for _ in range(20):
            slow.exactly(1)
            assert quick.ask("quick")["type"] == "response.completed"
        assert memory(server) - before < 64 * MiB


# ---- the end


def test_a_stored_response_of_a_torn_socket_goes_on(server, client):
    with Raw(server) as raw:
        raw.create(script("slow 20 it goes on without its client to the very end"))
        identity = raw.until("response.created")["response"]["id"]
        raw.socket.socket.shutdown(sockets.SHUT_RDWR)
    events = list(client.responses.retrieve(identity, stream=True))
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == "it goes on without its client to the very end"


def test_a_revoked_key_makes_no_more_responses(server):
    key, identity = server.create_key()
    with Raw(server, key=key) as raw:
        assert raw.ask("hello")["type"] == "response.completed"
        server.run("key", "revoke", identity)
        deadline = time.monotonic() + 30
        while (event := raw.ask("again"))["type"] != "error":
            assert time.monotonic() < deadline
        assert event["status"] == 401
        assert raw.closed() == 1008


def test_a_ping_is_answered(raw):
    assert raw.socket.ping().wait(40)


def test_a_server_that_stops_says_so(tmp_path):
    with Server(tmp_path) as server, Raw(server) as idle, Raw(server) as busy:
        busy.create(script("slow 5 this one may end first"))
        busy.until("response.created")
        stopping = threading.Thread(target=lambda: server.process.send_signal(signal.SIGTERM))
        stopping.start()
        assert idle.closed() == 1001
        assert text_of(busy.until("response.completed")["response"]) == "this one may end first"
        assert busy.closed() == 1001
        assert server.process.wait(timeout=30) == 0
        stopping.join()


@pytest.mark.soak(120)
def test_a_killed_server_goes_on_with_the_chain(tmp_path):
    with Server(tmp_path) as server:
        with Raw(server) as raw:
            first = raw.ask("before the kill")["response"]["id"]
            unkept = raw.ask("not kept", store=False)["response"]["id"]
            raw.create(script("slow 30 in the middle of this answer the server is killed"), previous_response_id=first)
            second = raw.until("response.created")["response"]["id"]
            raw.until("response.output_text.delta")
            server.kill()
            with pytest.raises(ConnectionClosed):
                while True:
                    raw.next()
        server.start()
        client = server.client()
        events = list(client.responses.retrieve(second, stream=True))
        assert events[-1].type == "response.completed"
        assert events[-1].response.output_text == "in the middle of this answer the server is killed"
        with Raw(server) as raw:
            assert raw.ask("on", previous_response_id=second)["type"] == "response.completed"
            assert raw.ask("on", previous_response_id=first)["type"] == "response.completed"
            gone = raw.ask("on", store=False, previous_response_id=unkept)
            assert gone["error"]["code"] == "previous_response_not_found"
