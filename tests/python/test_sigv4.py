"""Requests that are signed as AWS's are: botocore signs, the server checks. And executors that come by it: the unmodified
`codex exec-server` on its direct transport."""
import base64
import datetime
import http.client
import json
import os
import random
import re
import socket
import threading
import urllib.parse

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from aws import access_key
from conversation import IDLE, items, message, of_type, post, settle, text_of, until
from server import CONFIG, Server, free_port
from test_self_hosted import (
    CODEX, CONNECTED, DISCONNECTED, Executor, commands, create, is_unknown, ran_once, ran_three, script, shell, wait_for,
)

SERVICE, REGION = "bedrock-mantle", "us-west-2"
DIRECT = json.dumps({"transport": "direct_jsonrpc_v1"}).encode()
with_codex = pytest.mark.skipif(not CODEX.exists(), reason="the npm packages of tests/node are not installed")


@pytest.fixture(scope="module")
def key(server):
    return access_key(server)


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def environment(client, workspace):
    return create(client, workspace).environment


class Signed:
    """A request that botocore has signed, to be sent as it is or otherwise."""

    def __init__(
        self, server, key, method, path, body=b"", headers=(), service=SERVICE, region=REGION, token=None, late=0,
        expires=None,
    ):
        request = AWSRequest(method, server.origin + path, headers=dict(headers), data=body)
        credentials = Credentials(*key, token)
        if expires is None:
            auth = botocore.auth.SigV4Auth(credentials, service, region)
        else:
            auth = botocore.auth.SigV4QueryAuth(credentials, service, region, expires)
        now = botocore.auth.get_current_datetime
        at = now() - datetime.timedelta(seconds=late)
        botocore.auth.get_current_datetime = lambda *_, **__: at
        try:
            auth.add_auth(request)
        finally:
            botocore.auth.get_current_datetime = now
        self.server, self.method, self.body = server, method, body
        self.path = request.url.removeprefix(server.origin)
        self.headers = [("Host", f"127.0.0.1:{server.port}"), *request.headers.items()]

    def copy(self, **changes):
        other = object.__new__(Signed)
        other.__dict__.update(self.__dict__, headers=list(self.headers), **changes)
        return other

    def with_header(self, name, change):
        """The header's value through `change`; None: without it."""
        assert any(own.lower() == name.lower() for own, _ in self.headers), name
        changed = ((own, change(value) if own.lower() == name.lower() else value) for own, value in self.headers)
        other = self.copy()
        other.headers = [(own, value) for own, value in changed if value is not None]
        return other

    def adding(self, *headers):
        other = self.copy()
        other.headers += headers
        return other

    def send(self):
        """The status, and the error's code where there is one."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            connection.putrequest(self.method, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers:
                connection.putheader(name, value)
            if not any(name.lower() == "content-length" for name, _ in self.headers):
                connection.putheader("Content-Length", str(len(self.body)))
            connection.endheaders(self.body or None)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, (json.loads(text).get("error") or {}).get("code") if text else None
        finally:
            connection.close()


def direct(environment):
    return f"/v1/agents/api/cloud/environment/{environment}/direct/register"


def test_keys_are_made_listed_and_revoked(server, environment):
    identity, secret = access_key(server, "--scopes", "api.environments.write")
    (line,) = [line for line in server.run("key", "list").splitlines() if identity in line]
    assert "active" in line and "api.environments.write" in line and secret not in line
    assert (server.data / "root.key").stat().st_mode & 0o777 == 0o600
    request = Signed(server, (identity, secret), "POST", direct(environment.id), DIRECT)
    assert request.send() == (200, None)
    # The id is no secret, and no key.
    for bearer in (identity, f"aws:{identity}", secret):
        assert server.json("GET", "/v1/models", key=bearer)[0] == 401
    # What is kept has no secret in it.
    for file in server.data.iterdir():
        if file.is_file() and file.name != "root.key":
            assert secret.encode() not in file.read_bytes(), file
    server.run("key", "revoke", identity)
    wait_for(lambda: request.send() == (401, "UnrecognizedClientException"), "the key to be revoked")


def test_keys_may_be_made_before_the_first_start_and_outlive_it(tmp_path):
    server = Server(tmp_path)
    made = access_key(server)
    with server:
        later = access_key(server)
        session = create(server.client(), tmp_path)
        ask = lambda key: Signed(server, key, "POST", direct(session.environment.id), DIRECT).send()
        assert ask(made) == ask(later) == (200, None)
        server.kill()
        server.start()
        assert ask(made) == ask(later) == (200, None)


def test_a_root_key_elsewhere(tmp_path):
    root = tmp_path / "root"
    with Server(tmp_path / "server", CONFIG + f'[vaults]\nroot_key_file = "{root}"\n') as server:
        key = access_key(server)
        assert root.exists() and not (server.data / "root.key").exists()
        session = create(server.client(), tmp_path)
        assert Signed(server, key, "POST", direct(session.environment.id), DIRECT).send() == (200, None)
        # Without it none can be made that would take its place.
        root.rename(tmp_path / "away")
        with pytest.raises(AssertionError, match="is not there, and access keys were made with it"):
            access_key(server)
        (tmp_path / "away").rename(root)
        assert Signed(server, access_key(server), "POST", direct(session.environment.id), DIRECT).send() == (200, None)


def test_whatever_botocore_signs_is_taken(server, key, environment):
    """A signature that is good gets as far as the environment, which is there or not."""
    chance = random.Random(20261123)
    odd = [*"aZ09-._~ /:@!$&'()*+,;=%?#[]\"<>|{}^`\\", "ä", "€", "\u202e", "%2F", "%25"]
    word = lambda most: "".join(chance.choice(odd) for _ in range(chance.randint(1, most)))
    for _ in range(150):
        # Dots alone would be taken for a way up, and left out.
        name = "e" + urllib.parse.quote(word(12), safe="-._~:@!$&'()*,;=")
        query = "&".join(
            f"{urllib.parse.quote(word(5), safe='')}={urllib.parse.quote(word(8), safe='')}"
            for _ in range(chance.randint(0, 4))
        )
        headers = {
            f"X-Some-{n}": "".join(chance.choice("aB 9\t,;=\"") for _ in range(chance.randint(1, 20))) + "x" for n in range(3)
        }
        service = chance.choice(["execute-api", "bedrock", "bedrock-mantle", "bedrock-agentcore"])
        region = chance.choice(["us-east-1", "eu-central-2", "us-gov-west-1", "here"])
        path = direct(name) + (f"?{query}" if query else "")
        body = bytes(chance.randrange(256) for _ in range(chance.randint(0, 300)))
        request = Signed(server, key, "POST", path, body, headers, service, region)
        assert request.send() == (404, "not_found_error"), request.__dict__
        assert request.copy(body=body + b"x").send() == (401, "SignatureDoesNotMatch")
    whole = Signed(server, key, "POST", direct(environment.id), DIRECT, {"Content-Type": "application/json"})
    assert whole.send() == (200, None)


MUTATIONS = {
    "host": lambda r: r.with_header("host", lambda value: value.replace("127.0.0.1", "localhost")),
    "content-type": lambda r: r.with_header("content-type", lambda _: "application/jsonx"),
    "a signed header": lambda r: r.with_header("x-amzn-trace", lambda value: value + "x"),
    "a date": lambda r: r.with_header("x-amz-date", lambda value: f"{value[:-2]}{(int(value[-2]) + 1) % 10}Z"),
    "a header's case of letters": lambda r: r.with_header("x-amzn-trace", str.upper),
    "the body": lambda r: r.copy(body=DIRECT.replace(b" ", b"  ")),
    "no body": lambda r: r.copy(body=b""),
    "the method": lambda r: r.copy(method="PUT"),
    "another environment": lambda r: r.copy(path=direct("env_" + "0" * 24)),
    "a percent": lambda r: r.copy(path=r.path.replace("/env_", "/%65nv_")),
    "a slash": lambda r: r.copy(path=r.path.replace("/direct", "//direct")),
    "a dot": lambda r: r.copy(path=r.path.replace("/direct", "/./direct")),
    "a query": lambda r: r.copy(path=r.path + "&c=3"),
    "less of a query": lambda r: r.copy(path=r.path.replace("a=1&", "")),
    "a query's value": lambda r: r.copy(path=r.path.replace("b=%202", "b=+2")),
    "the region": lambda r: r.with_header("authorization", lambda value: value.replace(REGION, "us-west-1")),
    "another service": lambda r: r.with_header("authorization", lambda value: value.replace(SERVICE, "execute-api")),
    "a digit": lambda r: r.with_header("authorization", lambda value: value[:-1] + ("0" if value[-1] != "0" else "1")),
    "fewer signed headers": lambda r: r.with_header("authorization", lambda value: value.replace(";x-amzn-trace", "")),
}
REFUSED = {
    "service": ("InvalidSignatureException", lambda r: r.with_header("authorization", lambda v: v.replace(SERVICE, "s3"))),
    "day": (
        "InvalidSignatureException",
        lambda r: r.with_header("authorization", lambda v: re.sub(r"/\d{8}/", "/20200101/", v)),
    ),
    "loose header": ("InvalidSignatureException", lambda r: r.adding(("X-Amz-Meta", "1"))),
    "loose hash": ("InvalidSignatureException", lambda r: r.adding(("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"))),
    "somebody else's id": (
        "UnrecognizedClientException",
        lambda r: r.with_header("authorization", lambda v: re.sub(r"AKIA\w{16}", "AKIA" + "A" * 16, v)),
    ),
    "no date": ("IncompleteSignature", lambda r: r.with_header("x-amz-date", lambda _: None)),
    "a header twice": ("IncompleteSignature", lambda r: r.adding(("X-Amzn-Trace", "abc"))),
    "host twice": ("IncompleteSignature", lambda r: r.adding(("Host", "127.0.0.1"))),
    "a signature twice": ("IncompleteSignature", lambda r: r.adding(("Authorization", dict(r.headers)["Authorization"]))),
    "a missing header": ("IncompleteSignature", lambda r: r.with_header("x-amzn-trace", lambda _: None)),
    "host unsigned": ("IncompleteSignature", lambda r: r.with_header("authorization", lambda v: v.replace(";host", ""))),
    "both forms": ("IncompleteSignature", lambda r: r.copy(path=r.path + "&X-Amz-Algorithm=AWS4-HMAC-SHA256")),
    "no signature": ("IncompleteSignature", lambda r: r.with_header("authorization", lambda v: v[:-64])),
    "algorithm": ("IncompleteSignature", lambda r: r.with_header("authorization", lambda v: v.replace("SHA256", "SHA1", 1))),
    "a token": ("InvalidSignatureException", lambda r: r.adding(("X-Amz-Security-Token", "x"))),
    "a bad percent": ("IncompleteSignature", lambda r: r.copy(path=r.path + "%zz")),
    "a long query": ("IncompleteSignature", lambda r: r.copy(path=r.path + "&x=" + "x" * 40_000)),
}


@pytest.fixture
def request_of_all(server, key, environment):
    headers = {"Content-Type": "application/json", "X-Amzn-Trace": "a b c"}
    request = Signed(server, key, "POST", direct(environment.id) + "?a=1&b=%202", DIRECT, headers)
    assert request.send() == (200, None)
    yield request
    # It was the change that was refused.
    assert request.send() == (200, None)


def test_what_does_not_change_a_request(request_of_all):
    request = request_of_all.with_header("x-amzn-trace", lambda value: f"  {value.replace(' ', '    ')} ")
    assert request.send() == (200, None)
    assert request_of_all.copy(path=request_of_all.path.replace("a=1&b=%202", "b=%202&a=1")).send() == (200, None)
    assert request_of_all.adding(("X-Forwarded-For", "10.0.0.1")).send() == (200, None)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_changed_request_is_refused(request_of_all, name):
    status, code = MUTATIONS[name](request_of_all).send()
    # What is no route has nothing to protect.
    assert (status, code) == (401, "SignatureDoesNotMatch") or (status in (404, 405) and name in ("the method", "a slash", "a dot"))


@pytest.mark.parametrize("name", REFUSED)
def test_a_signature_that_is_not_whole_is_refused(request_of_all, name):
    code, change = REFUSED[name]
    status, said = change(request_of_all).send()
    assert said == code or (name == "host twice" and status == 400)
    assert status == (400 if status == 400 or code == "IncompleteSignature" else 401)


def test_time_counts(server, key, environment):
    ask = lambda **more: Signed(server, key, "POST", direct(environment.id), DIRECT, **more).send()
    for late in (-270, 0, 270):
        assert ask(late=late) == (200, None), late
    for late in (-86_400, -330, 330, 3600, 10 * 365 * 86_400):
        assert ask(late=late) == (401, "InvalidSignatureException"), late


def test_keys_and_tokens_of_others(server, key, environment):
    ask = lambda key, **more: Signed(server, key, "POST", direct(environment.id), DIRECT, **more).send()
    identity, secret = key
    assert ask((identity, secret[:-1] + ("A" if secret[-1] != "A" else "B"))) == (401, "SignatureDoesNotMatch")
    assert ask((identity, access_key(server)[1])) == (401, "SignatureDoesNotMatch")
    assert ask((identity, secret), token="a token of nobody") == (401, "UnrecognizedClientException")
    assert ask(access_key(server, "--project", "another")) == (404, "not_found_error")
    assert ask(access_key(server, "--scopes", "api.agents.read")) == (403, "forbidden")
    assert ask(access_key(server, "--scopes", "api.environments.write")) == (200, None)
    # A signature opens no door but the executors'.
    assert Signed(server, key, "GET", "/v1/models").send()[0] == 401


def upgrade():
    return [
        ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", base64.b64encode(bytes(16)).decode()),
    ]


def opened(request):
    """The status of a WebSocket's first answer."""
    head = "\r\n".join([f"GET {request.path} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers), "", ""])
    with socket.create_connection(("127.0.0.1", request.server.port), timeout=30) as line:
        line.sendall(head.encode())
        return int(line.recv(4096).split()[1])


def test_a_socket_is_opened_by_its_token_and_its_signature(server, key, environment):
    def path_of(registration):
        status, _, text = server.request("POST", direct(environment.id), DIRECT, **registration)
        assert status == 200, text
        url = urllib.parse.urlsplit(json.loads(text)["url"])
        return f"{url.path}?{url.query}"

    by_signature = dict(Signed(server, key, "POST", direct(environment.id), DIRECT).headers)
    path = path_of({"headers": {**by_signature, "OpenAI-Beta": None}})
    signed = Signed(server, key, "GET", path)
    for good in (signed, Signed(server, key, "GET", path, expires=300)):
        assert opened(good.adding(*upgrade())) == 101
    stranger = access_key(server, "--project", "another")
    reader = access_key(server, "--scopes", "api.agents.read")
    for status, bad in (
        (401, signed.copy(path=path.replace("token=", "token=0"))),
        (401, signed.with_header("x-amz-date", lambda value: value.replace("Z", "0Z"))),
        (401, Signed(server, (key[0], "wrong"), "GET", path)),
        (401, Signed(server, key, "GET", path, expires=301)),
        (401, Signed(server, key, "GET", path, late=400)),
        (401, Signed(server, key, "GET", path, late=20, expires=10)),
        (403, Signed(server, stranger, "GET", path)),
        (403, Signed(server, reader, "GET", path)),
        (409, Signed(server, key, "GET", path.replace("token=", "token=0"))),
        # Whoever only read the address in a log.
        (401, signed.copy(path=path).with_header("authorization", lambda _: None)),
    ):
        status_now = opened(bad.adding(*upgrade()))
        assert status_now == status or (status, status_now) == (401, 400), bad.__dict__
    # One that came with a key needs no more than its token.
    path = path_of({})
    assert opened(Signed(server, key, "GET", path).with_header("authorization", lambda _: None).adding(*upgrade())) == 101


# ---- the unmodified executor


class Direct(Executor):
    def __init__(self, folder, environment, key, service=SERVICE):
        super().__init__(folder, environment)
        self.command += ["--remote-transport", "direct", "--aws-sigv4", "--aws-region", REGION, "--aws-service", service]
        del self.environment["CODEX_API_KEY"]
        self.environment |= {
            "AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1], "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.log = folder / "codex.log"


class Wire:
    """Stands between executors and a server, and can be torn."""

    def __init__(self, port):
        self.port, self.lines = port, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.origin = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                near.close()
                continue
            self.lines.append((near, far))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=(one, other), daemon=True).start()

    @staticmethod
    def carry(one, other):
        try:
            while said := one.recv(65536):
                other.sendall(said)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def tear(self):
        lines, self.lines = self.lines, []
        for line in lines:
            for end in line:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.tear()


@with_codex
@pytest.mark.soak(120)
@pytest.mark.parametrize("service", ["execute-api", SERVICE])
def test_three_commands_of_an_executor_that_comes_late(server, client, key, tmp_path, workspace, service):
    work = script(
        shell("echo hello; echo oops >&2; exit 3"), shell("printf 'a\\nb\\n' > made.txt; wc -l < made.txt"),
        "call read_file " + json.dumps({"path": "made.txt"}), "say done",
    )
    session = create(client, workspace, work)
    waiting = settle(client, session.id, "requires_action")
    assert [action.type for action in waiting.required_actions] == ["environment_connection"]
    with client.beta.agents.sessions.events.stream(session.id) as stream:
        with Direct(tmp_path, session.environment, key, service):
            events = until(stream, IDLE)
    assert of_type(events, "environment.connected")
    ran_three(client, session, workspace)


@with_codex
@pytest.mark.soak(120)
def test_a_command_goes_on_while_the_socket_is_gone(tmp_path, workspace):
    port = free_port()
    with Wire(port) as wire:
        config = f'[server]\npublic_url = "{wire.origin}"\n' + CONFIG
        with Server(tmp_path / "server", config, port=port) as server:
            client, key = server.client(), access_key(server)
            session = create(client, workspace)
            assert session.environment.remote_url == f"{wire.origin}/v1/agents/api"
            with client.beta.agents.sessions.events.stream(session.id) as stream:
                with Direct(tmp_path, session.environment, key):
                    until(stream, CONNECTED)
                    command = "echo begun >> ran; echo first; until [ -e torn ]; do sleep 0.1; done; echo last"
                    post(client, session.id, message(script(shell(command), "say done")))
                    wait_for(lambda: (workspace / "ran").exists(), "the command")
                    wire.tear()
                    until(stream, DISCONNECTED)
                    (workspace / "torn").touch()
                    assert of_type(until(stream, IDLE), "environment.connected")
            ran_once(client, session, workspace)


@with_codex
@pytest.mark.soak(120)
def test_a_command_goes_on_while_the_server_is_dead(tmp_path, workspace):
    with Server(tmp_path / "server") as server:
        client, key = server.client(), access_key(server)
        session = create(client, workspace)
        with client.beta.agents.sessions.events.stream(session.id) as stream:
            with Direct(tmp_path, session.environment, key):
                until(stream, CONNECTED)
                command = "echo begun >> ran; echo first; sleep 5; echo last"
                post(client, session.id, message(script(shell(command), "say done")))
                wait_for(lambda: (workspace / "ran").exists(), "the command")
                server.kill()
                server.start()
                settle(client, session.id, "idle")
        ran_once(client, session, workspace)
        assert server.stop() == 0


@with_codex
@pytest.mark.soak(120)
def test_a_command_of_a_dead_executor_is_unknown(client, key, tmp_path, workspace):
    session = create(client, workspace)
    with client.beta.agents.sessions.events.stream(session.id) as stream:
        with Direct(tmp_path, session.environment, key) as executor:
            until(stream, CONNECTED)
            post(client, session.id, message(script(shell("echo begun >> ran; sleep 60"), "say done")))
            wait_for(lambda: (workspace / "ran").exists(), "the command")
            executor.kill()
            until(stream, DISCONNECTED)
        # Another one knows nothing of what the first has begun.
        with Direct(tmp_path, session.environment, key):
            settle(client, session.id, "idle")
    is_unknown(client, session, workspace)


@with_codex
@pytest.mark.soak(120)
def test_an_executor_that_is_refused_ends(server, client, key, tmp_path, workspace):
    session = create(client, workspace)
    revoked = access_key(server)
    server.run("key", "revoke", revoked[0])
    reader = access_key(server, "--scopes", "api.agents.read")
    for wrong, why in (
        ((key[0], "wrong"), "The signature does not match the request."),
        (revoked, "is not known"),
        (reader, "api.environments.write"),
    ):
        with Direct(tmp_path, session.environment, wrong) as executor:
            assert executor.process.wait(timeout=60) == 1
        assert why in executor.log.read_text()
