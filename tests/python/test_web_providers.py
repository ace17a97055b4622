"""Who searches the web: the API of Brave, and a tool of an MCP server. What each is asked, with which key, what of its
answers is shown and cited, and what a search that fails says. SearXNG, pages and domains are in test_web_search.py."""
import http.server
import json
import threading
import urllib.parse

import pytest

from conversation import begin, items, messages
from server import CONFIG, Server
from toolserver import ToolServer, tool

KEY = "planted-search-key-1"
SEARCH = [{"type": "web_search"}]
SCRIPT = 'call web_search {"query":"rome"}\nsay See https://rome.example/x for more.'
FOUND = [
    {"url": "https://rome.example/x", "title": "Rome", "description": "Of <strong>Rome</strong> &amp; its hills."},
    {"url": "https://blocked.example/y", "title": "Blocked", "description": "Never shown."},
    {"url": "javascript:alert(1)", "title": "No page", "description": "Never shown."},
]


class Brave:
    """As its API answers: results below `web`, and a status that says what is wrong."""

    def __init__(self):
        outer = self
        self.asked = []
        self.status, self.body = 200, {"type": "search", "web": {"type": "search", "results": FOUND}}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                address = urllib.parse.urlsplit(self.path)
                outer.asked.append((address.path, urllib.parse.parse_qs(address.query), dict(self.headers)))
                self.send_response(outer.status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(outer.body).encode())

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/res/v1/web/search"

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()


def serving(folder, provider, url, upstream, more=""):
    """A server whose searches go there, and whose model `m` is that upstream."""
    config = f"""
[[model]]
name = "m"
provider = "openai-chat"
base_url = "{upstream.base}"

[web_search]
provider = "{provider}"
url = "{url}"
api_key_env = "SEARCH_KEY"
blocked_domains = ["blocked.example"]
{more}
"""
    return Server(folder, config=CONFIG + config, environment={"SEARCH_KEY": KEY})


def searched(client, session):
    return [item for item in items(client, session) if item.type == "web_search_call"]


def cited(client, session):
    answer = [item for item in items(client, session) if item.type == "message"][-1]
    of = [one if isinstance(one, dict) else one.to_dict() for one in answer.content[0].annotations]
    return [(one["type"], one["url"], one["title"]) for one in of]


def told(upstream):
    """What the model was told of its last call."""
    return [said["content"] for said in upstream.asked[-1]["body"]["messages"] if said["role"] == "tool"][-1]


def test_brave(tmp_path, upstream):
    with Brave() as brave, serving(tmp_path, "brave", brave.url, upstream) as server:
        client = server.client()
        location = {"country": "it"}
        session, _ = begin(client, SCRIPT, tools=[{"type": "web_search", "location": location, "context_size": "low"}])
        (call,) = searched(client, session)
        assert (call.status, call.action.type, call.action.query) == ("completed", "search", "rome")
        assert cited(client, session) == [("url_citation", "https://rome.example/x", "Rome")]
        path, query, headers = brave.asked[0]
        assert path == "/res/v1/web/search"
        assert (query["q"], query["country"]) == (["rome"], ["IT"]) and 1 <= int(query["count"][0]) <= 20
        assert headers["x-subscription-token"] == KEY
        # A country that Brave does not know would make it refuse the search.
        begin(client, SCRIPT, tools=[{"type": "web_search", "location": {"country": "VN"}}])
        assert "country" not in brave.asked[-1][1]
        # What a model is told is text, and of pages that may be shown alone.
        upstream.calls = [("web_search", {"query": "rome"})]
        begin(client, "go", model="m", tools=[{"type": "web_search", "allowed_domains": ["rome.example"]}])
        assert brave.asked[-1][1]["q"] == ["rome (site:rome.example)"]
        assert "Of Rome & its hills." in told(upstream) and "https://rome.example/x" in told(upstream)
        assert "blocked.example" not in told(upstream) and "javascript" not in told(upstream)
        assert KEY not in told(upstream) + server.log()


BAD_KEY, BAD_QUERY = "SUBSCRIPTION_TOKEN_INVALID", "VALIDATION"


@pytest.mark.parametrize(("status", "code", "word"), [
    (401, "", "the key"), (422, BAD_KEY, "the key"), (422, BAD_QUERY, "this search"), (429, "", "429"), (500, "", "500"),
    (200, "", ""),
])
def test_brave_that_does_not_answer(tmp_path, upstream, status, code, word):
    with Brave() as brave, serving(tmp_path, "brave", brave.url, upstream) as server:
        client = server.client()
        brave.status, brave.body = status, {"error": {"code": code, "detail": f"no, {KEY}"}}
        upstream.calls = [("web_search", {"query": "rome"})]
        session, _ = begin(client, "go", model="m", tools=SEARCH)
        (call,) = searched(client, session)
        # An answer without results is an answer.
        assert call.status == ("completed" if status == 200 else "incomplete")
        assert word in told(upstream) and KEY not in told(upstream) + server.log()
        assert messages(client, session)[-1] == ("assistant", "go")


STRUCTURED = {"content": [{"type": "text", "text": "two"}], "structuredContent": {"results": FOUND}}
AS_TEXT = {"content": [{"type": "text", "text": "Rome\nURL: https://rome.example/x\nOf Rome & its hills.\n\nNo page here."}]}


@pytest.mark.parametrize("answer", [STRUCTURED, AS_TEXT], ids=["structured", "text"])
def test_a_tool_of_an_mcp_server(tmp_path, upstream, answer):
    asks = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
    more = 'tool = "find"\nargument = "q"\n'
    with ToolServer(tool("find", schema=asks), tool("other"), token=KEY) as engine:
        engine.answers["find"] = answer
        with serving(tmp_path, "mcp", engine.url, upstream, more) as server:
            client = server.client()
            session, _ = begin(client, SCRIPT, tools=SEARCH)
            (call,) = searched(client, session)
            assert (call.status, call.action.type, call.action.query) == ("completed", "search", "rome")
            assert cited(client, session) == [("url_citation", "https://rome.example/x", "Rome")]
            assert engine.calls == [("find", {"q": "rome"})]
            upstream.calls = [("web_search", {"query": "rome"})]
            begin(client, "go", model="m", tools=SEARCH)
            assert "Of Rome & its hills." in told(upstream) and "blocked.example" not in told(upstream)
            # It is this server's own tool: no agent has it.
            assert not any("find" in one["function"]["name"] for one in upstream.asked[-1]["body"]["tools"])
            assert KEY not in told(upstream) + server.log()


def test_a_tool_of_an_mcp_server_that_fails(tmp_path, upstream):
    more = 'tool = "find"\n'
    with ToolServer(tool("find"), token=KEY) as engine, serving(tmp_path, "mcp", engine.url, upstream, more) as server:
        client = server.client()

        def fails(word):
            upstream.calls = [("web_search", {"query": "rome"})]
            session, _ = begin(client, "go", model="m", tools=SEARCH)
            assert [call.status for call in searched(client, session)] == ["incomplete"]
            assert word in told(upstream) and messages(client, session)[-1] == ("assistant", "go")

        engine.answers["find"] = {"content": [{"type": "text", "text": "too many searches"}], "isError": True}
        fails("too many searches")
        engine.token = "another"
        fails("")
        engine.stop()
        fails("")
        engine.start()
