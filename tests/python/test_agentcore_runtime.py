"""Agents that were written with the `bedrock-agentcore` SDK, unchanged, hosted and invoked with unmodified boto3: what is
kept of them, what they are asked and answer, what becomes of their sessions, and what of a killed server's is found again."""
import contextlib
import io
import json
import os
import sys
import time
import uuid
import zipfile
from pathlib import Path

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
import pytest
import websockets.exceptions
import websockets.sync.client

import aws
from server import CONFIG, Server

ROLE = f"arn:aws:iam::{aws.ACCOUNT}:role/agent"
PYTHON = f"python3.{sys.version_info.minor}"
LANGUAGE = f"PYTHON_3_{sys.version_info.minor}"
# What the SDK's application needs, without the data of boto3, which it does not.
PACKAGES = [
    "annotated_types", "anyio", "bedrock_agentcore", "boto3", "botocore", "certifi", "click", "dateutil", "h11", "idna",
    "jmespath", "opentelemetry", "pydantic", "pydantic_core", "python_multipart", "s3transfer", "six.py", "sniffio",
    "starlette", "typing_extensions.py", "typing_inspection", "urllib3", "uvicorn", "websockets",
]

AGENT = '''
import asyncio, os, pathlib
from bedrock_agentcore import BedrockAgentCoreApp, PingStatus

app = BedrockAgentCoreApp()
calls, pings, status = 0, 0, PingStatus.HEALTHY
work = pathlib.Path("/workspace")

@app.ping
def ping():
    global pings
    pings += 1
    (work / "pings").write_text(str(pings))
    return status

async def tell():
    yield {"part": 1}
    while not (work / "go").exists():
        await asyncio.sleep(0.02)
    yield {"part": "\\u00fc 2"}

async def torn():
    yield {"part": 1}
    while not (work / "go").exists():
        await asyncio.sleep(0.02)
    os._exit(3)

@app.entrypoint
async def main(payload, context):
    global calls, status
    calls += 1
    match payload.get("do"):
        case "stream":
            return tell()
        case "torn":
            return torn()
        case "go":
            (work / "go").touch()
        case "write":
            (work / "kept.txt").write_text(payload["text"])
            if payload.get("busy"):
                status = PingStatus.HEALTHY_BUSY
        case "fail":
            raise ValueError("it is all wrong")
        case "exit":
            os._exit(7)
        case "busy":
            status = PingStatus.HEALTHY_BUSY
        case "healthy":
            status = PingStatus.HEALTHY
        case "large":
            return "x" * payload["size"]
    kept = work / "kept.txt"
    return {
        "said": payload.get("text"), "calls": calls, "pid": os.getpid(), "pings": pings, "session": context.session_id,
        "kept": kept.read_text() if kept.exists() else None, "mode": os.environ.get("MODE"),
        "headers": dict(context.request_headers or {}),
        "keys": sorted(name for name in os.environ if "KEY" in name or "SECRET" in name or "TOKEN" in name),
    }

@app.websocket
async def socket(websocket, context):
    await websocket.accept()
    await websocket.send_json({"session": context.session_id})
    while (text := await websocket.receive_text()) != "bye":
        await websocket.send_text(text.upper())
    await websocket.close()

if __name__ == "__main__":
    app.run()
'''


def packed(files, packages=()):
    """A ZIP archive as people make it for AWS: the code, and beside it what it imports."""
    out = io.BytesIO()
    site = Path(aws.boto3.__file__).parents[1]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        folders = [site / package for package in packages]
        if packages:
            folders += site.glob("*.dist-info")
        for folder in folders:
            for path in [folder] if folder.is_file() else sorted(folder.rglob("*")):
                inside = path.relative_to(site).as_posix()
                if path.is_file() and "__pycache__" not in inside and not inside.startswith(("botocore/data", "boto3/data")):
                    archive.write(path, inside)
    return out.getvalue()


