"""A small model server of the chat wire that remembers what it was asked: what a model really gets to see."""
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Says nothing of what it does, and reads what it is posted."""

    def posted(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *_):
        pass


class Local:
    """A web server of one handler, at a port of its own, for as long as it is entered."""

    def __init__(self, handler):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Upstream(Local):
    """Answers every call with the texts of all user messages it was shown, joined by ` | `; before that it calls the tools
    of `calls`, a name and arguments each, one in an answer."""

    def __init__(self):
        self.asked = []
        self.calls = []
        owner = self

        class Said(Handler):
            def do_POST(self):
                body = self.posted()
                owner.asked.append({"path": self.path, "key": self.headers.get("Authorization"), "body": body})
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                if owner.calls:
                    return self.call(*owner.calls.pop(0))
                self.answer(" | ".join(text(m) for m in body["messages"] if m["role"] == "user"))

            def call(self, name, arguments):
                function = {"name": name, "arguments": json.dumps(arguments)}
                called = {"index": 0, "id": f"call_{len(owner.asked)}", "type": "function", "function": function}
                self.chunk({"delta": {"tool_calls": [called]}, "finish_reason": None})
                self.end("tool_calls", 1)

            def answer(self, said):
                words = said.split(" ")
                for at, word in enumerate(words):
                    self.chunk({"delta": {"content": word if at == 0 else " " + word}, "finish_reason": None})
                self.end("stop", len(words))

            def end(self, reason, count):
                self.chunk({"delta": {}, "finish_reason": reason})
                usage = {"prompt_tokens": 11, "completion_tokens": count, "total_tokens": 11 + count}
                self.chunk(None, usage)
                self.wfile.write(b"data: [DONE]\n\n")

            def chunk(self, choice, usage=None):
                chunk = {
                    "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                    "choices": [] if choice is None else [{"index": 0, **choice}], "usage": usage,
                }
                self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())

        super().__init__(Said)


def text(message):
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
