"""What every door of AWS's services has in common, with unmodified boto3: who may pass, by signature and by bearer; errors in
AWS's shape, with a request's id; operations that are not served; and retries that the SDK understands."""
import contextlib
import datetime
import http.client
import ipaddress
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading

import boto3
import botocore.auth
import botocore.config
import botocore.exceptions
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import aws
from liar import Liar, end, text
from server import CONFIG, KEY, ROOT, Server
from test_sigv4 import Signed

MESSAGES = [{"role": "user", "content": [{"text": "say one"}]}]
# One that reads and one that does something, of each service.
READS = {
    "bedrock": lambda client: client.list_foundation_models(),
    "bedrock-agentcore": lambda client: client.get_event(memoryId="m-0123456789", sessionId="s", actorId="a", eventId="0000001#00000001"),
    "bedrock-agentcore-control": lambda client: client.list_agent_runtimes(),
}
ASKS = {"bedrock-runtime": lambda client: client.converse(modelId="scripted", messages=MESSAGES)}
ALL = {**READS, **ASKS}


@pytest.fixture(scope="module")
def key(server):
    return aws.access_key(server)


def refused(call, code, status):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call()
    said = caught.value.response
    assert (said["Error"]["Code"], said["ResponseMetadata"]["HTTPStatusCode"]) == (code, status), said
    # The id of the request is what boto3 shows.
    assert aws.UUID.fullmatch(said["ResponseMetadata"]["RequestId"])
    return said["Error"]["Message"]


@contextlib.contextmanager
def later(seconds):
    """botocore's clock."""
    now = botocore.auth.get_current_datetime
    at = now() + datetime.timedelta(seconds=seconds)
    botocore.auth.get_current_datetime = lambda *_, **__: at
    try:
        yield
    finally:
        botocore.auth.get_current_datetime = now


@pytest.mark.parametrize("service", ALL)
def test_who_may_not_pass(server, key, service):
    identity, secret = key
    ask = lambda key, **more: (lambda: ALL[service](aws.client(server, service, key, **more)))
    wrong = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    said = {
        refused(ask((identity, wrong)), "SignatureDoesNotMatch", 403),
        refused(ask((identity, aws.access_key(server, "--project", "another")[1])), "SignatureDoesNotMatch", 403),
    }
    (said,) = said
    assert not any(part in said for part in (identity, secret, "AWS4-HMAC"))
    refused(ask(("AKIA" + "A" * 16, secret)), "UnrecognizedClientException", 403)
    refused(ask((identity, secret, "a token")), "UnrecognizedClientException", 403)
    for seconds in (-400, 400):
        with later(seconds):
            refused(ask(key), "InvalidSignatureException", 403)
    machine = aws.access_key(server, "--scopes", "api.environments.write")
    if service != "bedrock":
        refused(ask(machine), "AccessDeniedException", 403)
    revoked = aws.access_key(server)
    server.run("key", "revoke", revoked[0])
    refused(ask(revoked), "UnrecognizedClientException", 403)


@pytest.mark.parametrize("path, service", [
    ("/foundation-models", "bedrock"), ("/model/scripted/converse", "bedrock"), ("/runtimes/", "bedrock-agentcore"),
])
def test_a_signature_is_for_its_service(server, key, path, service):
    for other in {"bedrock", "bedrock-agentcore", "bedrock-mantle", "execute-api", "s3"} - {service}:
        request = Signed(server, key, "POST", path, b"{}", service=other)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("POST", request.path, request.body, dict(request.headers))
        answer = connection.getresponse()
        said = json.loads(answer.read())
        assert (answer.status, answer.getheader("x-amzn-ErrorType")) == (403, "InvalidSignatureException"), said
        assert said["message"] and set(said) == {"message"}
        connection.close()


