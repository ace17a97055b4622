"""Real MCP servers as programs: those of the SDKs of Python and TypeScript, on a client's machine and in a hosted environment."""
import importlib.metadata
import json
import re
import shutil
import sys

import pytest

from conversation import items, message, post, settings, settle
from server import ROOT, Server
from test_hosted import serving, wait_for
from test_self_hosted import CODEX, Executor

pytestmark = pytest.mark.soak(120)
EVERYTHING = ROOT / "tests/node/node_modules/@modelcontextprotocol/server-everything/dist/index.js"
COUNTING = ROOT / "tests/python/mcp_servers/counting.py"
WITH_NPM = pytest.mark.skipif(not (EVERYTHING.exists() and CODEX.exists()), reason="the npm packages of tests/node are not installed")
NEVER_ASK = {"approvals": "never"}


def stdio(command, *args, cwd):
    transport = {"type": "stdio", "command": str(command), "args": [str(arg) for arg in args], "cwd": str(cwd)}
    return [{"type": "mcp", "server_label": "srv", "transport": transport, "required": True}]


def called(client, session):
    return [item for item in items(client, session.id) if item.type == "mcp_call"]


@WITH_NPM
@pytest.mark.parametrize(("server", "script", "expected"), [
    ("everything", 'call srv__echo {"message":"hi"}', "Echo: hi"), ("counting", 'call srv__add {"a":20,"b":22}', "42"),
])
def test_on_a_machine_of_the_clients(tmp_path, server, script, expected):
    tools = {
        "everything": stdio(shutil.which("node"), EVERYTHING, "stdio", cwd=tmp_path),
        "counting": stdio(sys.executable, COUNTING, "stdio", tmp_path / "calls", cwd=tmp_path),
    }
    with Server(tmp_path / "server") as own:
        client = own.client()
        asked = settings(None, tools=tools[server], metadata=NEVER_ASK)
        del asked["input"]
        asked["environment"] = {"type": "self_hosted", "workspace_directory": str(tmp_path)}
        session = client.beta.agents.sessions.create(**asked)
        with Executor(tmp_path, session.environment):
            post(client, session.id, message(f"{script}\nsay done"))
            with client.beta.agents.sessions.events.stream(session.id) as stream:
                for _ in stream:
                    if (calls := called(client, session)) and calls[-1].status != "in_progress":
                        break
            settle(client, session.id, "idle")
            (call,) = called(client, session)
            assert call.status == "completed" and expected in json.dumps(call.output)


def packages(names):
    """Files of these distributions and of all that they need, where this interpreter has them."""
    wanted, seen = list(names), set()
    while wanted:
        name = wanted.pop()
        if name.lower() in seen:
            continue
        seen.add(name.lower())
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # For another system, or an extra.
        wanted += [re.match(r"[\w.-]+", line)[0] for line in found.requires or [] if "extra ==" not in line]
        yield from ((found.locate_file(file), file) for file in found.files if ".." not in file.parts)


def node_packages(name):
    """Files of this package of npm and of all that it needs, at the places where they are found."""
    modules = ROOT / "tests/node/node_modules"
    wanted, seen = [modules / name], set()
    while wanted:
        package = wanted.pop()
        if package in seen:
            continue
        seen.add(package)
        above = [folder / "node_modules" for folder in (package, *package.parents) if folder.is_relative_to(modules.parent)]
        for needed in json.loads((package / "package.json").read_text()).get("dependencies", {}):
            wanted.append(next(folder / needed for folder in above if (folder / needed).is_dir()))
    for package in seen:
        for file in package.rglob("*"):
            if file.is_file() and "node_modules" not in file.relative_to(package).parts:
                yield file, file.relative_to(modules.parent)


def copied(folder, files):
    for source, name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / name)


HOSTED = {"type": "openai_hosted", "network": {"access": "enabled"}}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("stdio")) as server:
        yield server


def ready(own):
    """A hosted environment and its folder."""
    environments = own.client().beta.agents.environments
    made = environments.create(environment=HOSTED)
    wait_for(lambda: environments.retrieve(made.id).status == "ready", "the environment")
    return {"type": "openai_hosted", "environment_id": made.id}, own.data / "environments" / made.id / "disk"


def run(own, script, tools, environment=HOSTED):
    """A session that has run it, and its one turn."""
    client = own.client()
    asked = settings(script, tools=tools, metadata=NEVER_ASK)
    session = client.beta.agents.sessions.create(**{**asked, "environment": environment})
    settle(client, session.id, "idle")
    (turn,) = client.beta.agents.sessions.turns.list(session.id)
    return session, turn