def needs_python():
    if not any((Path(folder) / PYTHON).exists() for folder in ("/usr/local/bin", "/usr/bin")):
        pytest.skip(f"sandboxes of this machine have no {PYTHON}")


def upload(client, data):
    return client.files.create(file=("agent.zip", data), purpose="user_data").id


def described(prefix, bucket="outcrop-files", runtime=LANGUAGE, entry=("main.py",), **more):
    code = {"code": {"s3": {"bucket": bucket, "prefix": prefix}}, "runtime": runtime, "entryPoint": list(entry)}
    return {
        "agentRuntimeArtifact": {"codeConfiguration": code}, "roleArn": ROLE,
        "networkConfiguration": {"networkMode": "PUBLIC"}, **more,
    }


def refused(code, status, call, *args, **kwargs):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(*args, **kwargs)
    said = caught.value.response
    assert (said["Error"]["Code"], said["ResponseMetadata"]["HTTPStatusCode"]) == (code, status), said
    return said["Error"]["Message"]


def new_session():
    return f"session-{uuid.uuid4()}"


def poll(condition, seconds=40):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.05)
    return found


class Stage:
    """A server, its clients, and an agent on it."""

    def __init__(self, server):
        self.server = server
        self.key = aws.access_key(server)
        self.control = aws.client(server, "bedrock-agentcore-control", self.key)
        self.data = aws.client(server, "bedrock-agentcore", self.key, timeout=60)

    def host(self, name, code, **more):
        made = self.control.create_agent_runtime(
            agentRuntimeName=name, **described(upload(self.server.client(), code), **more),
        )
        return made["agentRuntimeArn"]

    def ask(self, arn, session, data=None, **payload):
        answer = (data or self.data).invoke_agent_runtime(
            agentRuntimeArn=arn, runtimeSessionId=session, payload=json.dumps(payload).encode(),
        )
        assert answer["statusCode"] == 200 and answer["runtimeSessionId"] == session, answer
        return json.loads(answer["response"].read())

    def running(self):
        return list(self.server.data.glob("environments/rts_*/keeper.sock"))


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    needs_python()
    folder = tmp_path_factory.mktemp("agentcore")
    config = CONFIG + f"""
[agentcore]
code = "{folder}/code"
"""
    with Server(folder, config=config) as server:
        yield Stage(server)


@pytest.fixture(scope="module")
def agent(stage):
    """The SDK's own application."""
    return stage.host(
        "sample", packed({"main.py": AGENT}, PACKAGES), environmentVariables={"MODE": "test"},
        requestHeaderConfiguration={"requestHeaderAllowlist": ["X-Amzn-Bedrock-AgentCore-Runtime-Custom-Colour"]},
    )