def test_nobody_is_told_so(server):
    status, headers, said = server.request("GET", "/foundation-models", headers={"Authorization": None})
    assert (status, headers["x-amzn-errortype"]) == (403, "MissingAuthenticationToken") and json.loads(said)["message"]
    status, headers, _ = server.request("GET", "/foundation-models", key="sk-wrong-0123456789")
    assert (status, headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert aws.UUID.fullmatch(headers["x-amzn-requestid"])


def test_what_is_not_served_is_said_in_awss_words(server, key):
    client = aws.client(server, "bedrock", key)
    refused(lambda: client.list_guardrails(), "UnknownOperationException", 404)
    refused(lambda: client.list_custom_models(), "UnknownOperationException", 404)
    control = aws.client(server, "bedrock-agentcore-control", key)
    refused(lambda: control.list_browsers(), "UnknownOperationException", 404)
    data = aws.client(server, "bedrock-agentcore", key)
    refused(lambda: data.list_browser_sessions(browserIdentifier="aws.browser.v1"), "UnknownOperationException", 404)
    # Who does not sign is answered as everywhere.
    status, said = server.json("GET", "/nowhere")
    assert (status, said["error"]["message"]) == (404, "Invalid URL (GET /nowhere)")


# What is served of the two services of models; all else that AWS has there is unknown here.
SERVED = {
    "bedrock": {"ListFoundationModels", "GetFoundationModel", "ListInferenceProfiles", "GetInferenceProfile"},
    "bedrock-runtime": {
        "Converse", "ConverseStream", "InvokeModel", "InvokeModelWithResponseStream", "CountTokens", "ApplyGuardrail",
    },
}
# And what is served at least of AgentCore.
AGENTCORE = {
    "bedrock-agentcore": {
        "CreateEvent", "GetEvent", "ListEvents", "DeleteEvent", "ListSessions", "ListActors", "InvokeAgentRuntime",
        "InvokeAgentRuntimeCommand", "StopRuntimeSession",
    },
    "bedrock-agentcore-control": {
        f"{verb}{what}" for what in ("AgentRuntime", "AgentRuntimeEndpoint", "Memory")
        for verb in ("Create", "Get", "Update", "Delete")
    } | {"ListAgentRuntimes", "ListAgentRuntimeEndpoints", "ListAgentRuntimeVersions", "ListMemories"},
}


def sample(shape):
    """Something that boto3 sends for it: what is required, and no more."""
    kind = shape.type_name
    least = max(1, shape.metadata.get("min", 1))
    if kind == "structure":
        if getattr(shape, "is_tagged_union", False):
            name, member = next(iter(shape.members.items()))
            return {name: sample(member)}
        return {name: sample(shape.members[name]) for name in shape.required_members}
    if kind == "list":
        return [sample(shape.member) for _ in range(shape.metadata.get("min", 0))]
    if kind == "string":
        return shape.enum[0] if shape.enum else "abcdefghij-0123456789".ljust(least, "x")
    return {
        "map": {}, "integer": least, "long": least, "float": 1.0, "double": 1.0, "boolean": True, "blob": b"x" * least,
        "timestamp": 1_700_000_000,
    }[kind]


@pytest.mark.parametrize("service", [*SERVED, *AGENTCORE])
def test_every_operation_that_aws_has_is_answered_in_its_words(server, key, service):
    """Each answer has its request id, and where it is an error one that the operation may have: the client sees to it."""
    client = aws.client(server, service, key)
    known = set()
    for name in client.meta.service_model.operation_names:
        operation = client.meta.service_model.operation_model(name)
        if operation.has_event_stream_input:
            continue
        asked = sample(operation.input_shape) if operation.input_shape else {}
        try:
            getattr(client, client_name(client, name))(**asked)
        except botocore.exceptions.ClientError as error:
            said = error.response
            if said["Error"]["Code"] == "UnknownOperationException":
                assert said["ResponseMetadata"]["HTTPStatusCode"] == 404
                continue
        known.add(name)
    if service in SERVED:
        assert known == SERVED[service]
    else:
        assert known >= AGENTCORE[service]


def client_name(client, operation):
    (name,) = (name for name, own in client.meta.method_to_api_mapping.items() if own == operation)
    return name


def test_calls_that_are_alike_are_all_answered(server, key):
    """Signed in the same second they have one signature; boto3 says beside it which call is which."""
    client = aws.client(server, "bedrock-runtime", key)
    with later(0):
        for _ in range(5):
            assert ASKS["bedrock-runtime"](client)["output"]["message"]["content"] == [{"text": "one"}]


@pytest.mark.parametrize("status, answered, asked", [(429, 429, 3), (503, 503, 3), (500, 424, 1), (400, 400, 1)])
def test_boto3_tries_again_what_it_may(tmp_path, status, answered, asked):
    """A model that is away twice, and then there: the SDK's own retries reach it where another try may help."""
    def behave(body, says):
        if len(upstream.asked) < 3:
            says.refuse(status, b'{"error": {"message": "not now"}}')
        else:
            says.stream(*text(body, "here"), *end(body))

    with Liar(behave) as upstream:
        config = f'[[model]]\nname = "scripted"\nprovider = "openai-chat"\nbase_url = "{upstream.base}"\nattempts = 1\n'
        with Server(tmp_path, config) as server:
            client = aws.client(server, "bedrock-runtime", aws.access_key(server), retries=3)
            if asked == 3:
                answer = ASKS["bedrock-runtime"](client)
                assert answer["output"]["message"]["content"] == [{"text": "here"}]
                assert answer["ResponseMetadata"]["RetryAttempts"] == 2
            else:
                with pytest.raises(botocore.exceptions.ClientError):
                    ASKS["bedrock-runtime"](client)
            assert {answer.status for answer in client.answers} - {200} == {answered}
        assert len(upstream.asked) == asked


# ---- bearers, which boto3 sends over TLS alone


class Tls:
    """Ends TLS in front of a server, as operators do."""

    def __init__(self, folder, port):
        self.port, self.certificate = port, folder / "certificate.pem"
        own = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.datetime.now(datetime.timezone.utc)
        made = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(own.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True).sign(own, hashes.SHA256())
        )
        self.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        (folder / "key.pem").write_bytes(own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption(),
        ))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, folder / "key.pem")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.origin = "https://127.0.0.1:%d" % self.listener.getsockname()[1]

    def accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
                near = self.context.wrap_socket(plain, server_side=True)
            except ssl.SSLError:
                continue
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.port))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=(one, other), daemon=True).start()

    @staticmethod
    def carry(one, other):
        with contextlib.suppress(OSError):
            while said := one.recv(65536):
                other.sendall(said)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()


