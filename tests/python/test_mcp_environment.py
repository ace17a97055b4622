"""MCP servers in a session's environment: programs that are started there, and HTTP from within."""
import json

import openai
import pytest

from conversation import items, messages, say, settle, settings
from test_hosted import disk, serving, wait_for
from test_vaults import bearer, found_in

pytestmark = pytest.mark.soak(120)

# An MCP server of a few lines. It notes each start and each call in the file that it is given.
SOURCE = r'''
import json, os, sys, time

def note(line):
    with open(sys.argv[1], "a") as file:
        file.write(line + "\n")

TOOLS = [
    {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}},
    {"name": "act", "inputSchema": {"type": "object"}, "annotations": {"destructiveHint": True}},
    {"name": "wait", "inputSchema": {"type": "object"}, "annotations": {"destructiveHint": True}},
    {"name": "again", "inputSchema": {"type": "object"}, "annotations": {"idempotentHint": True}},
    {"name": "die", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}},
]

def reply(method, params):
    if method == "initialize":
        return {"result": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                           "serverInfo": {"name": "small", "version": "1"}}}
    if method == "tools/list":
        return {"result": {"tools": TOOLS}}
    if method == "tools/call":
        name = params["name"]
        note(name)
        if name == "die":
            print("it is over", file=sys.stderr, flush=True)
            os._exit(3)
        while name in ("wait", "again") and not os.path.exists("go"):
            time.sleep(0.02)
        said = {"look": os.environ.get("WORD", "")}.get(name, name)
        return {"result": {"content": [{"type": "text", "text": said}]}}
    return {"error": {"code": -32601, "message": "no such method"}}

def serve_lines():
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            said = reply(message["method"], message.get("params") or {})
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **said}), flush=True)

def serve_http():
    import http.server
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            message = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with open("heard", "a") as file:
                print(dict(self.headers), file=file)
            body = b""
            if "id" in message:
                said = reply(message["method"], message.get("params") or {})
                body = json.dumps({"jsonrpc": "2.0", "id": message["id"], **said}).encode()
            self.send_response(200 if body else 202)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *_):
            pass
    http.server.ThreadingHTTPServer(("127.0.0.1", 8765), Handler).serve_forever()

note("start")
serve_http() if sys.argv[2:] == ["http"] else serve_lines()
'''
STDIO = {"type": "stdio", "command": "python3", "cwd": ".", "args": ["-c", SOURCE, "notes"], "env": {"WORD": "of the agent"}}
HOSTED = {"type": "openai_hosted", "container_size": "small", "network": {"access": "enabled"}}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("mcp-environment")) as server:
        yield server


def create(client, text, transport=STDIO, environment=HOSTED, vault_ids=(), **more):
    declared = {"type": "mcp", "server_label": "srv", "transport": transport, **more}
    asked = settings(text, tools=[declared], metadata={"approvals": "never"}, vault_ids=list(vault_ids))
    return client.beta.agents.sessions.create(**{**asked, "environment": environment})


def called(client, session):
    return [item for item in items(client, session.id) if item.type == "mcp_call"]


def notes(server, session):
    return (disk(server, session) / "notes").read_text().split()


def test_a_program_is_a_server(own):
    client = own.client()
    session = create(client, "call srv__look {}\nsay done")
    settle(client, session.id, "idle")
    (call,) = called(client, session)
    assert call.status == "completed" and "of the agent" in json.dumps(call.output)
    # The next turn finds it running.
    say(client, session.id, "call srv__act {}\nsay again")
    assert notes(own, session) == ["start", "look", "act"]
    assert messages(client, session.id)[-1] == ("assistant", "again")


def test_a_program_that_ends_is_started_again(own):
    client = own.client()
    session = create(client, "call srv__die {}\nsay done")
    settle(client, session.id, "idle")
    (call,) = called(client, session)
    assert call.status == "failed" and "it is over" in json.dumps(call.error)
    while called(client, session)[-1].status == "failed":
        say(client, session.id, "call srv__look {}\nsay again")
    assert notes(own, session)[-2:] == ["start", "look"]


@pytest.mark.parametrize(("name", "count"), [("wait", 1), ("again", 2)])
def test_a_kill_while_a_program_works(own, name, count):
    client = own.client()
    session = create(client, f"call srv__{name} {{}}\nsay done")
    wait_for(lambda: (disk(own, session) / "notes").exists() and name in notes(own, session), "the call")
    own.kill()
    (disk(own, session) / "go").touch()
    own.start()
    client = own.client()
    settle(client, session.id, "idle")
    (call,) = called(client, session)
    assert notes(own, session).count(name) == count
    if count == 1:
        assert "outcome unknown" in json.dumps(call.error)
    else:
        assert call.status == "completed"
    # Of the earlier program nothing is left: one answers.
    say(client, session.id, "call srv__look {}\nsay again")
    assert notes(own, session)[-1] == "look"


URL = "http://127.0.0.1:8765/mcp"


def from_within(own, client, vault_ids=()):
    """A session that has started a server in its environment and called it; what the server heard beside the messages."""
    transport = {"type": "http", "server_url": URL}
    command = json.dumps({"command": "python3 server.py notes http", "background": True, "yield_time_ms": 1})
    write = json.dumps({"path": "server.py", "content": SOURCE})
    begin = f"call write_file {write}\ncall shell {command}\nsay up"
    session = create(client, begin, transport, vault_ids=vault_ids, connection_origin="environment")
    settle(client, session.id, "idle")
    wait_for(lambda: (disk(own, session) / "notes").exists(), "the server")
    while not called(client, session) or called(client, session)[-1].status == "failed":
        say(client, session.id, "call srv__look {}\nsay done")
    assert called(client, session)[-1].status == "completed"
    return (disk(own, session) / "heard").read_text()


def test_http_from_within(own):
    assert "'mcp-protocol-version'" in from_within(own, own.client()).lower()


def test_a_token_of_a_vault_never_goes_into_an_environment(own):
    client, token = own.client(), "planted-for-the-service"
    vault = client.beta.agents.vaults.create()
    client.beta.agents.vaults.credentials.create(vault.id, name="c", auth=bearer(URL, token))
    heard = from_within(own, client, vault_ids=[vault.id]).lower()
    assert "'mcp-protocol-version'" in heard and "authorization" not in heard
    assert found_in(own, [token]) == []


def test_what_an_environment_does_not_allow_is_refused(own):
    client = own.client()

    def refused(environment, **transport):
        with pytest.raises(openai.BadRequestError) as error:
            create(client, "say one", {**STDIO, **transport}, environment)
        return error.value.body["message"], error.value.body["param"]

    said, param = refused({**HOSTED, "network": {"access": "disabled"}})
    assert "need network access" in said and param == "agent.tools[0].transport"
    said, param = refused({"type": "self_hosted", "workspace_directory": "/tmp"})
    assert "env_vars" in said and param == "agent.tools[0].transport.env"
