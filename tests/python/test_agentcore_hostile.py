"""Programs that lie to the server that hosts them, archives that are bombs, and clients of AgentCore that may less than they ask
for. Each is answered in AgentCore's words and in time, and what it costs is bounded."""
import http.client
import io
import json
import re
import socket
import threading
import time
import urllib.parse
import zipfile

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

import aws
from server import CONFIG, KEY, Server
from test_agentcore_runtime import Stage, described, needs_python, new_session, packed, refused, upload

MODE = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Mode"
SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"

# What it says, byte by byte, is what the header MODE asks for. It says nothing more then, and does not hang up.
LIAR = r'''
import re, socket, threading, time

def says(mode, connection):
    say = connection.sendall
    if mode == "ping":
        say(b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"status":"Healthy"}')
    elif mode == "garbage":
        say(b"no HTTP at all\r\n\r\n")
    elif mode == "headers":
        say(b"HTTP/1.1 200 OK\r\n")
        while True:
            say(b"X-Filler: " + b"y" * 4096 + b"\r\n")
    elif mode == "lengths":
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde")
    elif mode == "elsewhere":
        say(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
    elif mode == "long":
        say(b"HTTP/1.1 500 No\r\nContent-Length: 6000\r\n\r\n" + b"a word" * 1000)
    elif mode == "begins":
        say(b"HTTP/1.1 500 No\r\nContent-Length: 6000\r\n\r\nit broke")
    elif mode == "forges":
        say(b"HTTP/1.1 200 OK\r\nx-amzn-ErrorType: Forged\r\nSet-Cookie: a=b\r\nx-amzn-RequestId: forged\r\n"
            b"X-Amzn-Bedrock-AgentCore-Runtime-Session-Id: another\r\nContent-Length: 2\r\n\r\n{}")
    elif mode == "endless":
        say(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            say(b"z" * 65536)
    elif mode == "socket":
        say(b"HTTP/1.1 101 Yes\r\nConnection: upgrade, close, x-hop\r\nUpgrade: websocket\r\nX-Hop: 1\r\n"
            b"Sec-WebSocket-Accept: x\r\n\r\n")
    time.sleep(600)

def hear(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(65536) or exit()
    mode = re.search(rb"custom-mode: (\w+)", head, re.I)
    says("ping" if head.startswith(b"GET /ping") else mode[1].decode(), connection)

listener = socket.create_server(("127.0.0.1", 8080))
while True:
    threading.Thread(target=hear, args=listener.accept()[:1], daemon=True).start()
'''


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    needs_python()
    with Server(tmp_path_factory.mktemp("hostile"), config=CONFIG) as server:
        yield Stage(server)


@pytest.fixture(scope="module")
def liar(stage):
    return stage.host(
        "liar", packed({"main.py": LIAR}), requestHeaderConfiguration={"requestHeaderAllowlist": [MODE]},
    )


@pytest.fixture(scope="module")
def session(stage, liar):
    name = new_session()
    assert asked(stage, liar, name, "forges")[0] == 200
    return name


def path(arn, what):
    return f"/runtimes/{urllib.parse.quote(arn, safe='')}/{what}"


def asked(stage, arn, session, mode, timeout=60):
    """What comes of an invocation: status, headers, and as much of the body as is said of its length."""
    connection = http.client.HTTPConnection("127.0.0.1", stage.server.port, timeout=timeout)
    try:
        headers = {"Authorization": f"Bearer {KEY}", SESSION: session, MODE: mode}
        connection.request("POST", path(arn, "invocations"), b"{}", headers)
        answer = connection.getresponse()
        said = answer.read() if answer.getheader("content-length") else answer.read(1 << 20)
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, said
    finally:
        connection.close()