def test_runtimes_are_made_shown_changed_and_deleted(stage):
    control = stage.control
    file = upload(stage.server.client(), packed({"main.py": "print('hello')", "b/other.py": ""}))
    made = control.create_agent_runtime(
        agentRuntimeName="one", description="the first", **described(file, entry=["b/other.py"]),
        lifecycleConfiguration={"idleRuntimeSessionTimeout": 60, "maxLifetime": 120}, environmentVariables={"A": "b"},
        protocolConfiguration={"serverProtocol": "HTTP"},
    )
    name, arn = made["agentRuntimeId"], made["agentRuntimeArn"]
    assert arn == f"arn:aws:bedrock-agentcore:{aws.REGION}:{aws.ACCOUNT}:runtime/{name}" and name.startswith("one-")
    shown = control.get_agent_runtime(agentRuntimeId=name)
    assert (shown["status"], shown["agentRuntimeVersion"], shown["description"]) == ("READY", "1", "the first")
    assert shown["lifecycleConfiguration"] == {"idleRuntimeSessionTimeout": 60, "maxLifetime": 120}
    assert shown["agentRuntimeArtifact"]["codeConfiguration"]["entryPoint"] == ["b/other.py"]
    assert shown["environmentVariables"] == {"A": "b"} and shown["roleArn"] == ROLE
    refused("ConflictException", 409, control.create_agent_runtime, agentRuntimeName="one", **described(file))
    # The same twice, as a client does that has heard no answer.
    token = "t" * 40
    twice = [
        control.create_agent_runtime(agentRuntimeName="two", clientToken=token, **described(file))["agentRuntimeId"]
        for _ in range(2)
    ]
    assert twice[0] == twice[1]
    changed = control.update_agent_runtime(agentRuntimeId=name, **described(file))
    assert changed["agentRuntimeVersion"] == "2"
    assert "description" not in control.get_agent_runtime(agentRuntimeId=name)
    assert control.get_agent_runtime(agentRuntimeId=name, agentRuntimeVersion="1")["description"] == "the first"
    assert shown["lifecycleConfiguration"] != control.get_agent_runtime(agentRuntimeId=name)["lifecycleConfiguration"]
    refused("ResourceNotFoundException", 404, control.get_agent_runtime, agentRuntimeId=name, agentRuntimeVersion="3")
    pages = control.get_paginator("list_agent_runtime_versions").paginate(
        agentRuntimeId=name, PaginationConfig={"PageSize": 1},
    )
    assert [one["agentRuntimeVersion"] for page in pages for one in page["agentRuntimes"]] == ["2", "1"]
    pages = control.get_paginator("list_agent_runtimes").paginate(PaginationConfig={"PageSize": 1})
    listed = [one["agentRuntimeName"] for page in pages for one in page["agentRuntimes"]]
    assert listed.index("two") < listed.index("one"), listed
    for runtime in [name, twice[0]]:
        assert control.delete_agent_runtime(agentRuntimeId=runtime)["status"] == "DELETING"
        refused("ResourceNotFoundException", 404, control.get_agent_runtime, agentRuntimeId=runtime)
        refused("ResourceNotFoundException", 404, control.delete_agent_runtime, agentRuntimeId=runtime)


def test_endpoints_name_versions(stage):
    control = stage.control
    file = upload(stage.server.client(), packed({"main.py": ""}))
    runtime = control.create_agent_runtime(agentRuntimeName="named", **described(file))["agentRuntimeId"]
    control.update_agent_runtime(agentRuntimeId=runtime, **described(file))

    def live(name):
        return control.get_agent_runtime_endpoint(agentRuntimeId=runtime, endpointName=name)["liveVersion"]

    made = control.create_agent_runtime_endpoint(
        agentRuntimeId=runtime, name="live", agentRuntimeVersion="1", description="it",
    )
    assert made["agentRuntimeEndpointArn"].endswith(f"runtime/{runtime}/runtime-endpoint/live")
    assert (live("live"), live("DEFAULT")) == ("1", "2")
    again = control.create_agent_runtime_endpoint
    refused("ConflictException", 409, again, agentRuntimeId=runtime, name="live")
    refused("ResourceNotFoundException", 404, again, agentRuntimeId=runtime, name="other", agentRuntimeVersion="9")
    pages = control.get_paginator("list_agent_runtime_endpoints").paginate(
        agentRuntimeId=runtime, PaginationConfig={"PageSize": 1},
    )
    assert [one["name"] for page in pages for one in page["runtimeEndpoints"]] == ["DEFAULT", "live"]
    change = control.update_agent_runtime_endpoint
    change(agentRuntimeId=runtime, endpointName="live", agentRuntimeVersion="2")
    shown = control.get_agent_runtime_endpoint(agentRuntimeId=runtime, endpointName="live")
    assert (shown["liveVersion"], shown["description"]) == ("2", "it")
    refused("ConflictException", 409, change, agentRuntimeId=runtime, endpointName="DEFAULT", agentRuntimeVersion="1")
    gone = control.delete_agent_runtime_endpoint
    refused("ConflictException", 409, gone, agentRuntimeId=runtime, endpointName="DEFAULT")
    gone(agentRuntimeId=runtime, endpointName="live")
    refused("ResourceNotFoundException", 404, gone, agentRuntimeId=runtime, endpointName="live")
    control.delete_agent_runtime(agentRuntimeId=runtime)


