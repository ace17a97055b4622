"""An MCP server within the test, over HTTP: it counts what it is asked, and is late, gone or odd where a test says so.

It speaks the revision with a handshake, in plain JSON, and knows nothing of the product.
"""
import contextlib
import http.server
import json
import socket
import threading

READS = {"readOnlyHint": True}
TWICE = {"idempotentHint": True}
ONCE = {"destructiveHint": True}
NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def tool(name, hints=READS, description="", schema=None, **more):
    return {"name": name, "description": description, "inputSchema": schema or NUMBER, "annotations": hints, **more}


class ToolServer:
    """`calls` has the name and the arguments of every call that came. While `held` is set, calls wait for `go`."""

    def __init__(self, *tools, token=None, host="127.0.0.1"):
        self.tools = list(tools)
        self.host = host
        # Where calls are sent instead (307), from `/mcp` alone.
        self.moved = None
        self.token = token
        self.calls = []
        self.requests = []
        self.changed = threading.Condition()
        self.held = False
        self.answers = {}
        self.port = 0
        self.http = None
        self.open = set()

    @property
    def url(self):
        return f"http://{self.host}:{self.port}/mcp"

    def count(self, name):
        with self.changed:
            return sum(called == name for called, _ in self.calls)

    def wait_for_calls(self, name, count=1):
        with self.changed:
            done = self.changed.wait_for(lambda: sum(called == name for called, _ in self.calls) >= count, 30)
        assert done, f"{name} was called {self.count(name)} times"

    def hold(self):
        self.held = True

    def release(self):
        with self.changed:
            self.held = False
            self.changed.notify_all()

    def start(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                outer.open.add(self.connection)

            def finish(self):
                outer.open.discard(self.connection)
                super().finish()

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.requests.append((dict(self.headers), body))
                if outer.moved and self.path == "/mcp":
                    return self.answer(307, b"", {"Location": outer.moved})
                if outer.token and self.headers.get("authorization") != f"Bearer {outer.token}":
                    return self.answer(401, b"", {"WWW-Authenticate": "Bearer"})
                message = json.loads(body)
                if "id" not in message:
                    return self.answer(202, b"")
                said = outer.reply(message)
                try:
                    self.answer(200, json.dumps({"jsonrpc": "2.0", "id": message["id"], **said}).encode())
                except OSError:
                    pass  # Nobody listens any more.

            def do_GET(self):
                self.answer(405, b"")

            do_DELETE = do_GET

            def answer(self, status, body, headers=None):
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Http(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.http = Http((self.host, self.port), Handler)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        """Nobody answers at its address any more; `start` begins again there."""
        self.http.shutdown()
        self.http.server_close()
        self.cut()

    def cut(self):
        """Every connection ends at once, in the middle of whatever it does."""
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    __enter__ = start

    def __exit__(self, *_):
        self.release()
        self.stop()

    def reply(self, message):
        method, params = message["method"], message.get("params") or {}
        if method == "initialize":
            return {"result": {
                "protocolVersion": "2025-11-25", "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": {"name": "counter", "version": "1"},
            }}
        if method == "tools/list":
            return {"result": {"tools": self.tools}}
        if method == "tools/call":
            return {"result": self.call(params["name"], params.get("arguments") or {})}
        if method == "ping":
            return {"result": {}}
        return {"error": {"code": -32601, "message": "no such method"}}

    def call(self, name, arguments):
        with self.changed:
            self.calls.append((name, arguments))
            self.changed.notify_all()
            self.changed.wait_for(lambda: not self.held, 60)
        answer = self.answers.get(name, f"{name} {json.dumps(arguments)}")
        if isinstance(answer, dict):
            return answer
        return {"content": [{"type": "text", "text": answer}]}
