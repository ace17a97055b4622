"""Clients that send too much, what no text should hold, or HTTP/2 in floods. The server says what is wrong, keeps the
rest to the letter, and its memory stays what it was. Load with thousands of clients is `cargo xtask bench load`.
"""
import json
import socket
import struct
import threading

import pytest

from conversation import LOOKUP, begin, items, post, result, say, settle
from server import BETA, CONFIG, KEY, Server

MIB = 1 << 20
LIMIT = 64 * MIB
# Beside what a request may hold in memory: pages that the allocator keeps.
SLACK = 64 * MIB
# All bodies together may hold so much, and each is there in some copies: bytes, value, record, what is written.
ROOM, COPIES = 256 * MIB, 6
# More than there is room for.
GIANTS, GIANT = 16, 24 * MIB
# Text that terminals, editors and readers are fooled by; all of it is text.
ODD = (
    "\x1b[2J\x1b]0;title\x07 \x00\x01\x7f\r\n\t \u200b\u200d\u2060\ufeff \u202e\u2066evil\u2069\u202c "
    "e\u0301\u0323 \ufffd \uffff \U0010ffff 🦊\u200d🔥 \u2028\u2029"
)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A server whose memory is nobody else's."""
    with Server(tmp_path_factory.mktemp("load"), config=CONFIG) as server:
        yield server
        assert server.process.poll() is None, f"the server ended by itself: {server.log()}"


