"""Vaults: the ten calls, what a secret is used for, and that it is found nowhere: every file, log line, answer and sandbox
of a run is read for what was planted. Root keys that are replaced, or gone; a server that is killed in a refresh."""
import http.server
import json
import sqlite3
import threading
import time
import urllib.parse

import httpx
import openai
import pytest

from conversation import begin, items, settle
from server import CONFIG, Server
from toolserver import ToolServer, tool

OPEN = CONFIG + '\n[mcp]\nallowed_hosts = ["127.0.0.1"]\n'
PAST = "2020-01-01T00:00:00Z"


def variable(value, name="SERVICE_API_KEY", hosts=("api.example.com",)):
    networking = {"type": "limited", "allowed_hosts": list(hosts)}
    return {"type": "environment_variable", "secret_name": name, "secret_value": value, "networking": networking}


def bearer(url, token):
    return {"type": "static_bearer", "mcp_server_url": url, "token": token}


def oauth(url, endpoint, access, refresh, secret):
    return {
        "type": "mcp_oauth", "mcp_server_url": url, "access_token": access, "expires_at": PAST,
        "refresh": {
            "client_id": "client", "refresh_token": refresh, "token_endpoint": endpoint,
            "token_endpoint_auth": {"type": "client_secret_basic", "client_secret": secret},
        },
    }


def mcp(server, **more):
    transport = {"type": "http", "server_url": server.url}
    return {"type": "mcp", "server_label": "srv", "transport": transport, "required": True, **more}


def call(client, server, vault):
    """The call of one session that has this vault."""
    begun = begin(client, 'call srv__add {"n":1}\nsay done', tools=[mcp(server)], vault_ids=[vault.id])
    return begun[0], [item for item in items(client, begun[0]) if item.type == "mcp_call"]


class TokenServer:
    """Each refresh token is taken one time. While `held` is set, an answer waits after the token was taken."""

    def __init__(self, refresh, tokens):
        self.good, self.tokens, self.asked = refresh, iter(tokens), []
        self.changed, self.held = threading.Condition(), False

    def __enter__(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
                with outer.changed:
                    if form["refresh_token"] == outer.good:
                        access, outer.good = next(outer.tokens)
                        said = 200, {"access_token": access, "token_type": "Bearer", "expires_in": 3600, "refresh_token": outer.good}
                    else:
                        said = 400, {"error": "invalid_grant", "error_description": f"{form['refresh_token']} is used up"}
                    outer.asked.append((self.headers.get("authorization"), form))
                    outer.changed.notify_all()
                    outer.changed.wait_for(lambda: not outer.held)
                body = json.dumps(said[1]).encode()
                try:
                    self.send_response(said[0])
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # Who asked was killed.

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/token"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.release()
        self.http.shutdown()
        self.http.server_close()

    def release(self):
        with self.changed:
            self.held = False
            self.changed.notify_all()

    def wait_for(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.asked) >= count, 30), self.asked


class Heard(httpx.HTTPTransport):
    """What a server answers to its clients, whole: each body to its last byte, streams and errors, too."""

    def __init__(self):
        super().__init__()
        self.bodies = []

    def handle_request(self, request):
        # Compressed, nothing would be found.
        request.headers["accept-encoding"] = "identity"
        answer = super().handle_request(request)
        body = bytearray(str(answer.headers.raw).encode())
        self.bodies.append(body)
        answer.stream = Copied(answer.stream, body)
        return answer


class Copied(httpx.SyncByteStream):
    def __init__(self, stream, body):
        self.stream, self.body = stream, body

    def __iter__(self):
        for part in self.stream:
            self.body += part
            yield part

    def close(self):
        self.stream.close()


def found_in(server, planted):
    """Where the planted values are, in every file below the server's folder."""
    places = []
    for path in server.folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            places += [(path.name, secret) for secret in planted if secret.encode() in content]
    return places