def handshake(stage, arn, session, mode, *authorization, method="GET", target=None, timeout=60):
    """The head of what comes of the handshake of a WebSocket."""
    lines = [
        f"{method} {target or path(arn, 'ws')} HTTP/1.1", f"Host: 127.0.0.1:{stage.server.port}", "Connection: upgrade",
        "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *authorization,
    ]
    lines += [f"{SESSION}: {session}", f"{MODE}: {mode}"] if session else []
    with socket.create_connection(("127.0.0.1", stage.server.port), timeout=timeout) as line:
        line.sendall("\r\n".join([*lines, "", ""]).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            more = line.recv(65536)
            assert more, head
            head += more
        return head.decode()


BEARER = f"Authorization: Bearer {KEY}"


@pytest.mark.soak(180)
def test_a_program_that_lies_is_said_to_and_holds_nobody(stage, liar, session):
    late = []
    waiting = threading.Thread(target=lambda: late.append(handshake(stage, liar, session, "silence", BEARER)))
    waiting.start()
    for mode in ["garbage", "headers", "lengths"]:
        status, headers, said = asked(stage, liar, session, mode)
        assert (status, headers["x-amzn-errortype"]) == (424, "RuntimeClientError"), (mode, said)
        assert json.loads(said)["message"] == "The runtime ended before it answered.", mode
    # It is not followed.
    assert "(302)" in json.loads(asked(stage, liar, session, "elsewhere")[2])["message"]
    # The first of what it says is said on, however much comes after it, and however long that takes.
    assert json.loads(asked(stage, liar, session, "long")[2])["message"].count("a word") == 170
    status, _, said = asked(stage, liar, session, "begins", timeout=20)
    assert (status, json.loads(said)["message"]) == (424, "Received error (500) from runtime: it broke")
    status, headers, said = asked(stage, liar, session, "forges")
    assert (status, said, headers[SESSION.lower()]) == (200, b"{}", session)
    assert aws.UUID.fullmatch(headers["x-amzn-requestid"]) and not {"x-amzn-errortype", "set-cookie"} & set(headers)
    before = memory(stage.server)
    assert len(asked(stage, liar, session, "endless")[2]) == 1 << 20
    assert memory(stage.server) - before < 64
    waiting.join(60)
    assert late and "424" in late[0].split("\r\n")[0] and "RuntimeClientError" in late[0], late


@pytest.mark.soak(120)
def test_a_handshake_is_this_servers_to_both(stage, liar, session):
    head = handshake(stage, liar, session, "socket", BEARER).lower()
    assert head.startswith("http/1.1 101") and "connection: upgrade\r\n" in head and "x-hop" not in head
    # What is no GET is none.
    head = handshake(stage, liar, session, "socket", BEARER, method="HEAD").lower()
    assert head.startswith("http/1.1 400") and "validationexception" in head


@pytest.mark.soak(120)
def test_who_may_only_read_opens_no_socket(stage, liar):
    reader, _ = stage.server.create_key("--scopes", "api.agents.read")
    name = new_session()
    head = handshake(stage, liar, name, "socket", f"Authorization: Bearer {reader}").lower()
    assert head.startswith("http/1.1 403") and "accessdeniedexception" in head
    # Nothing has begun.
    stop = stage.data.stop_runtime_session
    refused("ResourceNotFoundException", 404, stop, agentRuntimeArn=liar, runtimeSessionId=name)
    # A client that would rather speak HTTP/2 still reads.
    status, *_ = stage.server.request(
        "GET", f"/runtimes/{urllib.parse.quote(liar, safe='')}/", key=reader, headers={"Upgrade": "h2c"},
    )
    assert status == 200


@pytest.mark.soak(120)
def test_a_copied_handshake_opens_nothing(stage, liar):
    name = new_session()
    request = botocore.awsrequest.AWSRequest(
        "GET", stage.server.origin + path(liar, "ws"), headers={SESSION: name, MODE: "socket"},
    )
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(*stage.key), "bedrock-agentcore", aws.REGION).add_auth(request)
    signed = [f"{name}: {value}" for name, value in request.headers.items() if name.lower() != "host"]
    assert " 101 " in handshake(stage, liar, None, None, *signed).split("\r\n")[0]
    again = handshake(stage, liar, None, None, *signed)
    assert " 403 " in again.split("\r\n")[0] and "InvalidSignatureException" in again, again


def test_of_two_that_say_who_asks_neither_is_believed(stage):
    for more in [BEARER, "Authorization: AWS4-HMAC-SHA256 Credential=x", "Authorization: Bearer sk-another"]:
        lines = ["GET /foundation-models HTTP/1.1", "Host: here", BEARER, more, "Connection: close", "", ""]
        with socket.create_connection(("127.0.0.1", stage.server.port), timeout=30) as line:
            line.sendall("\r\n".join(lines).encode())
            answer = line.makefile("rb").read().decode()
        assert answer.startswith("HTTP/1.1 403 "), answer


def test_another_method_is_an_operation_that_is_not_served(stage):
    for method, target in [
        ("PATCH", "/memories/create"), ("GET", "/runtimes/"), ("PUT", "/memories/m-0123456789/details"),
        ("DELETE", "/memories/m-0123456789/actors"),
    ]:
        status, headers, said = stage.server.request(method, target)
        assert (status, headers["x-amzn-errortype"]) == (404, "UnknownOperationException"), (method, target, said)
        assert aws.UUID.fullmatch(headers["x-amzn-requestid"])
        status, headers, _ = stage.server.request(method, target, headers={"Authorization": None})
        assert (status, headers["x-amzn-errortype"]) == (403, "MissingAuthenticationToken")


@pytest.mark.soak(180)
def test_an_archive_takes_no_more_memory_than_it_has_itself(stage):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("main.py", "")
        with archive.open("zeros", "w") as zeros:
            for _ in range(400):
                zeros.write(bytes(1 << 20))
    file = upload(stage.server.client(), out.getvalue())
    before = memory(stage.server)
    made = stage.control.create_agent_runtime(agentRuntimeName="zeros", **described(file))
    grown = memory(stage.server) - before
    stage.control.delete_agent_runtime(agentRuntimeId=made["agentRuntimeId"])
    assert grown < 100, f"{grown} MiB"


def memory(server):
    """The most that the server has ever had of it, in MiB."""
    with open(f"/proc/{server.process.pid}/status") as status:
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1]) >> 10