def test_what_is_not_served_is_refused_with_the_reason(stage):
    make, client = stage.control.create_agent_runtime, stage.server.client()
    file = upload(client, packed({"main.py": ""}))
    good = described(file)
    image = {"containerConfiguration": {"containerUri": f"{aws.ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/agent:1"}}
    vpc = {"networkMode": "VPC", "networkModeConfig": {"securityGroups": ["sg-12345678"], "subnets": ["subnet-12345678"]}}
    odd = next(f"PYTHON_3_{minor}" for minor in (10, 14, 12, 13) if not Path(f"/usr/bin/python3.{minor}").exists())
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("../main.py", "")
    for what, wanted in [
        ({"agentRuntimeArtifact": image}, "no container images"),
        ({"networkConfiguration": vpc}, "no VPC"),
        (described("file-000000000000000000000000"), "There is no file"),
        (described(file, entry=["other.py"]), "has no file 'other.py'"),
        (described(file, entry=["../main.py"]), "has no file"),
        (described(file, runtime=odd), f"has no python3.{odd.rsplit('_', 1)[1]}"),
        (described(upload(client, b"no archive")), "it is no ZIP archive"),
        (described(upload(client, out.getvalue())), "is no path below its folder"),
        (described("agent.zip", bucket="my-bucket"), "nothing of that bucket and prefix"),
        (described("../../data/api-key", bucket="my-bucket"), "nothing of that bucket and prefix"),
        ({"protocolConfiguration": {"serverProtocol": "MCP"}}, "HTTP or AGUI"),
        ({"requestHeaderConfiguration": {"requestHeaderAllowlist": ["Authorization"]}}, "only headers that begin with"),
        ({"filesystemConfigurations": [{"sessionStorage": {"mountPath": "/mnt/data"}}]}, "/workspace"),
        ({"tags": {"a": "b"}}, "keeps no tags"),
    ]:
        said = refused("ValidationException", 400, make, agentRuntimeName="never", **{**good, **what})
        assert wanted in said, said
    assert not any(one["agentRuntimeName"] == "never" for one in stage.control.list_agent_runtimes()["agentRuntimes"])
    unserved = stage.data.start_browser_session
    refused("UnknownOperationException", 404, unserved, browserIdentifier="aws.browser.v1")


@pytest.mark.soak(180)
def test_a_session_is_one_program(stage, agent):
    session, other = new_session(), new_session()
    first = stage.ask(agent, session, text="hello")
    assert (first["said"], first["calls"], first["session"], first["mode"]) == ("hello", 1, session, "test")
    # No key of this server, nor of anybody else's, is in it.
    assert first["keys"] == []
    second = stage.ask(agent, session, text="again")
    assert (second["calls"], second["pid"]) == (2, first["pid"])
    assert stage.ask(agent, other)["calls"] == 1
    made = stage.data.invoke_agent_runtime(agentRuntimeArn=agent, payload=b"{}")
    drawn = made["runtimeSessionId"]
    assert len(drawn) >= 33 and json.loads(made["response"].read())["session"] == drawn
    assert stage.ask(agent, drawn)["calls"] == 2
    # Larger than any buffer on the way.
    size = 5_000_000
    assert stage.ask(agent, session, do="large", size=size) == "x" * size
    for one in (session, other, drawn):
        stage.data.stop_runtime_session(agentRuntimeArn=agent, runtimeSessionId=one)