def test_the_ten_calls(client):
    vaults = client.beta.agents.vaults
    vault = vaults.create(name="  all ten ", metadata={"team": "ten"})
    assert (vault.name, vault.object, vaults.retrieve(vault.id)) == ("all ten", "vault", vault)
    assert [one.id for one in vaults.list(metadata={"team": "ten"}, status="active")] == [vault.id]
    assert [one.id for one in vaults.list(metadata={"team": "ten"}, status=["archived"])] == []
    changed = vaults.update(vault.id, name=None, metadata={})
    assert (changed.name, changed.metadata, changed.created_at) == (None, {}, vault.created_at)
    made = [
        vaults.credentials.create(vault.id, name=f"c{n}", auth=auth, metadata={"n": str(n)})
        for n, auth in enumerate([
            bearer("https://a.example/mcp", "planted-1"), variable("planted-2"),
            oauth("https://b.example/mcp", "https://b.example/token", "planted-3", "planted-4", "planted-5"),
        ])
    ]
    assert [one.auth.type for one in made] == ["static_bearer", "environment_variable", "mcp_oauth"]
    assert made[2].auth.refresh.token_endpoint_auth.type == "client_secret_basic"
    first = vaults.credentials.list(vault.id, order="asc", limit=2)
    assert [one.id for one in first] == [one.id for one in made]
    assert [one.id for one in vaults.credentials.list(vault.id, metadata={"n": "1"})] == [made[1].id]
    assert vaults.credentials.retrieve(made[0].id, vault_id=vault.id) == made[0]
    rotated = vaults.credentials.update(made[2].id, vault_id=vault.id, auth={"type": "mcp_oauth", "access_token": "planted-6"})
    assert rotated.auth.expires_at is None
    with pytest.raises(openai.BadRequestError):
        vaults.credentials.update(made[0].id, vault_id=vault.id)
    assert vaults.credentials.delete(made[0].id, vault_id=vault.id).deleted
    assert vaults.delete(vault.id).object == "vault.deleted"
    for gone in (lambda: vaults.retrieve(vault.id), lambda: vaults.credentials.list(vault.id),
                 lambda: vaults.credentials.retrieve(made[1].id, vault_id=vault.id), lambda: vaults.delete(vault.id)):
        with pytest.raises(openai.NotFoundError):
            gone()


def test_keys_need_their_scopes(server):
    reader, _ = server.create_key("--scopes", "api.vaults.read")
    client = server.client(reader)
    assert client.beta.agents.vaults.list().data is not None
    with pytest.raises(openai.PermissionDeniedError):
        client.beta.agents.vaults.create()
    other, _ = server.create_key("--scopes", "api.agents.write")
    with pytest.raises(openai.PermissionDeniedError):
        server.client(other).beta.agents.vaults.list()


