"""What operators are told of tools, in the log and by the doctor, and what a model is told that calls what its request or its
search has not given it."""
import http.server
import subprocess
import threading

import pytest

from conversation import begin, items, messages, post, message, until, IDLE
from server import CONFIG, Server
from toolserver import ToolServer, tool

PRIVATE = CONFIG + '\n[mcp]\nallowed_hosts = ["127.0.0.1"]\n'


class Engine:
    """A search engine that speaks as SearXNG does, until it is broken."""

    def __init__(self):
        outer = self
        self.broken = False

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(503 if outer.broken else 200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(b'{"results": [{"url": "https://a.example/", "title": "A", "content": "B"}]}')

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.section = f'\n[web_search]\nprovider = "searxng"\nurl = "http://127.0.0.1:{self.http.server_port}"\n'
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def engine():
    engine = Engine()
    yield engine
    engine.http.shutdown()
    engine.http.server_close()


def warnings(server, said):
    lines = (server.folder / "stderr.log").read_text(errors="replace").splitlines()
    return [line for line in lines if said in line]


def doctor(server):
    done = subprocess.run(server.command("doctor"), capture_output=True, text=True, env=server.environment, timeout=60)
    return [line for line in done.stdout.splitlines() if "web search" in line]


def function(name, **more):
    return {"type": "function", "name": name, "description": f"Does {name}.",
            "parameters": {"type": "object", "properties": {}}, **more}


def test_names_that_fit_nothing_are_warned_of_once(tmp_path):
    with Server(tmp_path, config=PRIVATE) as server, ToolServer(tool("add")) as tools:
        client = server.client()
        declared = {"type": "mcp", "server_label": "srv", "transport": {"type": "http", "server_url": tools.url},
                    "allowed_tools": ["add", "ad"]}
        metadata = {"approvals": "never", "approvals.srv.add": "never", "approvals.svr": "never"}
        session, _ = begin(client, "call srv__add {}\nsay one", tools=[declared], metadata=metadata)
        with client.beta.agents.sessions.events.stream(session) as stream:
            post(client, session, message("say two"))
            until(stream, IDLE)
        (allowed,) = warnings(server, "allowed_tools names tools")
        assert '["ad"]' in allowed and session in allowed and "WARN" in allowed
        (approvals,) = warnings(server, "metadata says of approvals")
        assert '["approvals.svr"]' in approvals and session in approvals
        fitting = {"approvals": "never", "approvals.srv": "never", "other": "x"}
        begin(client, "say one", tools=[{**declared, "allowed_tools": ["add"]}], metadata=fitting)
        assert len(warnings(server, "allowed_tools names tools") + warnings(server, "metadata says of approvals")) == 2


def test_a_search_that_fails_is_warned_of_and_the_doctor_asks(tmp_path, engine):
    with Server(tmp_path, config=CONFIG + engine.section) as server:
        (line,) = doctor(server)
        assert line.startswith("ok") and "searxng at 127.0.0.1: answered a search, 1 hits" in line
        client = server.client()
        begin(client, 'call web_search {"query":"a"}\nsay one', tools=[{"type": "web_search"}])
        assert warnings(server, "a web search failed") == []
        engine.broken = True
        session, _ = begin(client, 'call web_search {"query":"b"}\ncall web_search {"query":"c"}\nsay one',
                           tools=[{"type": "web_search"}])
        (line,) = warnings(server, "a web search failed")
        assert session in line and "WARN" in line and "the web cannot be searched" in line
        (line,) = doctor(server)
        assert line.startswith("warn") and "agents that search will be told so" in line


def test_a_request_is_held_to_the_tools_that_it_allows(client):
    allowed = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "mine"}]}
    asked = {"model": "scripted", "tools": [function("mine"), function("other")], "tool_choice": allowed}
    response = client.responses.create(input="call other {}\nsay so", **asked)
    assert [item.type for item in response.output] == ["message"] and response.output_text == "so"
    response = client.responses.create(input="call mine {}\nsay so", **asked)
    assert [item.name for item in response.output] == ["mine"]


def test_a_function_is_called_once_it_is_found(client):
    tools = [function("late_one", defer_loading=True), {"type": "tool_search"}]
    session, _ = begin(client, "call late_one {}\nsay so", tools=tools)
    assert messages(client, session)[-1] == ("assistant", "so")
    assert all(item.type == "message" for item in items(client, session))
    script = 'call tool_search {"query":"late one"}\ncall late_one {}\nsay so'
    session, _ = begin(client, script, tools=tools)
    assert [item.name for item in items(client, session) if item.type == "function_call"] == ["late_one"]
