"""Runs the real binary: starts it, kills it, starts it again on the same data and the same address.

Tests never look inside: everything here goes through the command line and HTTP.
"""
import contextlib
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

import openai

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("OUTCROP_BINARY", ROOT / "target/release/outcrop"))
KEY = "sk-for-the-tests-0123456789"
BETA = {"OpenAI-Beta": "agents=v1"}

# The names that clients write: `scripted` is free, `priced` costs so much that any limit is soon reached.
CONFIG = """
[[model]]
name = "scripted"
provider = "script"

[[model]]
name = "priced"
provider = "script"
price = { input = 100000.0, cached_input = 100000.0, output = 100000.0 }
"""


def free_port():
    """A port below the range that the system hands out, so that a client knocking at a dead server never meets itself."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Server:
    """One server process on one data folder. `start` may be called again after `kill` or `stop`."""

    def __init__(self, folder, config=CONFIG, environment=None, port=None, binary=BINARY):
        self.binary = binary
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = self.folder / "data"
        self.config = self.folder / "outcrop.toml"
        self.config.write_text(config)
        self.port = free_port() if port is None else port
        self.environment = {**os.environ, "OUTCROP_API_KEY": KEY, "NO_PROXY": "127.0.0.1", **(environment or {})}
        self.process = None
        self.listening = None

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def base(self):
        return f"{self.origin}/v1"

    def log(self):
        return (self.folder / "stderr.log").read_text(errors="replace")[-4000:]

    def start(self):
        """Returns when the server says that it listens."""
        with open(self.folder / "stderr.log", "ab") as errors:
            self.process = subprocess.Popen(
                self.command("serve", "--listen", f"127.0.0.1:{self.port}"),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True, env=self.environment,
            )
        printed = []
        for line in self.process.stdout:
            printed.append(line)
            if line.startswith("listening on http://"):
                self.listening = line.split()[2]
                self.port = int(self.listening.rsplit(":", 1)[1])
                break
        else:
            raise AssertionError(f"ended with {self.process.wait()}: {''.join(printed)}{self.log()}")
        # What else it prints must go somewhere, or the pipe fills up.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        return self

    def kill(self):
        """SIGKILL: no chance to tidy up."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is not None:
            return
        if any(self.data.glob("environments/*/keeper.sock")):
            # Sandboxes outlive a server that is killed.
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=40)
                return
        self.kill()

    def command(self, *words):
        return [str(self.binary), *words, "--config", str(self.config), "--data", str(self.data)]

    def run(self, *words):
        """One command of the CLI beside the running server; what it printed."""
        done = subprocess.run(
            self.command(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True, env=self.environment, timeout=30
        )
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def create_key(self, *options):
        """A new key and its id."""
        before = self.key_ids()
        key = re.search(r"sk-[A-Za-z0-9_-]+", self.run("key", "create", *options)).group()
        (identity,) = self.key_ids() - before
        return key, identity

    def key_ids(self):
        return set(re.findall(r"key_[0-9a-f]{24}", self.run("key", "list")))

    def client(self, key=KEY, retries=0, timeout=30):
        """The unmodified SDK, strict: an answer with a missing or mistyped field is an error."""
        return openai.OpenAI(
            base_url=self.base, api_key=key, max_retries=retries, timeout=timeout, _strict_response_validation=True
        )

    def request(self, method, path, body=None, headers=None, key=KEY):
        """One request without the SDK. `body` is JSON, or bytes as they are. Status, headers (lower case), bytes."""
        sent = {"Authorization": f"Bearer {key}", **BETA, **(headers or {})}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body=body, headers={k: v for k, v in sent.items() if v is not None})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def json(self, method, path, body=None, headers=None, key=KEY):
        """As `request`, with the answer parsed: status and JSON."""
        status, _, text = self.request(method, path, body, headers, key)
        return status, json.loads(text)

    def events(self, session, query="", headers=None, method="GET", body=None):
        """The raw event stream of a session, as JSON, one by one, from a connection of its own."""
        path = f"/v1/agents/sessions/{session}/events?include_obfuscation=false{query}"
        return RawStream(self.port, method, path, body, headers)


class RawStream:
    """Server-sent events as they come over the wire. The stream is live as soon as the constructor returns."""

    def __init__(self, port, method, path, body=None, headers=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        sent = {"Authorization": f"Bearer {KEY}", "Accept": "text/event-stream", **BETA, **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json"
        self.connection.request(method, path, body=None if body is None else json.dumps(body), headers=sent)
        self.answer = self.connection.getresponse()
        self.status = self.answer.status

    def error(self):
        return json.loads(self.answer.read())["error"]

    def __iter__(self):
        assert self.status in (200, 201), f"{self.status}: {self.answer.read()}"
        for line in self.answer:
            if line.startswith(b"data: "):
                yield json.loads(line[len(b"data: "):])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Not only `close`: the answer keeps the socket open as long as it is not read to its end.
        self.answer.close()
        self.connection.close()
