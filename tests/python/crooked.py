"""A proxy that passes everything on as it is, or bends it in one way: what a server with one defect looks like.

A bend is an object with any of these methods; what it does not have stays straight.

    request(method, path, headers)                    changes the request's headers
    answer(method, path, status, headers, body)       gives back a status and a body; the body is JSON or None
    events(path, frames)                              a generator over a stream's frames
    message(message)                                  what a WebSocket says, as JSON; gives back the messages to say instead
"""
import http.client
import json
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Base URLs have paths.
ROOM = "/behind/a/proxy"
HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "host"}


class Frame:
    """One event: its data, and the lines beside it."""

    def __init__(self, text):
        lines = text.split("\n")
        self.lines = [line for line in lines if not line.startswith("data:")]
        data = "".join(line[len("data:"):].strip() for line in lines if line.startswith("data:"))
        self.data = data if data == "[DONE]" else json.loads(data) if data else None

    @property
    def kind(self):
        return "" if isinstance(self.data, str) else (self.data or {}).get("type", "").removeprefix("agent.session.")

    def written(self):
        data = [] if self.data is None else ["data: " + (self.data if isinstance(self.data, str) else json.dumps(self.data))]
        return ("\n".join(self.lines + data) + "\n\n").encode()


class Proxy:
    """Stands in front of `upstream` (a port); bends what `bend` bends."""

    def __init__(self, upstream, bend=None):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler(upstream, bend or object()))
        self.server.daemon_threads = True

    @property
    def base(self):
        return f"http://127.0.0.1:{self.server.server_port}{ROOM}/v1"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def handler(upstream, bend):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Small writes must not wait for each other.
        wbufsize = -1
        disable_nagle_algorithm = True

        def log_message(self, *_):
            pass

        def pass_on(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items() if name.lower() not in HOP}
            whole = self.path.removeprefix(ROOM)
            path = whole.removeprefix("/v1")
            if hasattr(bend, "request"):
                bend.request(self.command, path, headers)
            if "upgrade" in headers:
                return self.tunnel(whole, headers)
            connection = http.client.HTTPConnection("127.0.0.1", upstream, timeout=30)
            try:
                connection.request(self.command, whole, body=body or None, headers=headers)
                answer = connection.getresponse()
                kept = {name.lower(): value for name, value in answer.getheaders() if name.lower() not in HOP}
                if kept.get("content-type", "").startswith("text/event-stream"):
                    self.stream(path, answer, kept)
                else:
                    self.whole(path, answer, kept)
            except (BrokenPipeError, ConnectionResetError, TimeoutError):
                self.close_connection = True
            finally:
                connection.close()

        do_GET = do_POST = do_DELETE = pass_on

        def whole(self, path, answer, headers):
            text, status = answer.read(), answer.status
            if hasattr(bend, "answer"):
                is_json = headers.get("content-type", "").startswith("application/json")
                body = json.loads(text) if text and is_json else None
                status, bent = bend.answer(self.command, path, status, headers, body)
                if bent is not body or body is not None:
                    text = b"" if bent is None else json.dumps(bent).encode()
            self.head(status, headers)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            self.wfile.flush()

        def tunnel(self, path, headers):
            """A WebSocket: the client's bytes as they are, the server's messages one by one."""
            self.close_connection = True
            lines = [f"GET {path} HTTP/1.1", f"host: 127.0.0.1:{upstream}", "connection: Upgrade"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            with socket.create_connection(("127.0.0.1", upstream), timeout=30) as line:
                line.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
                threading.Thread(target=pour, args=(self.rfile, line), daemon=True).start()
                answer = line.makefile("rb")
                head = []
                while (text := answer.readline()) not in (b"\r\n", b""):
                    head.append(text)
                is_open = b" 101 " in head[0]
                self.wfile.write(b"".join(head) + (b"" if is_open else b"connection: close\r\n") + b"\r\n")
                if not is_open:
                    length = [int(text.split(b":")[1]) for text in head if text.lower().startswith(b"content-length:")]
                    self.wfile.write(answer.read(length[0]))
                    return
                self.wfile.flush()
                try:
                    for kind, payload in messages(answer):
                        whole = [payload]
                        if kind == 0x81 and hasattr(bend, "message"):
                            whole = [json.dumps(one).encode() for one in bend.message(json.loads(payload))]
                        for one in whole:
                            self.wfile.write(packed(kind, one))
                        self.wfile.flush()
                except (BrokenPipeError, ConnectionResetError, TimeoutError):
                    pass

        def head(self, status, headers):
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)

        def stream(self, path, answer, headers):
            status = answer.status
            if hasattr(bend, "answer"):
                status, _ = bend.answer(self.command, path, status, headers, None)
            self.head(status, headers)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self.wfile.flush()
            frames = read(answer)
            for frame in bend.events(path, frames) if hasattr(bend, "events") else frames:
                piece = frame.written()
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()

    return Handler


def pour(source, line):
    try:
        while piece := source.read1(65536):
            line.sendall(piece)
        line.shutdown(socket.SHUT_WR)
    except (OSError, ValueError):
        # The other side has ended, or this one was closed here.
        pass


def messages(answer):
    """A server's WebSocket frames, which are not masked: the first byte and the payload."""
    while head := answer.read(2):
        length = head[1]
        if length >= 126:
            form = ">H" if length == 126 else ">Q"
            (length,) = struct.unpack(form, answer.read(struct.calcsize(form)))
        yield head[0], answer.read(length)


def packed(kind, payload):
    length = len(payload)
    if length < 126:
        return bytes([kind, length]) + payload
    return bytes([kind]) + (struct.pack(">BH", 126, length) if length < 1 << 16 else struct.pack(">BQ", 127, length)) + payload


def read(answer):
    """Frames as they come; comments are left out."""
    lines = []
    for line in answer:
        line = line.decode().rstrip("\r\n")
        if line:
            lines.append(line)
            continue
        if any(kept.startswith("data:") for kept in lines):
            yield Frame("\n".join(lines))
        lines = []
