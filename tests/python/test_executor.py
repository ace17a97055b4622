"""`outcrop executor` as its clients see it: over a WebSocket and over lines, with the texts of the original."""
import base64
import http.server
import itertools
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import urllib.request

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect, unix_connect

from server import BINARY

# Whatever proxy this machine has, it is not for what stands on it.
ENVIRONMENT = {**os.environ, "NO_PROXY": "127.0.0.1"}


class Executor:
    """A running executor that listens for WebSockets."""

    def __init__(self):
        self.process = subprocess.Popen(
            [str(BINARY), "executor", "--listen", "ws://127.0.0.1:0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=ENVIRONMENT,
        )
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("ws://127.0.0.1:"), self.process.wait(timeout=10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=30) == 0

    def client(self):
        return Client(WebSocketLine(self.url))


class WebSocketLine:
    def __init__(self, url):
        self.context = connect(url, max_size=None, open_timeout=30)
        self.socket = self.context.__enter__()

    def send(self, text):
        self.socket.send(text)

    def receive(self):
        return self.socket.recv()

    def close(self):
        self.context.__exit__(None, None, None)


class StdioLine:
    """An executor of its own, spoken to by lines."""

    def __init__(self):
        self.process = subprocess.Popen(
            [str(BINARY), "executor", "--listen", "stdio"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT,
        )

    def send(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def receive(self):
        line = self.process.stdout.readline()
        if not line:
            raise EOFError
        return line

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=30) == 0


class InheritedLine(WebSocketLine):
    """An executor of its own, which was handed a listening socket."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        path = f"{self.folder.name}/executor.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            self.process = subprocess.Popen(
                [str(BINARY), "executor", "--listen", "inherited"],
                stdin=listener, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT,
            )
        # It need not accept yet.
        self.context = unix_connect(path, uri="ws://executor/", max_size=None, open_timeout=30)
        self.socket = self.context.__enter__()

    def close(self):
        super().close()
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=30)
        assert (self.process.returncode, output) == (0, b"")
        self.folder.cleanup()


class Refused(Exception):
    pass


class Client:
    def __init__(self, line):
        self.line = line
        self.ids = itertools.count(1)
        self.notifications = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.line.close()

    def send(self, **message):
        self.line.send(json.dumps(message))

    def next(self):
        message = json.loads(self.line.receive())
        assert "jsonrpc" not in message
        return message

    def answer(self, id):
        while True:
            message = self.next()
            if "method" in message:
                self.notifications.append(message)
                continue
            assert message["id"] == id, message
            if "error" in message:
                raise Refused(message["error"]["code"], message["error"]["message"])
            return message["result"]

    def ask(self, method, /, **params):
        id = next(self.ids)
        self.send(id=id, method=method, params=params)
        return self.answer(id)

    def refused(self, method, /, **params):
        with pytest.raises(Refused) as caught:
            self.ask(method, **params)
        return caught.value.args

    def begin(self, **params):
        session = self.ask("initialize", clientName="test", **params)
        self.send(method="initialized", params={})
        return session

    def start(self, id, *argv, **more):
        params = {"cwd": "file:///tmp", "env": {"PATH": "/usr/bin:/bin"}, "tty": False, "arg0": None, **more}
        return self.ask("process/start", processId=id, argv=list(argv), **params)

    def until_closed(self, id):
        events = []
        while True:
            message = self.notifications.pop(0) if self.notifications else self.next()
            if message.get("params", {}).get("processId") == id:
                events.append(message)
                if message["method"] == "process/closed":
                    return events

    def read(self, id, after=None, wait=0):
        return self.ask("process/read", processId=id, afterSeq=after, maxBytes=65536, waitMs=wait)


def said(events, stream):
    chunks = [event["params"]["chunk"] for event in events if event["params"].get("stream") == stream]
    return b"".join(map(base64.b64decode, chunks))


@pytest.fixture(scope="module")
def executor():
    with Executor() as executor:
        yield executor


@pytest.fixture(params=["ws", "stdio", "inherited"])
def client(request, executor):
    lines = {"ws": lambda: WebSocketLine(executor.url), "stdio": StdioLine, "inherited": InheritedLine}
    with Client(lines[request.param]()) as client:
        client.begin()
        yield client


def test_a_conversation_like_that_with_the_original(client, tmp_path):
    """The calls that were recorded with codex exec-server 0.169.0, and the answers it gave."""
    assert client.ask("environment/status") == {"status": "ready"}
    path = (tmp_path / "a.txt").as_uri()
    assert client.ask("fs/writeFile", path=path, dataBase64="aGVsbG8=", sandbox=None) == {}
    assert client.ask("fs/readFile", path=path, sandbox=None) == {"dataBase64": "aGVsbG8="}
    missing = (-32004, "No such file or directory (os error 2)")
    assert client.refused("fs/readFile", path=(tmp_path / "none").as_uri(), sandbox=None) == missing
    bare = (-32602, "invalid URI: relative URL without a base")
    assert client.refused("fs/readFile", path="/tmp/x") == bare
    seen = client.ask("fs/getMetadata", path=path, sandbox=None)
    assert (seen["isDirectory"], seen["isFile"], seen["isSymlink"], seen["size"]) == (False, True, False, 5)
    assert client.ask("fs/createDirectory", path=(tmp_path / "d/e").as_uri(), recursive=True, sandbox=None) == {}
    entries = [{"fileName": "a.txt", "isDirectory": False, "isFile": True}, {"fileName": "d", "isDirectory": True, "isFile": False}]
    assert client.ask("fs/readDirectory", path=tmp_path.as_uri(), sandbox=None) == {"entries": entries}
    assert client.ask("fs/canonicalize", path=f"{tmp_path.as_uri()}/d/../a.txt", sandbox=None) == {"path": path}
    assert client.refused("fs/walk", path=tmp_path.as_uri(), options={}) == (-32602, "missing field `maxDepth`")
    options = {"maxDepth": 5, "maxEntries": 100}
    assert client.refused("fs/walk", path=tmp_path.as_uri(), options=options) == (-32602, "missing field `maxDirectories`")
    assert client.ask("fs/open", handleId="h1", path=path, sandbox=None) == {"handleId": "h1"}
    assert client.ask("fs/readBlock", handleId="h1", offset=0, len=3) == {"chunk": "aGVs", "eof": False}
    assert client.ask("fs/readBlock", handleId="h1", offset=3, len=100) == {"chunk": "bG8=", "eof": True}
    assert client.ask("fs/close", handleId="h1") == {}
    unknown = (-32602, "unknown variant `write`, expected `read` or `replace`")
    assert client.refused("fs/open", handleId="w1", path=path, mode="write") == unknown
    assert client.refused("fs/writeBlock", handleId="w1", offset=0) == (-32602, "missing field `chunk`")
    gone = (-32004, "unknown file handle `w1`")
    assert client.refused("fs/writeBlock", handleId="w1", offset=0, chunk="aGk=") == gone
    assert client.start("p2", "/bin/sleep", "600", env={}) == {"processId": "p2", "sandboxType": "none"}
    with pytest.raises(Refused) as caught:
        client.start("p2", "/bin/true")
    assert caught.value.args == (-32600, "process p2 already exists")
    assert client.ask("process/write", processId="p2", chunk="YQ==", writeId="q") == {"status": "stdinClosed"}
    assert client.ask("process/terminate", processId="p2") == {"running": True}
    exited, closed = client.until_closed("p2")
    assert exited["params"] == {"processId": "p2", "seq": 1, "exitCode": 137, "sandboxDenied": False}
    assert closed["params"] == {"processId": "p2", "seq": 2}
    assert client.ask("process/terminate", processId="nope") == {"running": False}
    assert client.ask("process/write", processId="nope", chunk="YQ==", writeId="x") == {"status": "unknownProcess"}
    with pytest.raises(Refused) as caught:
        client.start("p3")
    assert caught.value.args == (-32602, "argv must not be empty")
    with pytest.raises(Refused) as caught:
        client.start("p5", "/no/such")
    assert caught.value.args == (-32603, "No such file or directory (os error 2)")
    assert client.refused("x/y") == (-32601, "exec-server stub does not implement `x/y` yet")


def test_a_terminal_is_typed_into_and_interrupted(client):
    client.start("pty", "/bin/sh", "-c", "read x; echo got:$x; exec sleep 600", tty=True)
    assert client.ask("process/write", processId="pty", chunk="YWJjCg==", writeId="w1") == {"status": "accepted"}
    heard, after = b"", 0
    while b"got:abc\r\n" not in heard:
        for chunk in client.read("pty", after, 30000)["chunks"]:
            assert chunk["stream"] == "pty"
            heard, after = heard + base64.b64decode(chunk["chunk"]), chunk["seq"]
    assert client.ask("process/signal", processId="pty", signal="interrupt") == {}
    assert client.until_closed("pty")[-2]["params"]["exitCode"] == 130


def test_requests_may_be_sent_ahead_and_keep_their_order(client, tmp_path):
    path = (tmp_path / "w2.txt").as_uri()
    client.send(id="a", method="fs/open", params={"handleId": "w", "path": path, "mode": "replace"})
    client.send(id="b", method="fs/writeBlock", params={"handleId": "w", "offset": 0, "chunk": "aGk="})
    client.send(id="c", method="fs/close", params={"handleId": "w"})
    client.send(jsonrpc="2.0", id="d", method="fs/readFile", params={"path": path})
    answers = [client.answer(id) for id in "abcd"]
    assert answers == [{"handleId": "w"}, {}, {}, {"dataBase64": "aGk="}]


def test_files_of_megabytes_travel_in_one_message(client, tmp_path):
    data = os.urandom(20_000_000)
    path = (tmp_path / "large").as_uri()
    client.ask("fs/writeFile", path=path, dataBase64=base64.b64encode(data).decode())
    assert base64.b64decode(client.ask("fs/readFile", path=path)["dataBase64"]) == data


class Site(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/away":
            self.send_response(307)
            self.send_header("location", "/echo")
            self.send_header("content-length", "0")
            self.end_headers()
            return
        self.send_response(201)
        self.send_header("x-said", self.headers.get("x-say", ""))
        # A body that is cut short, where it is asked for.
        self.send_header("content-length", str(len(body) + (self.path == "/torn")))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{site.server_port}"
        site.shutdown()


def test_http_from_inside(client, site):
    data = os.urandom(1_000_000)
    request = {"method": "POST", "headers": [{"name": "X-Say", "value": "hi"}], "bodyBase64": base64.b64encode(data).decode()}
    whole = client.ask("http/request", url=f"{site}/echo", requestId="r1", **request)
    assert (whole["status"], base64.b64decode(whole["bodyBase64"])) == (201, data)
    assert {"name": "x-said", "value": "hi"} in whole["headers"]
    assert client.ask("http/request", url=f"{site}/away", requestId="r2", **request)["status"] == 201
    stopped = client.ask("http/request", url=f"{site}/away", requestId="r3", redirectPolicy="stop", **request)
    assert stopped["status"] == 307
    for path, torn in [("echo", False), ("torn", True)]:
        head = client.ask("http/request", url=f"{site}/{path}", requestId=path, streamResponse=True, **request)
        assert (head["status"], head["bodyBase64"]) == (201, "")
        deltas = []
        while not deltas or not deltas[-1]["done"]:
            message = client.notifications.pop(0) if client.notifications else client.next()
            assert message["method"] == "http/request/bodyDelta" and message["params"]["requestId"] == path
            deltas.append(message["params"])
        assert [delta["seq"] for delta in deltas] == list(range(1, len(deltas) + 1))
        assert b"".join(base64.b64decode(delta["deltaBase64"]) for delta in deltas) == data
        assert (deltas[-1]["error"] is not None) == torn


def test_http_that_cannot_be(client):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        late = client.refused("http/request", method="GET", url=url, requestId="r", timeoutMs=50)
        assert late == (-32603, "the request took longer than 50 ms")
    assert client.refused("http/request", method="GET", url=url, requestId="r")[0] == -32603
    assert client.refused("http/request", method="GET", url="nowhere", requestId="r") == (-32602, "relative URL without a base")
    assert client.refused("http/request", method="G T", url=url, requestId="r")[0] == -32602
    assert client.refused("http/request", method="GET", url=url) == (-32602, "missing field `requestId`")
    bad = [{"name": "a b", "value": "c"}]
    assert client.refused("http/request", method="GET", url=url, requestId="r", headers=bad)[0] == -32602


def test_broken_messages_are_answered(client):
    for broken in ["nonsense", "{}", "[]", '{"id":1.5,"method":"x"}']:
        client.line.send(broken)
        answer = client.next()
        assert (answer["id"], answer["error"]["code"]) == (-1, -32600)
    client.ask("environment/status")
    client.send(method="foo/bar", params={})
    with pytest.raises((EOFError, ConnectionClosed)):
        client.next()


def test_the_handshake_comes_first_and_once(executor):
    with executor.client() as client:
        early = (-32600, "client must call initialize before using exec methods")
        assert client.refused("process/terminate", processId="p") == early
        assert client.refused("initialize") == (-32602, "missing field `clientName`")
        info = client.begin()["environmentInfo"]
        assert info["platformOs"] == "linux" and info["cwd"].startswith("file:///") and info["shell"]["path"]
        assert client.ask("environment/info") == info
        again = (-32600, "initialize may only be sent once per connection")
        assert client.refused("initialize", clientName="test") == again


def test_a_session_goes_on_over_a_new_connection(executor, tmp_path):
    """The line is cut, not closed, while a command runs: its whole output is there, and it ran once."""
    client = executor.client()
    session = client.begin()["sessionId"]
    gate, runs = tmp_path / "gate", tmp_path / "runs"
    script = f"echo run >> {runs}; echo one; until test -e {gate}; do sleep 0.01; done; echo two; exit 5"
    client.start("p", "/bin/sh", "-c", script)
    with executor.client() as other:
        taken = (-32010, f"session {session} is already attached to another connection")
        assert other.refused("initialize", clientName="test", resumeSessionId=session) == taken
    client.line.socket.socket.shutdown(socket.SHUT_RDWR)
    gate.touch()
    while True:
        client = executor.client()
        try:
            assert client.begin(resumeSessionId=session)["sessionId"] == session
            break
        except Refused as refused:
            assert refused.args[0] == -32010
            client.line.close()
    heard, after = b"", 0
    while True:
        read = client.read("p", after, 30000)
        for chunk in read["chunks"]:
            heard, after = heard + base64.b64decode(chunk["chunk"]), chunk["seq"]
        if read["closed"]:
            break
    assert (heard, read["exitCode"], runs.read_text()) == (b"one\ntwo\n", 5, "run\n")
    with pytest.raises(Refused) as caught:
        client.start("p", "/bin/true")
    assert caught.value.args == (-32600, "process p already exists")
    client.line.close()
    with executor.client() as other:
        unknown = (-32600, "unknown session id nobody")
        assert other.refused("initialize", clientName="test", resumeSessionId="nobody") == unknown


def test_nothing_outlives_the_executor(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with Executor() as executor:
        client = executor.client()
        client.begin()
        client.start("p", "/bin/sh", "-c", f"sleep 600 > {fifo} 2>&1 & exit 0")
        held = open(fifo, "rb")
        client.until_closed("p")
    # It ends when nobody holds it any more.
    assert held.read() == b""
    held.close()


def test_a_message_of_more_than_64_mib_ends_the_connection_and_no_other(executor):
    with executor.client() as bystander:
        bystander.begin()
        client = executor.client()
        client.begin()
        with pytest.raises(ConnectionClosed) as closed:
            client.line.send(json.dumps({"id": 1, "method": "x", "params": "x" * (64 << 20)}))
            client.next()
        assert closed.value.rcvd is None or closed.value.rcvd.code == 1009
        assert bystander.ask("environment/status") == {"status": "ready"}


def test_a_line_of_more_than_64_mib_is_answered():
    with Client(StdioLine()) as client:
        client.begin()
        client.line.send(json.dumps({"id": 1, "method": "x", "params": "x" * (64 << 20)}))
        answer = client.next()
        assert answer["id"] == -1 and "67108864 bytes" in answer["error"]["message"]
        assert client.ask("environment/status") == {"status": "ready"}


def test_invalid_utf8_is_refused(executor):
    with Client(StdioLine()) as client:
        client.begin()
        client.line.process.stdin.write(b'{"id":1,"method":"\xff"}\n')
        client.line.process.stdin.flush()
        assert client.next()["error"]["code"] == -32600
        assert client.ask("environment/status") == {"status": "ready"}
    client = executor.client()
    client.line.socket.send(b'{"id":1,"method":"\xff"}', text=False)
    assert client.next()["error"]["code"] == -32600
    client.line.socket.send(b"\xff", text=True)
    with pytest.raises(ConnectionClosed) as closed:
        client.next()
    assert closed.value.rcvd.code == 1007


def test_http_beside_the_socket(executor):
    origin = executor.url.replace("ws://", "http://")
    with urllib.request.urlopen(f"{origin}/readyz", timeout=30) as ready:
        assert (ready.status, ready.read()) == (200, b"")
    for path, headers, status in [
        ("/healthz", {}, 404),
        ("/", {}, 404),
        # What a browser sends along with the socket that a page opens.
        ("/", {"Origin": "http://evil.example", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}, 403),
        ("/", {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "8",
               "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}, 400),
    ]:
        # urllib sends a `Connection` of its own.
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        host, port = origin.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as plain:
            plain.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode())
            assert plain.recv(100).startswith(f"HTTP/1.1 {status} ".encode()), (path, headers)


@pytest.mark.parametrize("listen, status", [("http://x", 2), ("ws://example.com:1", 2), ("ws://0.0.0.0:0", 1), ("inherited", 1)])
def test_places_where_it_does_not_listen(listen, status):
    command = [str(BINARY), "executor", "--listen", listen]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("error: ")