@pytest.mark.soak(120)
def test_what_it_is_told_of_the_request(stage, agent):
    data = aws.client(stage.server, "bedrock-agentcore", stage.key, timeout=60)
    custom = {"X-Amzn-Bedrock-AgentCore-Runtime-Custom-Colour": "blue", "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Other": "x"}
    data.meta.events.register(
        "before-sign.bedrock-agentcore.InvokeAgentRuntime",
        lambda request, **_: [request.headers.add_header(name, value) for name, value in custom.items()],
    )
    session = new_session()
    heard = {name.lower(): value for name, value in stage.ask(agent, session, data=data)["headers"].items()}
    assert heard.get("x-amzn-bedrock-agentcore-runtime-custom-colour") == "blue", heard
    assert "x-amzn-bedrock-agentcore-runtime-custom-other" not in heard and "authorization" not in heard, heard
    stage.data.stop_runtime_session(agentRuntimeArn=agent, runtimeSessionId=session)


@pytest.mark.soak(120)
def test_a_stream_comes_as_it_is_said(stage, agent):
    session = new_session()
    answer = stage.data.invoke_agent_runtime(
        agentRuntimeArn=agent, runtimeSessionId=session, payload=b'{"do": "stream"}', accept="text/event-stream",
    )
    assert answer["contentType"].startswith("text/event-stream")
    lines = answer["response"].iter_lines(chunk_size=1)
    # The first is here before the program may say the second, which somebody else lets it.
    assert json.loads(next(line for line in lines if line).removeprefix(b"data: ")) == {"part": 1}
    stage.ask(agent, session, do="go")
    assert [json.loads(line.removeprefix(b"data: ")) for line in lines if line] == [{"part": "ü 2"}]
    stage.data.stop_runtime_session(agentRuntimeArn=agent, runtimeSessionId=session)


@pytest.mark.soak(180)
def test_a_program_that_fails_is_said_to(stage, agent):
    session, ask = new_session(), stage.data.invoke_agent_runtime
    named = {"agentRuntimeArn": agent, "runtimeSessionId": session}
    assert "it is all wrong" in refused("RuntimeClientError", 424, ask, **named, payload=b'{"do": "fail"}')
    assert "(400)" in refused("RuntimeClientError", 424, ask, **named, payload=b"no JSON")
    refused("RuntimeClientError", 424, ask, **named, payload=b'{"do": "exit"}')
    # It is started anew, on the same disk.
    assert stage.ask(agent, session, do="write", text="kept")["calls"] == 1
    refused("RuntimeClientError", 424, ask, **named, payload=b'{"do": "exit"}')
    assert stage.ask(agent, session)["kept"] == "kept"
    lines = ask(**named, payload=b'{"do": "torn"}')["response"].iter_lines(chunk_size=1)
    assert next(line for line in lines if line)
    stage.ask(agent, session, do="write", text="more")
    with contextlib.suppress(botocore.exceptions.ClientError):
        # Its last answer may not come out any more.
        stage.ask(agent, session, do="go")
    # What was cut off does not look like an end.
    with pytest.raises((botocore.exceptions.BotoCoreError, OSError)):
        list(lines)
    stage.data.stop_runtime_session(**named)
    broken = stage.host("broken", packed({"main.py": "raise SystemExit('there is no model')"}))
    said = refused("RuntimeClientError", 424, ask, agentRuntimeArn=broken, payload=b"{}")
    assert "exit code 1" in said and "there is no model" in said, said


