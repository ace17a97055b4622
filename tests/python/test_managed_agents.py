"""Bedrock's managed agents under `/openai/v1`: the unmodified SDK with its Bedrock provider, by signature and by bearer; what
is signed and then changed, or copied; what a strict server hides; environments in runtimes; and executors that sign."""
import hashlib
import json
import threading

import openai
import pytest
from openai.providers.bedrock import bedrock

import aws
from conversation import IDLE, NONE, message, of_type, settle, until
from server import CONFIG, KEY, Server
from test_agentcore_runtime import LANGUAGE, needs_python
from test_self_hosted import CODEX, ran_three, script, shell
from test_sigv4 import Direct, Signed

ROLE = "arn:aws:iam::123456789012:role/agent"
SERVICE = "bedrock-mantle"
SESSIONS = "/openai/v1/agents/sessions"
BY_ROLE = {"role_arn": ROLE}
LIVE = {"extra_query": {"stream": "true"}}


def sdk(server, key=None, bearer=None, retries=0, strict=True, endpoint=None):
    """The SDK as people configure it for Bedrock, pointed at a server of ours."""
    if bearer is None:
        how = {"access_key_id": key[0], "secret_access_key": key[1], "region": "us-west-2"}
    else:
        how = {"api_key": bearer}
    provider = bedrock(base_url=f"{server.origin}/openai/v1", endpoint=endpoint, **how)
    return openai.OpenAI(provider=provider, max_retries=retries, timeout=30, _strict_response_validation=strict)


@pytest.fixture(scope="module")
def key(server):
    return aws.access_key(server)


# Signed for `bedrock-mantle`, signed for `bedrock`, and by a key.
@pytest.fixture(scope="module", params=["mantle", "runtime", "bearer"])
def bma(request, server, key):
    return sdk(server, bearer=KEY) if request.param == "bearer" else sdk(server, key, endpoint=request.param)


def create(client, text, environment=NONE, **more):
    return client.beta.agents.sessions.create(
        agent={"model": "scripted"}, environment=environment, input=text, extra_body=BY_ROLE, **more
    )


def signed(server, key, path, body, **more):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Signed(server, key, "POST", path, data, {"Content-Type": "application/json"}.items(), **more)


def asked(mark):
    return {"role_arn": ROLE, "agent": {"model": "scripted"}, "environment": NONE, "input": f"say {mark}"}


# ---- the seven operations


def test_the_seven_operations(bma, request):
    sessions = bma.beta.agents.sessions
    session = create(bma, f"say one\n# {request.node.name}")
    assert session.role_arn == ROLE
    assert settle(bma, session.id, "idle").role_arn == ROLE
    with sessions.events.stream(session.id, **LIVE) as stream:
        sessions.events.create(session.id, events=[message("say two")])
        events = until(stream, IDLE)
    assert of_type(events, "turn.completed") and events[-1].session.role_arn == ROLE
    said = [item.content[0].text for item in sessions.items.list(session.id, order="asc") if item.role == "assistant"]
    assert said == ["one", "two"]
    page = sessions.list(limit=1)
    assert [one.id for one in page.data] == [session.id] and (page.first_id, page.last_id) == (session.id, session.id)
    assert sessions.delete(session.id).deleted
    with pytest.raises(openai.NotFoundError):
        sessions.retrieve(session.id)


def test_what_else_is_under_it(bma, request):
    answer = bma.responses.create(model="scripted", input=f"say yes\n# {request.node.name}")
    assert answer.output_text == "yes"
    chat = bma.chat.completions.create(
        model="scripted", messages=[{"role": "user", "content": f"say no\n# {request.node.name}"}], stream=True
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chat) == "no"
    assert "scripted" in [model.id for model in bma.models.list()]


def test_aliases_are_names_here_too(tmp_path, upstream):
    alias = "openai.gpt-oss-20b-1:0"
    config = f'[[model]]\nname = "own"\naliases = ["{alias}"]\nprovider = "openai-chat"\nbase_url = "{upstream.base}"\n'
    with Server(tmp_path, config) as server:
        client = sdk(server, aws.access_key(server))
        assert client.responses.create(model=alias, input="one").model == alias
        chat = client.chat.completions.create(model=alias, messages=[{"role": "user", "content": "two"}])
        assert (chat.model, chat.choices[0].message.content) == (alias, "two")
        session = client.beta.agents.sessions.create(
            agent={"model": alias}, environment=NONE, input="three", extra_body=BY_ROLE
        )
        assert settle(client, session.id, "idle").agent.model == alias
        assert sorted(model.id for model in client.models.list()) == [alias, "own"]
        assert client.models.retrieve(alias).id == alias
        with pytest.raises(openai.NotFoundError):
            client.responses.create(model="openai.gpt-oss-120b-1:0", input="four")
    # The upstream knows none of the names that clients have.
    assert [asked["body"]["model"] for asked in upstream.asked] == ["own"] * 3