@pytest.mark.soak(180)
def test_a_planted_secret_is_found_nowhere(tmp_path):
    tokens = [("planted-access-2", "planted-refresh-2")]
    planted = ["planted-bearer", "planted-access-1", "planted-access-2", "planted-refresh-1", "planted-refresh-2",
               "planted-client", "planted-value", "planted-unused", "planted-access-3", "planted-refresh-3"]
    answers = []
    with (
        Server(tmp_path / "server", OPEN, {"OUTCROP_LOG": "trace"}) as server,
        TokenServer("planted-refresh-1", tokens) as endpoint,
        ToolServer(tool("add"), token="planted-bearer") as fixed,
        ToolServer(tool("add"), token="planted-access-2") as refreshed,
        ToolServer(tool("add"), token="never") as silent,
    ):
        heard = Heard()
        client = server.client(timeout=100).with_options(http_client=httpx.Client(transport=heard, timeout=100))
        vault = client.beta.agents.vaults.create(name="planted")
        for auth in [
            bearer(fixed.url, "planted-bearer"), variable("planted-value"), variable("planted-unused", "OTHER", ["b.example"]),
            oauth(refreshed.url, endpoint.url, "planted-access-1", "planted-refresh-1", "planted-client"),
        ]:
            answers.append(client.beta.agents.vaults.credentials.create(vault.id, name="c", auth=auth).to_json())
        for target in (fixed, refreshed):
            session, calls = call(client, target, vault)
            assert [one.status for one in calls] == ["completed"]
            answers.append(client.beta.agents.sessions.retrieve(session).to_json())
        assert len(endpoint.asked) == 1
        # An endpoint that says the token again which it refuses: the turn fails, and says so without it.
        dead = oauth(silent.url, endpoint.url, "planted-access-3", "planted-refresh-3", "planted-client")
        client.beta.agents.vaults.credentials.create(vault.id, name="dead", auth=dead)
        session, calls = call(client, silent, vault)
        (turn,) = client.beta.agents.sessions.turns.list(session)
        assert (calls, turn.status, len(endpoint.asked)) == ([], "failed", 2)
        look = "env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; find / -xdev -type f -size -1M -user $(id -u) -exec cat {} + 2>/dev/null | tr -d '\\0' | grep -a -o 'planted-[a-z0-9-]*' | sort -u; echo \"$SERVICE_API_KEY\" > kept"
        ask = "call shell " + json.dumps({"command": look + "; curl -sS -m 5 -H \"X-Key: $SERVICE_API_KEY\" https://api.example.com"})
        session = client.beta.agents.sessions.create(
            agent={"model": "scripted"}, environment={"type": "openai_hosted", "container_size": "small"},
            vault_ids=[vault.id], input=ask + "\nsay done",
        )
        assert session.vault_ids == [vault.id]
        settle(client, session.id, "idle")
        (ran,) = [item for item in items(client, session.id) if item.type == "command_execution"]
        assert "SERVICE_API_KEY=outcrop-secret-cred_" in ran.output, ran.output
        answers += [ran.to_json(), server.request("GET", f"/v1/agents/sessions/{session.id}/ledger")[2].decode()]
        answers.append(server.request("GET", "/metrics")[2].decode())
        answers += [body.decode(errors="replace") for body in heard.bodies]
        assert any('"agent.session.turn.failed"' in answer for answer in answers), "streams are heard"
        assert [secret for secret in planted for answer in answers if secret in answer] == []
        assert found_in(server, planted) == []
        # What is looked for would be found: the placeholder is where the command put it.
        assert ("kept", "outcrop-secret-cred_") in found_in(server, ["outcrop-secret-cred_"])
        server.stop()
        assert found_in(server, planted) == []


def test_of_a_deleted_credential_nothing_sealed_is_left(tmp_path):
    """Though the root key is there: what was sealed is in no file any more."""
    with Server(tmp_path / "server") as server:
        client = server.client()
        vault = client.beta.agents.vaults.create()
        create = lambda secret: client.beta.agents.vaults.credentials.create(vault.id, name="c", auth=variable(secret))
        kept, deleted = create("kept" * 50), create("deleted" * 50)

        def sealed(credential):
            with sqlite3.connect(f"file:{server.data}/outcrop.db?mode=ro", uri=True) as database:
                rows = "SELECT body FROM rows WHERE collection = ? AND id = ?"
                (body,) = database.execute(rows, [f"credential_sealed.{vault.id}", credential.id]).fetchone()
            database.close()
            # The store writes a checksum behind it.
            return json.JSONDecoder().raw_decode(body.decode("latin-1"))[0]["fields"]["secret_value"]

        texts = sealed(kept), sealed(deleted)
        client.beta.agents.vaults.credentials.update(
            kept.id, vault_id=vault.id, auth={"type": "environment_variable", "secret_value": "newer" * 50})
        assert {text for _, text in found_in(server, texts)} == set(texts), "what is looked for would be found"
        client.beta.agents.vaults.credentials.delete(deleted.id, vault_id=vault.id)
        assert server.stop() == 0
        assert found_in(server, texts) == []
        server.start()
        assert found_in(server, [sealed(kept)]) != []


@pytest.mark.parametrize("end", ["\n", "\r", "\0", "\t", "\x1f", "\x7f"])
def test_what_no_header_can_carry_is_refused(client, end):
    vault = client.beta.agents.vaults.create()
    credentials = client.beta.agents.vaults.credentials
    good = credentials.create(vault.id, name="c", auth=variable("planted"))
    token = credentials.create(vault.id, name="t", auth=bearer("https://a.example", "planted"))
    for field, ask in (
        ("secret_value", lambda: credentials.create(vault.id, name="c", auth=variable("planted" + end))),
        ("secret_value", lambda: credentials.update(
            good.id, vault_id=vault.id, auth={"type": "environment_variable", "secret_value": end + "planted"})),
        ("token", lambda: credentials.create(vault.id, name="c", auth=bearer("https://b.example", f"a{end}b"))),
        ("token", lambda: credentials.update(
            token.id, vault_id=vault.id, auth={"type": "static_bearer", "token": "planted" + end})),
        ("access_token", lambda: credentials.create(
            vault.id, name="c", auth=oauth("https://b.example", "https://b.example/t", "planted" + end, "r", "s"))),
    ):
        with pytest.raises(openai.BadRequestError) as error:
            ask()
        assert error.value.param == f"auth.{field}" and "planted" not in str(error.value.body)
    assert len(credentials.list(vault.id).data) == 2