def test_who_is_unknown_finds_nothing(stage, agent):
    other = aws.client(stage.server, "bedrock-agentcore", aws.access_key(stage.server, "--project", "other"))
    missing = agent[:-3] + ("000" if not agent.endswith("000") else "111")
    ask = {"payload": b"{}", "runtimeSessionId": new_session()}
    said = {
        refused("ResourceNotFoundException", 404, client.invoke_agent_runtime, agentRuntimeArn=arn, **ask)
        for client, arn in [
            (other, agent), (other, missing), (stage.data, missing),
            (stage.data, agent.replace(aws.ACCOUNT, "999999999999")), (stage.data, agent.replace("us-east-1", "eu-west-1")),
        ]
    }
    assert len(said) == 1, said
    invoke, stop = stage.data.invoke_agent_runtime, stage.data.stop_runtime_session
    refused("ResourceNotFoundException", 404, invoke, agentRuntimeArn=agent, qualifier="nowhere", **ask)
    refused("ResourceNotFoundException", 404, stop, agentRuntimeArn=agent, runtimeSessionId=new_session())
    refused("ValidationException", 400, invoke, agentRuntimeArn=agent, payload=b"{}", runtimeSessionId="s" * 40 + "/")
    assert not stage.server.client().beta.agents.environments.list().data


@pytest.mark.soak(120)
def test_a_socket_is_handed_through(stage, agent):
    session = new_session()
    path = f"/runtimes/{agent.replace(':', '%3A').replace('/', '%2F')}/ws"
    request = botocore.awsrequest.AWSRequest(
        "GET", stage.server.origin + path, headers={"X-Amzn-Bedrock-AgentCore-Runtime-Session-Id": session},
    )
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(*stage.key), "bedrock-agentcore", aws.REGION).add_auth(request)
    headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
    url = stage.server.origin.replace("http", "ws", 1) + path
    with websockets.sync.client.connect(url, additional_headers=headers, proxy=None) as socket:
        assert json.loads(socket.recv()) == {"session": session}
        for text in ["one", "x" * 300_000]:
            socket.send(text)
            assert socket.recv() == text.upper()
        socket.send("bye")
        with pytest.raises(websockets.exceptions.ConnectionClosedOK):
            socket.recv()
    with pytest.raises(websockets.exceptions.InvalidStatus):
        websockets.sync.client.connect(url, proxy=None)
    stage.data.stop_runtime_session(agentRuntimeArn=agent, runtimeSessionId=session)


@pytest.mark.soak(180)
def test_a_session_that_was_stopped_goes_on_with_its_disk(stage, agent):
    session = new_session()
    first = stage.ask(agent, session, do="write", text="of the first")
    stopped = stage.data.stop_runtime_session(agentRuntimeArn=agent, runtimeSessionId=session)
    assert stopped["runtimeSessionId"] == session
    # It may be said again.
    stage.data.stop_runtime_session(agentRuntimeArn=agent, runtimeSessionId=session)
    second = stage.ask(agent, session)
    assert (first["calls"], second["calls"], second["kept"]) == (1, 1, "of the first")
    stage.data.stop_runtime_session(agentRuntimeArn=agent, runtimeSessionId=session)


@pytest.mark.soak(180)
def test_code_may_lie_in_a_folder_of_the_operator(stage):
    folder = stage.server.folder / "code" / "my-bucket" / "agents" / "plain"
    folder.mkdir(parents=True)
    (folder / "main.py").write_text("""
import http.server, json, pathlib
class Handler(http.server.BaseHTTPRequestHandler):
    def say(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.say({"status": "Healthy"})
    def do_POST(self):
        word = pathlib.Path("word.txt").read_text()
        try:
            pathlib.Path("word.txt").write_text("mine")
            written = True
        except OSError:
            written = False
        self.say({"word": word, "written": written})
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
""")
    (folder / "word.txt").write_text("theirs")
    for path in [folder, *folder.parents[:3]]:
        os.chmod(path, 0o755)
    made = stage.control.create_agent_runtime(agentRuntimeName="plain", **described("agents/plain", bucket="my-bucket"))
    session = new_session()
    assert stage.ask(made["agentRuntimeArn"], session) == {"word": "theirs", "written": False}
    stage.control.delete_agent_runtime(agentRuntimeId=made["agentRuntimeId"])
    refused("ResourceNotFoundException", 404, stage.data.invoke_agent_runtime,
            agentRuntimeArn=made["agentRuntimeArn"], runtimeSessionId=session, payload=b"{}")