def test_the_python_sdks_in_a_hosted_environment(own):
    environment, folder = ready(own)
    copied(folder / "packages", packages(["mcp"]))
    shutil.copyfile(COUNTING, folder / "counting.py")
    tools = stdio("python3", "counting.py", "stdio", "calls", cwd="/workspace")
    tools[0]["transport"]["env"] = {"PYTHONPATH": "/workspace/packages"}
    session, turn = run(own, 'call srv__add {"a":20,"b":22}\nsay done', tools, environment)
    assert turn.status == "completed", turn.error
    (call,) = called(own.client(), session)
    assert call.status == "completed" and "42" in json.dumps(call.output)
    assert (folder / "calls").read_text() == "add 20 22\n"


@WITH_NPM
def test_server_everything_in_a_hosted_environment(own):
    environment, folder = ready(own)
    copied(folder, node_packages("@modelcontextprotocol/server-everything"))
    tools = stdio("node", EVERYTHING.relative_to(ROOT / "tests/node"), "stdio", cwd="/workspace")
    script = "\n".join([
        'call srv__echo {"message":"h\u00e9"} & call srv__get-sum {"a":2,"b":3} & call srv__get-tiny-image {}',
        'call srv__get-structured-content {"location":"New York"} & call srv__get-resource-links {"count":2}',
        'call srv__trigger-long-running-operation {"duration":1,"steps":2}',
        "say done",
    ])
    session, turn = run(own, script, tools, environment)
    assert turn.status == "completed", turn.error
    found = {call.name: call for call in called(own.client(), session)}
    assert {name: call.status for name, call in found.items()} == {name: "completed" for name in found}
    assert len(found) == 6
    said = {name: json.dumps(call.output, ensure_ascii=False) for name, call in found.items()}
    assert "Echo: h\u00e9" in said["echo"] and "2 and 3 is 5" in said["get-sum"]
    assert "image" in said["get-tiny-image"] and "temperature" in said["get-structured-content"]
    assert "resource" in said["get-resource-links"] and "Long running" in said["trigger-long-running-operation"]


BROKEN = "echo starting; echo 'Error: no \033[31mkey' >&2; exit 3"


def test_a_program_that_ends_at_once_says_why(own):
    tools = stdio("sh", "-c", BROKEN, cwd="/workspace")
    session, turn = run(own, "say done", tools)
    assert turn.status == "failed"
    assert "exit code 3" in turn.error.message and "no \\u{1b}[31mkey" in turn.error.message, turn.error.message
    session, turn = run(own, "say done", stdio("/no/such/program", cwd="/workspace"))
    assert turn.status == "failed" and "cannot be started" in turn.error.message


# A server of a few lines that ends with each call, and says so.
SHORT = r'''
import json, os, sys
with open("starts", "a") as file:
    file.write(f"{os.getpid()}\n")
tools = [{"name": "end", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}]
for line in sys.stdin:
    message = json.loads(line)
    if message["method"] == "tools/call":
        sys.exit("ended in a call")
    said = {"error": {"code": -32601, "message": "?"}}
    if message["method"] == "initialize":
        info = {"name": "short", "version": "1"}
        said = {"result": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}}
    if message["method"] == "tools/list":
        said = {"result": {"tools": tools}}
    if "id" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **said}), flush=True)
'''


def test_a_program_that_ends_with_each_call_is_started_again_each_time(own):
    script = "\n".join(["call srv__end {}"] * 30 + ["say done"])
    session, turn = run(own, script, stdio("python3", "-c", SHORT, cwd="/workspace"))
    assert turn.status == "completed", turn.error
    calls = called(own.client(), session)
    assert len(calls) == 30
    for call in calls:
        assert call.status == "failed" and 'exit code 1; it wrote: \\"ended in a call\\"' in json.dumps(call.error), call.error
    starts = (own.data / "environments" / session.environment.id / "disk/starts").read_text().split()
    assert len(starts) >= 30 and len(set(starts)) == len(starts)


def test_a_server_that_stops_leaves_no_program_behind(tmp_path):
    with serving(tmp_path / "server") as own:
        session, turn = run(own, "say done", stdio("python3", "-c", SHORT, cwd="/workspace"))
        assert turn.status == "completed", turn.error
        folder = own.data / "environments" / session.environment.id
        assert own.stop() == 0
        # Where nothing is under way the sandbox ends, and does not wait for the next server.
        assert not (folder / "keeper.sock").exists()
        own.start()
        post(own.client(), session.id, message("call srv__end {}\nsay again"))
        wait_for(lambda: called(own.client(), session), "the call")
        settle(own.client(), session.id, "idle")
        assert "ended in a call" in json.dumps(called(own.client(), session)[0].error)