@pytest.mark.soak(120)
def test_a_kill_in_a_refresh_loses_one_answer_and_says_so(tmp_path):
    with (
        Server(tmp_path / "server", OPEN) as server,
        TokenServer("refresh-1", [("access-2", "refresh-2"), ("access-3", "refresh-3")]) as endpoint,
        ToolServer(tool("add"), token="access-3") as target,
    ):
        client = server.client()
        vault = client.beta.agents.vaults.create()
        auth = oauth(target.url, endpoint.url, "access-1", "refresh-1", "secret")
        credential = client.beta.agents.vaults.credentials.create(vault.id, name="c", auth=auth)
        endpoint.held = True
        client.beta.agents.sessions.create(
            agent={"model": "scripted", "tools": [mcp(target)]}, environment={"type": "none"},
            input='call srv__add {"n":1}\nsay done', vault_ids=[vault.id],
        )
        endpoint.wait_for(1)
        server.kill()
        endpoint.release()
        server.start()
        session, calls = call(client, target, vault)
        assert calls == []
        (turn,) = client.beta.agents.sessions.turns.list(session)
        assert "an earlier refresh was cut off" in turn.error.message, turn.error
        # A server that gives nothing is left alone for a while, each time for longer.
        deadline, tries = time.monotonic() + 60, 0
        while tries < 4:
            session, _ = call(client, target, vault)
            (turn,) = client.beta.agents.sessions.turns.list(session)
            tries += "asked again later" not in turn.error.message
            assert time.monotonic() < deadline, turn.error
        # The client authorizes again, and all is well at once.
        endpoint.good = "refresh-9"
        again = {"type": "mcp_oauth", "access_token": "access-1", "expires_at": PAST, "refresh": {"refresh_token": "refresh-9"}}
        client.beta.agents.vaults.credentials.update(credential.id, vault_id=vault.id, auth=again)
        assert [one.status for one in call(client, target, vault)[1]] == ["completed"], endpoint.asked


@pytest.mark.soak(120)
def test_f28_a_root_key_is_replaced_and_one_that_is_gone_is_missed(tmp_path):
    with Server(tmp_path / "server", OPEN) as server, ToolServer(tool("add"), token="token") as target:
        client, root = server.client(), server.data / "root.key"
        before = root.read_text()
        assert root.stat().st_mode & 0o777 == 0o600
        vault = client.beta.agents.vaults.create()
        client.beta.agents.vaults.credentials.create(vault.id, name="c", auth=bearer(target.url, "token"))
        works = lambda: [one.status for one in call(client, target, vault)[1]] == ["completed"]
        assert works()
        assert "1 of 1 vaults were wrapped anew" in server.run("vault", "rotate")
        once = root.read_text()
        assert once.startswith(before) and once != before and works()
        server.run("vault", "rotate")
        # Each key goes with the last vault that needs it; the first line is that of access keys.
        assert root.read_text().splitlines()[0] == before.strip() and len(root.read_text().splitlines()) == 2
        server.kill()
        server.start()
        assert works()
        kept = root.rename(server.folder / "away")
        assert client.beta.agents.vaults.retrieve(vault.id).id == vault.id
        for refused in (lambda: client.beta.agents.vaults.create(),
                        lambda: client.beta.agents.vaults.credentials.create(vault.id, name="c", auth=bearer(target.url, "x"))):
            with pytest.raises(openai.InternalServerError) as error:
                refused()
            assert error.value.status_code == 503 and "root key" in error.value.body["message"]
        server.kill()
        server.start()
        assert not root.exists(), "a key that is missed is not made anew"
        kept.rename(root)
        assert works()