def run(stage, arn, command, **more):
    return stage.data.invoke_agent_runtime_command(agentRuntimeArn=arn, body={"command": command}, **more)


def told(answer):
    """What a command said on both its streams, and how it ended."""
    said, ends, began = {"stdout": "", "stderr": ""}, [], 0
    for event in answer["stream"]:
        [(kind, value)] = event["chunk"].items()
        if kind == "contentStart":
            began += 1
        elif kind == "contentDelta":
            [(name, text)] = value.items()
            said[name] += text
        else:
            ends.append((value["exitCode"], value["status"]))
    [end] = ends
    assert began == 1
    return said["stdout"], said["stderr"], end


@pytest.mark.soak(180)
def test_a_command_runs_beside_the_program(stage, agent):
    session = new_session()
    answer = run(stage, agent, "echo one; echo zwei ü >&2; echo $MODE; pwd; exit 3", runtimeSessionId=session)
    assert answer["runtimeSessionId"] == session and answer["statusCode"] == 200
    assert answer["contentType"] == "application/vnd.amazon.eventstream"
    assert told(answer) == ("one\ntest\n/workspace\n", "zwei ü\n", (3, "COMPLETED"))
    # It began the session, whose program it shares the disk with.
    told(run(stage, agent, "echo -n from a command > kept.txt", runtimeSessionId=session))
    first = stage.ask(agent, session)
    assert (first["kept"], first["calls"]) == ("from a command", 1)
    # What is said comes as it is said.
    events = iter(run(stage, agent, "echo first; until [ -e go ]; do sleep 0.02; done; echo second",
                      runtimeSessionId=session)["stream"])
    assert "contentStart" in next(events)["chunk"] and next(events)["chunk"] == {"contentDelta": {"stdout": "first\n"}}
    stage.ask(agent, session, do="go")
    assert [next(iter(event["chunk"].values())) for event in events] == [
        {"stdout": "second\n"}, {"exitCode": 0, "status": "COMPLETED"},
    ]
    # Bytes that are no text, and a character that comes in two pieces.
    out, _, end = told(run(stage, agent, r"printf 'a\377'; printf '\303'; sleep 0.1; printf '\274'", runtimeSessionId=session))
    assert (out, end) == ("a\ufffdü", (0, "COMPLETED"))
    out, err, end = told(run(stage, agent, "head -c 3000000 /dev/zero | tr '\\0' x", runtimeSessionId=session))
    assert end == (0, "COMPLETED") and (len(out) == 3_000_000 or "missing" in err), (len(out), err)
    stage.data.stop_runtime_session(agentRuntimeArn=agent, runtimeSessionId=session)


@pytest.mark.soak(180)
def test_a_command_ends_with_its_time_or_with_its_client(stage, agent):
    session = new_session()
    runs = "for i in $(seq 500); do echo $i > count; sleep 0.02; done"

    def count():
        return told(run(stage, agent, "cat count", runtimeSessionId=session))[0]

    def is_ended():
        before = count()
        time.sleep(0.3)
        return count() == before

    answer = stage.data.invoke_agent_runtime_command(
        agentRuntimeArn=agent, runtimeSessionId=session, body={"command": f"echo begun; {runs}", "timeout": 1},
    )
    assert told(answer) == ("begun\n", "", (-1, "TIMED_OUT"))
    poll(is_ended)
    answer = run(stage, agent, f"echo begun; {runs}", runtimeSessionId=session)
    events = iter(answer["stream"])
    next(events), next(events)
    answer["stream"].close()
    poll(is_ended)
    assert int(count()) < 500
    # More than one command may say.
    try:
        out, err, _ = told(run(stage, agent, "head -c 100000000 /dev/zero | tr '\\0' x", runtimeSessionId=session))
        assert "some output is missing" in err and len(out) < 33_000_000, (len(out), err)
    except botocore.exceptions.EventStreamError as error:
        assert error.response["Error"]["Code"] == "runtimeClientError" and "said more than" in str(error), error
    # A session that is stopped takes its commands with it.
    events = iter(run(stage, agent, "echo begun; sleep 100", runtimeSessionId=session)["stream"])
    next(events), next(events)
    stage.data.stop_runtime_session(agentRuntimeArn=agent, runtimeSessionId=session)
    with pytest.raises(botocore.exceptions.EventStreamError) as caught:
        list(events)
    assert caught.value.response["Error"]["Code"] == "runtimeClientError", caught.value


