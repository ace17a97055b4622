"""How much servers' tools may take: listings that are too long, a model's context that they share, and what is sent of a
call, which is what the model wrote, to the letter."""
import json
import re

import pytest

from conversation import begin, items, messages, post, settle, turns
from server import CONFIG, Server
from test_approvals import answer
from toolserver import ToolServer, tool

PRIVATE = CONFIG + '\n[mcp]\nallowed_hosts = ["127.0.0.1"]\n'
WINDOW = 8000


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("bounds"), config=PRIVATE) as server:
        yield server


@pytest.fixture
def client(own):
    return own.client()


@pytest.fixture
def narrow(tmp_path, upstream):
    """A client of a server whose model `m` is that upstream, and can be told little."""
    entry = f'[[model]]\nname = "m"\nprovider = "openai-chat"\nbase_url = "{upstream.base}"\ncontext_tokens = {WINDOW}\n'
    with Server(tmp_path / "narrow", config=PRIVATE + entry) as server:
        yield server.client()


def mcp(server, label="srv", **more):
    return {"type": "mcp", "server_label": label, "transport": {"type": "http", "server_url": server.url}, **more}


def called(client, session):
    return [item for item in items(client, session) if item.type == "mcp_call"]


def of_servers(asked):
    """The tools of servers that the model was shown, and how many bytes they took."""
    shown = [tool["function"] for tool in asked["body"]["tools"] if tool["function"]["name"] != "tool_search"]
    size = sum(len(one["name"]) + len(one["description"]) + len(json.dumps(one["parameters"])) for one in shown)
    return {one["name"] for one in shown}, size


def told(asked):
    return json.dumps([said["content"] for said in asked["body"]["messages"] if said["role"] in ("system", "developer")])


LONG = [tool(f"t{number}", description="x" * 1000) for number in range(2200)]
MANY = [{"name": f"t{number}", "inputSchema": {"type": "object"}} for number in range(5001)]
SMALL = [{"name": "t", "inputSchema": {"type": "object", "enum": [0] * 60_000}}]


@pytest.mark.parametrize("listing", [LONG, MANY, SMALL], ids=["bytes", "tools", "values"])
def test_a_listing_that_is_too_long_is_none(narrow, client, upstream, listing):
    with ToolServer(*listing) as server, ToolServer(tool("add")) as small:
        upstream.calls = [("small__add", {"n": 1})]
        session, _ = begin(narrow, "go", model="m", tools=[mcp(server), mcp(small, "small")])
        # The others are as they were, and the model is told who is missing.
        assert [call.status for call in called(narrow, session)] == ["completed"]
        assert of_servers(upstream.asked[0])[0] == {"small__add"}
        assert re.search(r'The server .{0,2}"srv.{0,2}" is not available', told(upstream.asked[0]))
        session, _ = begin(client, "say one", tools=[mcp(server, required=True)])
        (turn,) = turns(client, session)
        assert turn.status == "failed" and "mcp_server_startup_failed" in turn.error.message


def test_servers_share_what_a_context_has_for_their_tools(narrow, upstream):
    big = [tool(f"b{number}", description="x" * 900) for number in range(40)]
    with ToolServer(*big) as greedy, ToolServer(tool("add"), tool("sub")) as modest:
        session, _ = begin(narrow, "go", model="m", tools=[mcp(greedy, "greedy"), mcp(modest, "modest")])
        names, size = of_servers(upstream.asked[0])
        # A quarter of the window, at four bytes a token, and nobody is driven out by who has too much.
        assert size <= WINDOW and {"modest__add", "modest__sub"} <= names
        shown = [name for name in names if name.startswith("greedy__")]
        assert 0 < len(shown) < len(big)
        assert f"{len(big) - len(shown)} tools are too much to be shown here" in told(upstream.asked[0])
        # What is not shown is not there to be called; what is, is.
        missing = next(name for name in (f"greedy__b{n}" for n in range(40)) if name not in names)
        upstream.calls = [(missing, {"n": 1}), (shown[0], {"n": 2})]
        begin(narrow, "go", model="m", tools=[mcp(greedy, "greedy"), mcp(modest, "modest")])
        assert greedy.calls == [(shown[0].removeprefix("greedy__"), {"n": 2})]


def test_what_does_not_fit_is_found(narrow, upstream):
    # Too few to be kept back for their number, too large to be shown.
    big = [tool(f"b{number}", description=f"Number {number}. " + "x" * 1500) for number in range(12)]
    with ToolServer(*big) as greedy:
        upstream.calls = [("tool_search", {"query": "b9"}), ("greedy__b9", {"n": 1})]
        begin(narrow, "go", model="m", tools=[{"type": "tool_search"}, mcp(greedy, "greedy")])
        before, size = of_servers(upstream.asked[0])
        assert "greedy__b9" not in before and size <= WINDOW
        assert "greedy__b9" in of_servers(upstream.asked[1])[0]
        assert greedy.calls == [("b9", {"n": 1})]


ODD = '{"n": 1, "big": 123456789012345678901234567890, "small": 1.10, "far": 1E40, "minus": -0.0, "b": [1e2, 0.30]}'


def test_numbers_are_sent_to_the_letter(client):
    with ToolServer(tool("add"), tool("act", {"destructiveHint": True})) as server:
        session, _ = begin(client, f"call srv__add {ODD}\ncall srv__act {ODD}\nsay done", tools=[mcp(server)])
        # One of them waits for consent; what was agreed to is what is sent.
        (wanted,) = client.beta.agents.sessions.retrieve(session).required_actions
        post(client, session, answer(wanted, "approve"))
        settle(client, session, "idle")
        assert [call.status for call in called(client, session)] == ["completed"] * 2
        assert messages(client, session)[-1] == ("assistant", "done")
        sent = [body.decode() for _, body in server.requests if b'"tools/call"' in body]
        assert len(sent) == 2
        for body in sent:
            for number in re.findall(r"[-\d.eE]+(?=[,}\]])", ODD):
                assert number in body, (number, body)