def test_a_session_is_the_same_by_both_doors(client, bma, request):
    session = create(bma, f"say one\n# {request.node.name}")
    assert settle(client, session.id, "idle").role_arn == ROLE
    plain = client.beta.agents.sessions.create(agent={"model": "scripted"}, environment=NONE, input="say one")
    assert not hasattr(settle(bma, plain.id, "idle"), "role_arn")


@pytest.mark.parametrize("role", [None, "", 1, "agent", "arn:aws:iam::123456789012:user/me", "arn:aws:s3:::role/x"])
def test_a_role_is_needed(server, role):
    body = {**asked("one"), "role_arn": role}
    if role is None:
        del body["role_arn"]
    status, said = server.json("POST", SESSIONS, body, {"OpenAI-Beta": None})
    assert (status, said["error"]["param"]) == (400, "role_arn"), said
    status, said = server.json("POST", "/v1/agents/sessions", {**asked("one"), "role_arn": ROLE})
    assert (status, said["error"]["param"]) == (400, "role_arn"), said


def test_scopes_count_for_signatures_too(server):
    reader = aws.access_key(server, "--scopes", "api.agents.read")
    assert Signed(server, reader, "GET", SESSIONS).send() == (200, None)
    assert signed(server, reader, SESSIONS, asked("one")).send() == (403, "forbidden")
    stranger = aws.access_key(server, "--project", "another")
    own = sdk(server, aws.access_key(server))
    session = create(own, "say scoped")
    theirs, none = (Signed(server, stranger, "GET", f"{SESSIONS}/{id}") for id in (session.id, "sess_0"))
    assert theirs.send() == none.send() == (404, "not_found_error")


# ---- what is signed, changed and copied


def large(mark):
    return {**asked(mark), "metadata": {}, "input": f"say {mark}\n# " + "x" * 600_000}


def with_hash(server, key, body):
    """As OpenAI's SDK signs: with the body's hash in a header."""
    data = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "X-Amz-Content-SHA256": hashlib.sha256(data).hexdigest()}
    return Signed(server, key, "POST", SESSIONS, data, headers.items())


@pytest.mark.parametrize("sign", [with_hash, lambda server, key, body: signed(server, key, SESSIONS, body)])
def test_a_large_body_is_part_of_what_is_signed(server, key, sign):
    request = sign(server, key, large(f"large-{sign.__name__}"))
    changed = bytearray(request.body)
    changed[-10] ^= 1
    assert request.copy(body=bytes(changed)).send() == (401, "SignatureDoesNotMatch")
    assert request.copy(body=request.body[:-1]).send() == (401, "SignatureDoesNotMatch")
    # What was refused has used nothing up.
    assert request.send() == (201, None)


def test_a_body_has_a_limit_before_its_signature(tmp_path):
    with Server(tmp_path, CONFIG + '[limits]\nbody = "4KiB"\n') as server:
        request = signed(server, aws.access_key(server), SESSIONS, {**asked("long"), "input": "x" * 5000})
        assert request.send() == (413, "request_too_large")