def test_a_key_is_bedrocks_bearer(server, tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with Tls(tmp_path, server.port) as front:
        config = botocore.config.Config(retries={"total_max_attempts": 1}, proxies={})
        made = lambda: boto3.session.Session(region_name=aws.REGION).client(
            "bedrock-runtime", endpoint_url=front.origin, verify=str(front.certificate), config=config
        )
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", KEY)
        assert ASKS["bedrock-runtime"](made())["output"]["message"]["content"] == [{"text": "one"}]
        reader, _ = server.create_key("--scopes", "api.responses.read")
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", reader)
        refused(lambda: ASKS["bedrock-runtime"](made()), "AccessDeniedException", 403)
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "sk-of-nobody-0123456789")
        refused(lambda: ASKS["bedrock-runtime"](made()), "AccessDeniedException", 403)


def test_arns_say_what_the_configuration_says(tmp_path):
    config = '[[model]]\nname = "acme.scripted"\nprovider = "script"\n'
    config += '[aws]\npartition = "aws-eusc"\nregion = "eusc-de-east-1"\naccount = "210987654321"\n'
    with Server(tmp_path, config) as server:
        client = aws.client(server, "bedrock", aws.access_key(server))
        (model,) = client.list_foundation_models()["modelSummaries"]
        assert model["modelArn"] == "arn:aws-eusc:bedrock:eusc-de-east-1::foundation-model/acme.scripted"
        # boto3 encodes an ARN in a path.
        assert client.get_foundation_model(modelIdentifier=model["modelArn"])["modelDetails"]["modelId"] == "acme.scripted"
        other = model["modelArn"].replace("eusc-de-east-1", "us-east-1")
        with pytest.raises(botocore.exceptions.ClientError):
            client.get_foundation_model(modelIdentifier=other)


# ---- the page on these doors


def test_what_the_page_shows_works(tmp_path):
    page = (ROOT / "docs/bedrock.md").read_text()
    fences = re.findall(r"^```(\w+)\n(.*?)^```$", page, re.M | re.S)
    (shell,) = (text for _, text in fences if "export" in text)
    (config,) = (text for _, text in fences if "aliases" in text)
    with Server(tmp_path, config.replace('"local"', '"script"')) as server:
        identity, secret = aws.access_key(server)
        said = dict(re.findall(r"^export (\w+)=(\S+)", shell, re.M))
        told = {name: value.replace("http://127.0.0.1:8080", server.origin) for name, value in said.items()}
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment = {**own, **told, "AWS_ACCESS_KEY_ID": identity, "AWS_SECRET_ACCESS_KEY": secret}
        printed = []
        for program in (text for found, text in fences if found == "python"):
            ran = subprocess.run(
                [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=50,
            )
            assert ran.returncode == 0, ran.stderr
            printed.append(ran.stdout)
        assert printed == ["echo: Say hello.\n"] * 2
        services = ["bedrock", "bedrock-runtime", "bedrock-agentcore", "bedrock-agentcore-control"]
        program = "import boto3, sys; print(*(boto3.client(name).meta.endpoint_url for name in sys.argv[1:]))"
        ran = subprocess.run(
            [sys.executable, "-c", program, *services], env=environment, capture_output=True, text=True, check=True,
        )
        assert ran.stdout.split() == [server.origin] * 4