def test_a_command_that_is_wrong_is_refused(stage, agent):
    command = stage.data.invoke_agent_runtime_command
    named = {"agentRuntimeArn": agent, "runtimeSessionId": new_session()}
    for body in [{"command": "true", "timeout": 0}, {"command": "true", "timeout": 3601}, {"command": "a\0b"}]:
        refused("ValidationException", 400, command, **named, body=body)
    ask = {"body": {"command": "true"}, "runtimeSessionId": new_session()}
    refused("ResourceNotFoundException", 404, command, agentRuntimeArn=agent, qualifier="nowhere", **ask)
    other = aws.client(stage.server, "bedrock-agentcore", aws.access_key(stage.server, "--project", "another"))
    refused("ResourceNotFoundException", 404, other.invoke_agent_runtime_command, agentRuntimeArn=agent, **ask)


@contextlib.contextmanager
def hosting(folder, config=""):
    """A server of its own, with the SDK's application."""
    needs_python()
    with Server(folder, config=CONFIG + config) as server:
        stage = Stage(server)
        yield stage, stage.host("sample", packed({"main.py": AGENT}, PACKAGES))


@pytest.mark.soak(240)
def test_who_is_idle_is_ended_and_who_is_busy_is_not(tmp_path):
    with hosting(tmp_path, "\n[agentcore]\nidle_after = '1s'\n") as (stage, agent):
        session = new_session()
        before = stage.ask(agent, session, do="busy")
        # It is asked whether it is busy only when it has been idle for as long as it may be.
        poll(lambda: pings(stage) >= before["pings"] + 2)
        after = stage.ask(agent, session, do="healthy")
        assert (after["pid"], after["calls"]) == (before["pid"], before["calls"] + 1)
        poll(lambda: not stage.running())
        assert stage.ask(agent, session)["calls"] == 1


def pings(stage):
    """How often the program was asked, as it writes down itself."""
    [said] = stage.server.data.glob("environments/rts_*/disk/pings")
    return int(said.read_text() or 0)


@pytest.mark.soak(240)
def test_nobody_runs_longer_than_the_longest(tmp_path):
    with hosting(tmp_path, "\n[agentcore]\nidle_after = '1s'\nlifetime = '12s'\n") as (stage, agent):
        session = new_session()
        stage.ask(agent, session, do="write", text="kept", busy=True)
        poll(lambda: not stage.running())
        assert stage.ask(agent, session)["kept"] == "kept"


@pytest.mark.soak(240)
def test_a_killed_server_leaves_its_agents_running(tmp_path):
    with hosting(tmp_path) as (stage, agent):
        session = new_session()
        first = stage.ask(agent, session, do="write", text="before")
        answer = stage.data.invoke_agent_runtime(
            agentRuntimeArn=agent, runtimeSessionId=session, payload=b'{"do": "stream"}',
        )
        lines = answer["response"].iter_lines(chunk_size=1)
        assert next(line for line in lines if line)
        stage.server.kill()
        # Whoever was being told something hears that it is over, and not that this was all.
        with pytest.raises((botocore.exceptions.BotoCoreError, OSError)):
            list(lines)
        stage.server.start()
        second = stage.ask(agent, session)
        assert (second["pid"], second["kept"]) == (first["pid"], "before") and second["calls"] > first["calls"]