CHANGES = {
    "the method": lambda request: request.copy(method="PUT"),
    "the path": lambda request: request.copy(path=request.path + "/x/events"),
    "a query": lambda request: request.copy(path=request.path + "?a=1"),
    "the host": lambda request: request.with_header("host", lambda _: "localhost"),
    "the date": lambda request: request.with_header("x-amz-date", lambda value: value[:-2] + ("1Z" if value[-2] != "1" else "2Z")),
    "the hash": lambda request: request.with_header("x-amz-content-sha256", lambda value: "0" * 64),
    "a type": lambda request: request.with_header("content-type", lambda _: "text/plain"),
    "the region": lambda request: request.with_header("authorization", lambda value: value.replace("us-west-2", "us-west-1")),
    "the key": lambda request: request.with_header("authorization", lambda value: value.replace("=AKIA", "=AKIB")),
    "another header": lambda request: request.adding(("x-amz-target", "x")),
    "a header of AgentCore": lambda request: request.adding(("x-amzn-bedrock-agentcore-runtime-session-id", "x")),
    "a token": lambda request: request.adding(("x-amz-security-token", "x")),
    "a header twice": lambda request: request.adding(("content-type", "application/json")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_request_is_refused(server, key, name):
    request = with_hash(server, key, asked(f"changed {name}"))
    status, code = CHANGES[name](request).send()
    words = {"SignatureDoesNotMatch", "InvalidSignatureException", "UnrecognizedClientException", "IncompleteSignature"}
    assert status in (400, 401) and code in words or (status in (404, 405) and name in ("the method", "the path")), code
    assert request.send() == (201, None)


@pytest.mark.parametrize("payload", [
    "UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-EVENTS",
])
def test_bodies_that_are_not_signed_are_refused(server, key, payload):
    headers = {"Content-Type": "application/json", "X-Amz-Content-SHA256": payload}
    body = json.dumps(asked("loose")).encode()
    assert Signed(server, key, "POST", SESSIONS, body, headers.items()).send() == (401, "InvalidSignatureException")


def test_an_operator_may_let_bodies_be_unsigned(tmp_path):
    with Server(tmp_path, CONFIG + "[aws]\nunsigned_payload = true\n") as server:
        key = aws.access_key(server)
        headers = {"Content-Type": "application/json", "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
        body = json.dumps(asked("loose")).encode()
        request = Signed(server, key, "POST", SESSIONS, body, headers.items())
        changed = request.copy(body=json.dumps(asked("other")).encode())
        assert changed.with_header("x-amz-content-sha256", lambda _: hashlib.sha256(body).hexdigest()).send()[0] == 401
        assert changed.send() == (201, None)
        # The signature is used up, whatever the body.
        assert request.send() == (401, "InvalidSignatureException")


@pytest.mark.parametrize("service", ["s3", "execute-api", "bedrock-agentcore", "bedrock-runtime"])
def test_a_signature_is_for_one_service(server, key, service):
    assert signed(server, key, SESSIONS, asked("x"), service=service).send() == (401, "InvalidSignatureException")
    assert Signed(server, key, "GET", SESSIONS, service=service).send() == (401, "InvalidSignatureException")


def test_time_counts(server, key):
    for late in (-270, 270):
        assert signed(server, key, SESSIONS, asked(f"late {late}"), late=late).send() == (201, None)
    for late in (-330, 330):
        assert signed(server, key, SESSIONS, asked("late"), late=late).send() == (401, "InvalidSignatureException")
    presigned = lambda **how: Signed(server, key, "GET", SESSIONS, **how)
    assert presigned(expires=3600, late=3000).send() == (200, None)
    assert presigned(expires=3600, late=3601).send() == (401, "ExpiredToken")
    assert presigned(expires=3601).send() == (401, "InvalidSignatureException")
    assert presigned(expires=3600).copy(path=presigned(expires=3600).path.replace("Expires=3600", "Expires=3599")).send() == (
        401, "SignatureDoesNotMatch",
    )


def test_what_was_sent_is_not_sent_again(server, key):
    request = signed(server, key, SESSIONS, asked("copied"))
    assert request.send() == (201, None)
    for _ in range(3):
        assert request.send() == (401, "InvalidSignatureException")
    # What only reads may be read again.
    request = Signed(server, key, "GET", SESSIONS)
    assert [request.send() for _ in range(3)] == [(200, None)] * 3


def test_calls_of_awss_sdks_in_one_second_are_told_apart(server, key):
    request = signed(server, key, SESSIONS, asked("marked"))
    mark = lambda call, attempt: request.adding(("amz-sdk-invocation-id", call), ("amz-sdk-request", f"attempt={attempt}"))
    assert mark("a", 1).send() == (201, None)
    assert mark("a", 1).send() == (401, "InvalidSignatureException")
    assert mark("a", 2).send() == (201, None)
    assert mark("b", 1).send() == (201, None)
    assert request.send() == (401, "InvalidSignatureException")


def test_openais_sdk_signs_again(server, key):
    """Two like requests of one second have one signature: the one that comes second is sent again, by the SDK itself."""
    client, answers = sdk(server, key, retries=2), []
    ask = lambda: answers.append(client.responses.create(model="scripted", input="say alike").output_text)
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["alike", "alike"]


# ---- a server that has no more than the original


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("strict"), CONFIG + '[aws]\nmanaged_agents = "strict"\n') as server:
        yield server


def test_a_strict_server_has_seven_operations(strict):
    client = sdk(strict, bearer=KEY)
    session = create(client, "say one")
    settle(client, session.id, "idle")
    for method, path in [
        ("GET", "/openai/v1/agents"), ("POST", "/openai/v1/agents"), ("GET", "/openai/v1/agents/agent_1"),
        ("GET", f"{SESSIONS}/{session.id}/turns"), ("GET", f"{SESSIONS}/{session.id}/subagents"),
        ("GET", f"{SESSIONS}/{session.id}/artifacts"), ("GET", f"{SESSIONS}/{session.id}/traces"),
        ("GET", f"{SESSIONS}/{session.id}/ledger"), ("POST", f"{SESSIONS}/{session.id}/fork"),
        ("GET", "/openai/v1/agents/environments"), ("GET", "/openai/v1/agents/environments/templates"),
    ]:
        assert strict.json(method, path, {} if method == "POST" else None)[0] == 404, path
    assert strict.json("POST", f"{SESSIONS}/{session.id}", {"metadata": {}})[0] == 405
    # The other door has all of it.
    assert strict.json("GET", f"/v1/agents/sessions/{session.id}/turns")[0] == 200
    assert client.beta.agents.sessions.delete(session.id).deleted


@pytest.mark.parametrize("more, param", [
    ({"environment": {"type": "openai_hosted"}}, "environment.type"), ({"vault_ids": ["vault_1"]}, "vault_ids"),
])
def test_a_strict_server_has_no_more_to_give_a_session(strict, more, param):
    status, said = strict.json("POST", SESSIONS, {**asked("one"), **more})
    assert (status, said["error"]["param"]) == (400, param), said
    assert "managed agents" in said["error"]["message"]


def test_a_strict_server_knows_runtimes(strict):
    """One that is not there is looked for: its kind of environment is not what is wrong."""
    arn = f"arn:aws:bedrock-agentcore:{aws.REGION}:{aws.ACCOUNT}:runtime/agent-0123456789"
    environment = {"type": "aws_bedrock_agentcore", "runtime_arn": arn}
    status, said = strict.json("POST", SESSIONS, {**asked("one"), "environment": environment})
    assert (status, said["error"]["param"]) == (404, "environment.runtime_arn"), said


def test_a_strict_server_takes_text(strict):
    client = sdk(strict, bearer=KEY)
    picture = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}
    content = [{"role": "user", "content": [picture]}]
    for agent, text, param in [
        ({}, content, "input"),
        ({"tools": [{"type": "programmatic_tool_calling"}]}, "hi", "agent.tools[0]"),
        ({"multi_agent": {"enabled": True}}, "hi", "agent.multi_agent"),
    ]:
        body = {"role_arn": ROLE, "agent": {"model": "scripted", **agent}, "environment": NONE, "input": text}
        status, said = strict.json("POST", SESSIONS, body)
        assert (status, said["error"]["param"]) == (400, param), said
    session = create(client, "say one")
    settle(client, session.id, "idle")
    body = {"events": [{"type": "agent.session.input.message", "input": content}]}
    status, said = strict.json("POST", f"{SESSIONS}/{session.id}/events", body)
    assert (status, said["error"]["param"]) == (400, "events[0]"), said
    assert strict.request("POST", f"/v1/agents/sessions/{session.id}/events", body)[0] == 202


def test_a_strict_server_knows_three_states(strict):
    tool = {"type": "function", "name": "f", "description": "", "parameters": {"type": "object", "properties": {}}}
    client = sdk(strict, bearer=KEY)
    session = client.beta.agents.sessions.create(
        agent={"model": "scripted", "tools": [tool]}, environment=NONE, input="call f {}", extra_body=BY_ROLE
    )
    plain = settle(strict.client(), session.id, "requires_action")
    theirs = client.beta.agents.sessions.retrieve(session.id)
    assert (theirs.status, theirs.required_actions) == ("in_progress", plain.required_actions)
    assert [one.status for one in client.beta.agents.sessions.list() if one.id == session.id] == ["in_progress"]


# ---- environments


@pytest.mark.skipif(not CODEX.exists(), reason="the npm packages of tests/node are not installed")
@pytest.mark.soak(120)
def test_an_executor_that_signs(server, client, key, tmp_path):
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    bma = sdk(server, key)
    work = script(
        shell("echo hello; echo oops >&2; exit 3"), shell("printf 'a\\nb\\n' > made.txt; wc -l < made.txt"),
        "call read_file " + json.dumps({"path": "made.txt"}), "say done",
    )
    session = create(bma, work, {"type": "self_hosted", "workspace_directory": str(workspace)})
    waiting = settle(bma, session.id, "requires_action")
    assert [action.type for action in waiting.required_actions] == ["environment_connection"]
    with bma.beta.agents.sessions.events.stream(session.id, **LIVE) as stream:
        with Direct(tmp_path, session.environment, key):
            events = until(stream, IDLE)
    assert of_type(events, "environment.connected")
    ran_three(client, session, workspace)


@pytest.fixture(scope="module")
def hosted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hosted")
    needs_python()
    code = folder / "code/bucket/agent"
    code.mkdir(parents=True)
    (code / "main.py").write_text("print('an agent')\n")
    with Server(folder / "server", CONFIG + f'[agentcore]\ncode = "{folder}/code"\n') as server:
        yield server
        if server.process.poll() is None:
            server.stop()


def runtime(server, key, name, **more):
    control = aws.client(server, "bedrock-agentcore-control", key)
    code = {"code": {"s3": {"bucket": "bucket", "prefix": "agent"}}, "runtime": LANGUAGE, "entryPoint": ["main.py"]}
    return control.create_agent_runtime(
        agentRuntimeName=name, agentRuntimeArtifact={"codeConfiguration": code}, roleArn=ROLE,
        networkConfiguration={"networkMode": "PUBLIC"}, environmentVariables={"GREETING": "good day"}, **more,
    )["agentRuntimeArn"]


@pytest.mark.soak(120)
def test_commands_run_where_a_runtime_would(hosted):
    key = aws.access_key(hosted)
    arn, client = runtime(hosted, key, "agent"), sdk(hosted, key, strict=False)
    environment = {
        "type": "aws_bedrock_agentcore", "runtime_arn": arn, "workspace_directory": "/workspace/it's mine",
        "capability_directories": ["/workspace/skills"],
    }
    work = script(shell("pwd; cat /run/code/main.py; echo $GREETING; touch /run/code/x 2>/dev/null; echo $?"), "say done")
    session = create(client, work, environment)
    shown = session.environment.to_dict()
    id = shown.pop("id")
    assert shown == {**environment, "runtime_qualifier": "DEFAULT"} and id.startswith("env_")
    settle(client, session.id, "idle")
    (ran,) = [item for item in client.beta.agents.sessions.items.list(session.id) if item.type == "command_execution"]
    lines = ran.output.splitlines()
    assert lines == ["/workspace/it's mine", "print('an agent')", "good day", "1"], ran.output
    with client.beta.agents.sessions.events.stream(session.id, **LIVE) as stream:
        client.beta.agents.sessions.events.create(session.id, events=[message("say more")])
        until(stream, IDLE)


def test_a_runtime_has_to_be_there(hosted):
    key, stranger = aws.access_key(hosted), aws.access_key(hosted, "--project", "another")
    theirs = runtime(hosted, stranger, "theirs")
    own = runtime(hosted, key, "own")
    none = own.rsplit("/", 1)[0] + "/own-0123456789"
    refusals = set()
    for arn, more, status, param in [
        (theirs, {}, 404, "environment.runtime_arn"),
        (none, {}, 404, "environment.runtime_arn"),
        (own.replace(aws.ACCOUNT, "123456789012"), {}, 404, "environment.runtime_arn"),
        (own.replace(aws.REGION, "eu-west-1"), {}, 404, "environment.runtime_arn"),
        (own, {"runtime_qualifier": "another"}, 404, "environment.runtime_arn"),
        ("own", {}, 400, "environment.runtime_arn"),
        (own.replace(":runtime/", ":memory/"), {}, 400, "environment.runtime_arn"),
        (own, {"workspace_directory": "/mnt/data"}, 400, "environment.workspace_directory"),
        (own, {"capability_directories": ["/a", "/a"]}, 400, "environment.capability_directories"),
        (own, {"network": {"access": "enabled"}}, 400, "environment.network"),
    ]:
        environment = {"type": "aws_bedrock_agentcore", "runtime_arn": arn, **more}
        body = {**asked("one"), "environment": environment}
        got, said = hosted.json("POST", SESSIONS, body)
        assert (got, said["error"]["param"]) == (status, param), said
        if status == 404:
            refusals.add(said["error"]["message"])
    # Another's, one of nobody's and one that is elsewhere are told apart by nothing.
    assert len(refusals) == 1
    # The plain door knows no such environment.
    body = {"agent": {"model": "scripted"}, "environment": {"type": "aws_bedrock_agentcore", "runtime_arn": own}, "input": "x"}
    assert hosted.json("POST", "/v1/agents/sessions", body)[0] == 400
