"""A model server that does as it is told, byte by byte: it streams, stalls, tears, repeats itself, lies.

It reads one request a connection, hands it to a function of the test, and closes. What it says in the end is real HTTP
or is not: that is the function's affair.
"""
import json
import socket
import socketserver
import struct
import threading
import time

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
# Both wires, as the configuration names them.
WIRES = ("openai-chat", "openai-responses")


class Liar:
    """`behave(asked, says)` answers each call: `asked` is the JSON that came, `says` a `Says`."""

    def __init__(self, behave):
        self.asked = []
        self.times = []
        self.over = threading.Event()
        owner = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                asked = read_request(self.rfile)
                if asked is None:
                    return
                owner.asked.append(asked)
                owner.times.append(time.monotonic())
                try:
                    behave(asked, Says(self.connection, owner.over))
                except OSError:
                    pass  # whoever asked has gone

        class Threads(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 1024

            def handle_error(self, *_):
                pass  # a connection that was reset while its request was read

        self.server = Threads(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.base = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


def read_request(stream):
    if not stream.readline():
        return None
    length = 0
    while (line := stream.readline().strip()):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return json.loads(stream.read(length))


class Says:
    """One answer."""

    def __init__(self, connection, over):
        self.connection, self.over = connection, over

    def send(self, data):
        self.connection.sendall(data if isinstance(data, bytes) else data.encode())

    def events(self, *events):
        """Server-sent events: JSON, or text and bytes as they are."""
        for event in events:
            data = json.dumps(event) if isinstance(event, dict) else event
            self.send(b"data: " + (data if isinstance(data, bytes) else data.encode()) + b"\n\n")

    def stream(self, *events):
        self.send(HEAD)
        self.events(*events)

    def refuse(self, status, body=b"", **headers):
        lines = [f"HTTP/1.1 {status} No", "Connection: close", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join(lines) + "\r\n\r\n")
        self.send(body)

    def pause(self, seconds):
        self.over.wait(seconds)

    def hang(self):
        """Says nothing more, until the other side goes or the test is over."""
        self.connection.settimeout(0.05)
        while not self.over.is_set():
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue

    def reset(self):
        """RST instead of a proper end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


# ---- the two wires


def is_chat(asked):
    return "messages" in asked


def text(asked, *words):
    """Events that say these words, without an end."""
    if is_chat(asked):
        return [chunk({"content": word}) for word in words]
    return [{"type": "response.output_text.delta", "delta": word} for word in words]


def reasoning(asked, *words):
    if is_chat(asked):
        return [chunk({"reasoning_content": word}) for word in words]
    return [{"type": "response.reasoning_summary_text.delta", "summary_index": 0, "delta": word} for word in words]


def call(asked, name, arguments, call_id="call_1", index=0):
    """A whole call; `arguments` is text."""
    if is_chat(asked):
        function = {"name": name, "arguments": arguments}
        return [chunk({"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]})]
    item = {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments, "status": "completed"}
    return [{"type": "response.output_item.done", "output_index": index, "item": item}]


def half_a_call(asked, name, arguments, call_id="call_1"):
    """A call that has begun: its first fragment, and no more."""
    if is_chat(asked):
        return call(asked, name, arguments, call_id)
    item = {"type": "function_call", "call_id": call_id, "name": name, "arguments": "", "status": "in_progress"}
    return [
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": arguments},
    ]


def end(asked, reason="stop"):
    if is_chat(asked):
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return [chunk({}, reason), {"choices": [], "usage": usage}, "[DONE]"]
    return [{"type": "response.completed", "response": {"status": "completed", "usage": {"input_tokens": 1, "output_tokens": 1}}}]


def chunk(delta, finish_reason=None):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


def heard(asked):
    """The texts of all user messages, and the results of calls: (user texts, results)."""
    if is_chat(asked):
        said = [message for message in asked["messages"] if message["role"] == "user"]
        return [plain(message["content"]) for message in said], [m["content"] for m in asked["messages"] if m["role"] == "tool"]
    said = [item for item in asked["input"] if item.get("role") == "user"]
    return [plain(item["content"]) for item in said], [i["output"] for i in asked["input"] if i.get("type") == "function_call_output"]


def plain(content):
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def entry(wire, upstream, name="liar", **more):
    """A `[[model]]` of the configuration that asks this upstream."""
    lines = [f'name = "{name}"', f'provider = "{wire}"', f'base_url = "{upstream}"', 'upstream_model = "m"']
    lines += [f"{key} = {value}" for key, value in more.items()]
    return "\n[[model]]\n" + "\n".join(lines) + "\n"
