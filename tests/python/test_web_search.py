"""Web search and pages: what clients see of them, what answers cite, which domains are looked at."""
import http.server
import json
import threading
import urllib.parse

import openai
import pytest

from conversation import begin, items, messages, settings
from server import CONFIG, Server


class Web:
    """A search engine that speaks as SearXNG does, and the pages that it finds."""

    def __init__(self):
        outer = self
        self.queries = []
        self.pages = {}
        self.read = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                address = urllib.parse.urlsplit(self.path)
                if address.path == "/search":
                    query = urllib.parse.parse_qs(address.query)
                    outer.queries.append(query["q"][0])
                    return self.answer(200, "application/json", json.dumps({"results": outer.results}))
                outer.read.append((self.headers["host"].split(":")[0], address.path))
                status, kind, body = outer.pages.get(address.path, (404, "text/plain", "nothing"))
                self.answer(status, kind, body)

            def answer(self, status, kind, body):
                self.send_response(status)
                if status in (301, 302):
                    self.send_header("Location", body)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.http.server_port}"
        self.results = [
            {"url": f"{self.base}/rome", "title": "Rome", "content": "Of <b>Rome</b>."},
            {"url": "https://other.example/x", "title": "Other", "content": "Not of it."},
            {"url": "https://blocked.example/y", "title": "Blocked", "content": "Never shown."},
        ]
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture(scope="module")
def web():
    web = Web()
    yield web
    web.http.shutdown()
    web.http.server_close()


def looking(web, blocked):
    """The section of a server that searches there. Both names of this machine may be reached as far as addresses go."""
    return f'''
[web_search]
provider = "searxng"
url = "{web.base}"
blocked_domains = {json.dumps(blocked)}
allowed_hosts = ["127.0.0.1", "localhost"]
'''


@pytest.fixture(scope="module")
def own(web, tmp_path_factory):
    with Server(tmp_path_factory.mktemp("web"), config=CONFIG + looking(web, ["localhost", "blocked.example"])) as server:
        yield server


@pytest.fixture
def client(own):
    return own.client()


def searched(client, session):
    return [item for item in items(client, session) if item.type == "web_search_call"]


def test_a_search_is_shown_and_cited(client, web):
    script = f'call web_search {{"query":"rome"}}\nsay See {web.base}/rome for more.'
    session, _ = begin(client, script, tools=[{"type": "web_search"}])
    (call,) = searched(client, session)
    assert (call.status, call.action.type, call.action.query) == ("completed", "search", "rome")
    answer = [item for item in items(client, session) if item.type == "message"][-1]
    (cited,) = answer.content[0].annotations
    cited = cited if isinstance(cited, dict) else cited.to_dict()
    assert (cited["type"], cited["url"], cited["title"]) == ("url_citation", f"{web.base}/rome", "Rome")
    text = answer.content[0].text
    assert text[cited["start_index"]:cited["end_index"]] == f"{web.base}/rome"


def test_a_page_is_read(web, tmp_path, upstream):
    web.pages["/rome"] = (200, "text/html", "<title>Rome</title><script>no()</script><p>It was not built in a day.")
    entry = f'[[model]]\nname = "m"\nprovider = "openai-chat"\nbase_url = "{upstream.base}"\n'
    upstream.calls = [("web_fetch", {"url": f"{web.base}/rome"})]
    with Server(tmp_path, config=CONFIG + looking(web, []) + entry) as server:
        client = server.client()
        session, _ = begin(client, "go", model="m", tools=[{"type": "web_search"}])
        (call,) = searched(client, session)
        assert (call.status, call.action.type, call.action.url) == ("completed", "open_page", f"{web.base}/rome")
        (told,) = [said["content"] for said in upstream.asked[-1]["body"]["messages"] if said["role"] == "tool"]
        assert "It was not built in a day." in told and "no()" not in told
        # Its other name is as good, as long as nothing says that it is blocked: see below.
        other = web.base.replace("127.0.0.1", "localhost")
        session, _ = begin(client, f'call web_fetch {{"url":"{other}/rome"}}\nsay done', tools=[{"type": "web_search"}])
        assert [call.status for call in searched(client, session)] == ["completed"]
        assert ("localhost", "/rome") in web.read


def test_domains_decide_what_is_looked_at(client, web):
    blocked = web.base.replace("127.0.0.1", "localhost")
    web.pages["/rome"] = (200, "text/html", "<title>Rome</title>")
    web.pages["/away"] = (302, "text/plain", f"{blocked}/rome")
    web.read.clear()
    for address in (f"{blocked}/rome", f"{web.base}/away", "http://10.0.0.1/", "file:///etc/passwd"):
        script = f'call web_fetch {{"url":"{address}"}}\nsay done'
        session, _ = begin(client, script, tools=[{"type": "web_search"}])
        assert [call.status for call in searched(client, session)] in (["failed"], ["incomplete"]), address
        assert messages(client, session)[-1] == ("assistant", "done")
    assert web.read == [("127.0.0.1", "/away")]
    tools = [{"type": "web_search", "allowed_domains": ["other.example"]}]
    session, _ = begin(client, f'call web_fetch {{"url":"{web.base}/rome"}}\nsay done', tools=tools)
    assert [call.status for call in searched(client, session)] in (["failed"], ["incomplete"])
    begin(client, 'call web_search {"query":"rome"}\nsay done', tools=tools)
    assert web.queries[-1] == "rome (site:other.example)"


def test_what_was_found_before_does_where_the_agent_says_so(client, web):
    tools = [{"type": "web_search", "mode": "cached"}]
    before = len(web.queries)
    for _ in range(3):
        begin(client, 'call web_search {"query":"once only"}\nsay done', tools=tools)
    assert len(web.queries) == before + 1


def test_without_a_provider_it_is_refused_unless_disabled(client, server):
    with pytest.raises(openai.BadRequestError) as error:
        server.client().beta.agents.sessions.create(**settings("say one", tools=[{"type": "web_search"}]))
    assert "[web_search]" in error.value.body["message"] and error.value.body["param"] == "agent.tools[0]"
    disabled = [{"type": "web_search", "mode": "disabled"}]
    session, _ = begin(server.client(), 'call web_search {"query":"x"}\nsay done', tools=disabled)
    assert messages(server.client(), session)[-1] == ("assistant", "done")
    session, _ = begin(client, 'call web_search {"query":"x"}\nsay done', tools=disabled)
    assert searched(client, session) == []