def memory(server, name="VmRSS"):
    with open(f"/proc/{server.process.pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith(name + ":"))


def forget_peak(server):
    with open(f"/proc/{server.process.pid}/clear_refs", "w") as refs:
        refs.write("5")


def waiting(server):
    """A session that waits for one call; the call."""
    client = server.client()
    session, seen = begin(client, "call lookup {\"n\": 1}", tools=[LOOKUP])
    (call,) = seen[-1].session.required_actions
    return client, session, call


def raw(server, head, pieces):
    """One request by hand, its body in pieces until the server has answered; the status line and the body."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as stream:
        lines = [*head, "Host: x", f"Authorization: Bearer {KEY}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in BETA.items()]
        stream.sendall("\r\n".join([*lines, "", ""]).encode())
        try:
            for piece in pieces:
                stream.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = b""
        try:
            while piece := stream.recv(1 << 16):
                answer += piece
        except (ConnectionResetError, TimeoutError):
            pass
        return answer


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.mark.soak(120)
def test_f21_an_output_without_end_is_refused_with_the_limit_and_memory_stays(own):
    _, session, call = waiting(own)
    before = memory(own)
    forget_peak(own)
    start = json.dumps({"events": [result(call, "OUTPUT")]}).encode().partition(b"OUTPUT")[0]
    sent = [0]

    def pieces():
        yield chunk(start)
        while sent[0] < 4 * LIMIT:
            sent[0] += MIB
            yield chunk(b"x" * MIB)

    path = f"/v1/agents/sessions/{session}/events"
    answer = raw(own, [f"POST {path} HTTP/1.1", "Transfer-Encoding: chunked", "Connection: close"], pieces())
    assert sent[0] < 4 * LIMIT, "the server listened to the end"
    # Where the rest was still on its way, the answer may be lost with the connection; the limit is not.
    assert not answer or (answer.startswith(b"HTTP/1.1 413 ") and str(LIMIT).encode() in answer), answer[:500]
    announced = raw(own, [f"POST {path} HTTP/1.1", f"Content-Length: {1 << 30}", "Connection: close"], [])
    assert announced.startswith(b"HTTP/1.1 413 ") and str(LIMIT).encode() in announced, announced[:500]
    assert memory(own, "VmHWM") <= before + 3 * LIMIT + SLACK
    # Nothing of it was taken: the call still waits, and takes an answer.
    client = own.client()
    post(client, session, result(call))
    assert settle(client, session, "idle").status == "idle"


@pytest.mark.soak(120)
def test_f21_many_giants_at_once_share_a_bound_of_memory(own):
    calls = [waiting(own) for _ in range(GIANTS)]
    before = memory(own)
    forget_peak(own)
    giant = "x" * GIANT
    statuses = []

    def send(session, call):
        path = f"/v1/agents/sessions/{session}/events"
        statuses.append(own.request("POST", path, {"events": [result(call, giant)]})[0])

    threads = [threading.Thread(target=send, args=(session, call)) for _, session, call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Who finds no room is told to come back; nobody is told a lie.
    assert set(statuses) <= {202, 429} and 202 in statuses, statuses
    for client, session, _ in calls:
        settle(client, session, "idle", "requires_action")
    assert memory(own, "VmHWM") <= before + COPIES * ROOM + SLACK


def test_f21_odd_text_is_kept_to_the_letter(own):
    client, session, call = waiting(own)
    post(client, session, result(call, ODD))
    settle(client, session, "idle")
    say(client, session, f"say {ODD.splitlines()[0]}")
    (output,) = [item for item in items(client, session) if item.type == "function_call_output"]
    assert output.output == ODD
    message, *_ = [item for item in items(client, session) if item.type == "message" and item.role == "user"][::-1]
    assert message.content[0].text == f"say {ODD.splitlines()[0]}"


@pytest.mark.parametrize("bytes_", [b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x28\xa1"])
def test_f21_what_is_no_utf_8_is_refused(own, bytes_):
    client, session, call = waiting(own)
    body = json.dumps({"events": [result(call, "OUTPUT")]}).encode().replace(b"OUTPUT", bytes_)
    status, answer = own.json("POST", f"/v1/agents/sessions/{session}/events", body)
    assert status == 400 and answer["error"]["message"], answer
    assert client.beta.agents.sessions.retrieve(session).status == "requires_action"


# HTTP/2 without TLS, as a client that knows may speak it.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, GOAWAY, CONTINUATION = 0, 1, 3, 4, 7, 9
END_STREAM, END_HEADERS = 1, 4
# GET, http, /, and the authority `x`, by HPACK's static table.
REQUEST = bytes([0x82, 0x86, 0x84, 0x41, 0x01]) + b"x"


def h2(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def flood(server, frames, most):
    """Sends `frames` until the server has had enough of them; how many bytes it took, and whether it closed."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as stream:
        stream.sendall(PREFACE + h2(SETTINGS, 0, 0))
        # What it answers must be taken, or it waits for us.
        reader = threading.Thread(target=lambda: drain(stream), daemon=True)
        reader.start()
        sent = 0
        try:
            for frame in frames:
                stream.sendall(frame)
                sent += len(frame)
                if sent >= most:
                    break
        except (BrokenPipeError, ConnectionResetError):
            return sent, True
        stream.shutdown(socket.SHUT_WR)
        reader.join(timeout=30)
        return sent, not reader.is_alive()


def drain(stream):
    try:
        while stream.recv(1 << 16):
            pass
    except OSError:
        pass


@pytest.mark.soak(120)
def test_f26_streams_that_are_opened_and_reset_cost_nothing(own):
    before = memory(own)
    forget_peak(own)

    def frames():
        for stream in range(1, 400_001, 2):
            yield h2(HEADERS, END_STREAM | END_HEADERS, stream, REQUEST) + h2(RESET, 0, stream, struct.pack(">I", 8))

    flood(own, frames(), 64 * MIB)
    assert memory(own, "VmHWM") <= before + SLACK
    assert own.json("GET", "/v1/models")[0] == 200


@pytest.mark.soak(120)
def test_f26_headers_without_end_are_cut_off(own):
    before = memory(own)
    forget_peak(own)

    def frames():
        yield h2(HEADERS, END_STREAM, 1, REQUEST)
        # A field that is never indexed, with a new value each: nothing that could be forgotten.
        field = b"\x00\x01a" + bytes([0x7F, 254 - 0x7F]) + b"b" * 254
        while True:
            yield h2(CONTINUATION, 0, 1, field * 32)

    sent, closed = flood(own, frames(), 256 * MIB)
    assert closed and sent < 256 * MIB, "the server listened to the end"
    assert memory(own, "VmHWM") <= before + SLACK
    assert own.json("GET", "/v1/models")[0] == 200
