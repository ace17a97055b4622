"""Code interpreters by unmodified boto3, and by the SDK's own client: their sessions, what these are asked to run and to keep,
what is refused, and what of a killed server's is found again."""
import contextlib
import time
import uuid

import bedrock_agentcore.tools.code_interpreter_client as sdk
import botocore.exceptions
import pytest
import urllib3

import aws
from server import CONFIG, Server
from test_agentcore_runtime import needs_python, poll, refused

OWN = "aws.codeinterpreter.v1"
ROLE = f"arn:aws:iam::{aws.ACCOUNT}:role/agent"


class Stage:
    """A server and its clients."""

    def __init__(self, server):
        self.server = server
        self.key = aws.access_key(server)
        self.control = aws.client(server, "bedrock-agentcore-control", self.key)
        self.data = aws.client(server, "bedrock-agentcore", self.key, timeout=60)
        self.shape = self.data.meta.service_model.shape_for("CodeInterpreterResult")

    def start(self, identifier=OWN, **more):
        return self.data.start_code_interpreter_session(codeInterpreterIdentifier=identifier, **more)["sessionId"]

    def stop(self, session, identifier=OWN):
        return self.data.stop_code_interpreter_session(codeInterpreterIdentifier=identifier, sessionId=session)

    def status(self, session, identifier=OWN):
        known = self.data.get_code_interpreter_session(codeInterpreterIdentifier=identifier, sessionId=session)
        return known["status"]

    def ask(self, session, tool, identifier=OWN, **arguments):
        return self.data.invoke_code_interpreter(
            codeInterpreterIdentifier=identifier, sessionId=session, name=tool, arguments=arguments,
        )

    def use(self, session, tool, identifier=OWN, **arguments):
        """The one result of a tool."""
        answer = self.ask(session, tool, identifier, **arguments)
        assert answer["sessionId"] == session
        [event] = answer["stream"]
        return event["result"]

    def python(self, session, code, **more):
        """Standard output, standard error and exit code of a piece of code."""
        return ran(self.use(session, "executeCode", code=code, language="python", **more))

    def shell(self, session, command, identifier=OWN):
        return ran(self.use(session, "executeCommand", identifier, command=command))

    def running(self):
        return list(self.server.data.glob("environments/cis_*/keeper.sock"))


def ran(result):
    said = result["structuredContent"]
    assert result["isError"] == (said["exitCode"] != 0) and said["executionTime"] >= 0, result
    return said["stdout"], said["stderr"], said["exitCode"]


def text(result):
    [block] = result["content"]
    assert block["type"] == "text"
    return block["text"]


@contextlib.contextmanager
def staged(folder, config=""):
    needs_python()
    with Server(folder, config=CONFIG + config) as server:
        stage = Stage(server)
        yield stage
        # What has a Python is left to the next server, and there is none.
        listed = stage.data.list_code_interpreter_sessions(codeInterpreterIdentifier=OWN, status="READY", maxResults=100)
        for one in listed["items"]:
            stage.stop(one["sessionId"])


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("code")) as stage:
        yield stage


@pytest.fixture(scope="module")
def session(stage):
    return stage.start()


def test_interpreters_are_made_shown_and_deleted(stage):
    control = stage.control
    network = {"networkMode": "SANDBOX"}
    made = control.create_code_interpreter(
        name="mine", description="it", executionRoleArn=ROLE, networkConfiguration=network, clientToken="t" * 40,
    )
    name = made["codeInterpreterId"]
    assert made["codeInterpreterArn"] == f"arn:aws:bedrock-agentcore:{aws.REGION}:{aws.ACCOUNT}:code-interpreter-custom/{name}"
    again = control.create_code_interpreter(
        name="mine", description="it", executionRoleArn=ROLE, networkConfiguration=network, clientToken="t" * 40,
    )
    assert again["codeInterpreterId"] == name and again["createdAt"] == made["createdAt"]
    refused("ConflictException", 409, control.create_code_interpreter, name="mine", networkConfiguration=network)
    control.create_code_interpreter(name="other", networkConfiguration={"networkMode": "PUBLIC"})
    shown = control.get_code_interpreter(codeInterpreterId=name)
    assert (shown["name"], shown["description"], shown["status"]) == ("mine", "it", "READY")
    assert shown["networkConfiguration"] == network and shown["executionRoleArn"] == ROLE
    own = control.get_code_interpreter(codeInterpreterId=OWN)
    assert own["codeInterpreterArn"] == f"arn:aws:bedrock-agentcore:{aws.REGION}:aws:code-interpreter/{OWN}"

    def listed(size, **more):
        pages = control.get_paginator("list_code_interpreters").paginate(PaginationConfig={"PageSize": size}, **more)
        return [one["name"] for page in pages for one in page["codeInterpreterSummaries"]]

    for size in (1, 2, 20):
        assert listed(size) == ["system", "other", "mine"]
    assert listed(20, type="SYSTEM") == ["system"] and listed(1, type="CUSTOM") == ["other", "mine"]
    session = stage.start(name)
    assert stage.status(session, name) == "READY"
    assert control.delete_code_interpreter(codeInterpreterId=name)["status"] == "DELETING"
    refused("ResourceNotFoundException", 404, control.get_code_interpreter, codeInterpreterId=name)
    refused("ResourceNotFoundException", 404, control.delete_code_interpreter, codeInterpreterId=name)
    refused("ResourceNotFoundException", 404, control.delete_code_interpreter, codeInterpreterId=OWN)
    # Its sessions end with it.
    poll(lambda: stage.status(session, name) == "TERMINATED")
    for what, wanted in [
        ({"networkConfiguration": {"networkMode": "VPC"}}, "no VPC"),
        ({"tags": {"a": "b"}}, "keeps no tags"),
        ({"executionRoleArn": "arn:aws:iam::000000000000:user/me"}, "executionRoleArn"),
        ({"certificates": [{"location": {"secretsManager": {
            "secretArn": f"arn:aws:secretsmanager:{aws.REGION}:{aws.ACCOUNT}:secret:a"}}}]}, "Secrets Manager"),
    ]:
        make = {"name": "never", "networkConfiguration": network, **what}
        assert wanted in refused("ValidationException", 400, control.create_code_interpreter, **make)


def test_sessions_are_begun_shown_listed_and_stopped(stage):
    mine = stage.control.create_code_interpreter(name="listed", networkConfiguration={"networkMode": "SANDBOX"})
    name, arn = mine["codeInterpreterId"], mine["codeInterpreterArn"]
    token = str(uuid.uuid4())
    first = stage.start(name, name="first", sessionTimeoutSeconds=100, clientToken=token)
    assert stage.start(name, name="first", sessionTimeoutSeconds=100, clientToken=token) == first
    start = stage.data.start_code_interpreter_session
    refused("ConflictException", 409, start, codeInterpreterIdentifier=name, name="another", clientToken=token)
    shown = stage.data.get_code_interpreter_session(codeInterpreterIdentifier=name, sessionId=first)
    assert (shown["name"], shown["sessionTimeoutSeconds"], shown["status"]) == ("first", 100, "READY")
    second = stage.start(arn)

    def listed(**more):
        ask = stage.data.list_code_interpreter_sessions
        found, more = [], {"codeInterpreterIdentifier": name, "maxResults": 1, **more}
        while True:
            page = ask(**more)
            found += [(one["sessionId"], one["status"]) for one in page["items"]]
            if "nextToken" not in page:
                return found
            more["nextToken"] = page["nextToken"]

    assert listed() == [(second, "READY"), (first, "READY")]
    assert stage.stop(first, name)["sessionId"] == first
    # It may be said again.
    stage.stop(first, name)
    assert stage.status(first, name) == "TERMINATED"
    assert listed(status="READY") == [(second, "READY")] and listed(status="TERMINATED") == [(first, "TERMINATED")]
    refused("ResourceNotFoundException", 404, stage.ask, first, "executeCommand", name, command="true")
    refused("ValidationException", 400, stage.data.list_code_interpreter_sessions,
            codeInterpreterIdentifier=name, nextToken="a" * 26)
    # What ran in it is gone, and so are its files.
    assert not (stage.server.data / "environments" / f"cis_{first}" / "disk").exists()
    stage.stop(second, name)


@pytest.mark.soak(120)
def test_python_keeps_what_it_was_told(stage):
    session = stage.start()
    assert stage.python(session, "import math\nx = 20\ndef double(y):\n    return 2 * y") == ("", "", 0)
    assert stage.python(session, "print('ü', x)\ndouble(x) + 2") == ("ü 20\n42\n", "", 0)
    out, err, code = stage.python(session, "print('before')\ndouble('a' + 1)")
    assert (out, code) == ("before\n", 1)
    assert err.startswith("Traceback") and "TypeError" in err and "double('a' + 1)" in err and "exec(" not in err, err
    assert stage.python(session, "this is no Python")[2] == 1
    assert stage.python(session, "import sys; print('o', file=sys.stderr); sys.exit(3)") == ("", "o\n", 3)
    # It is still the same.
    assert stage.python(session, "x") == ("20\n", "", 0)
    assert stage.python(session, "import subprocess; subprocess.run(['sh', '-c', 'echo child; echo e >&2']).returncode") == (
        "child\n0\n", "e\n", 0)
    # Who forks and forgets to end leaves one interpreter behind.
    assert stage.python(session, "import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)")[2] == 0
    assert stage.python(session, "x") == ("20\n", "", 0)
    assert stage.python(session, "input()")[1].endswith("EOFError: EOF when reading a line\n")
    # Objects of the main module are found again, as in a script.
    assert stage.python(session, "import pickle\nclass A: pass\ntype(pickle.loads(pickle.dumps(A()))) is A")[0] == "True\n"
    out, err, code = stage.python(session, "x", clearContext=True)
    assert code == 1 and "NameError" in err
    # What kills it is said, and the next one is new.
    stage.python(session, "x = 1; open('kept', 'w').write('kept')")
    out, err, code = stage.python(session, "print('last'); import sys; sys.stdout.flush(); import os; os._exit(7)")
    assert (out, code) == ("last\n", 7) and "exit code 7" in err and "variables are gone" in err, err
    assert stage.python(session, "print(open('kept').read()); x")[0] == "kept\n"
    big = "x" * 3_000_000
    assert stage.python(session, f"len('{big}')") == ("3000000\n", "", 0)
    stage.stop(session)


def test_what_is_too_long_is_cut_and_says_so(stage, session):
    out, _, code = stage.python(session, "print('first'); print('y' * 3_000_000); print('last')")
    assert code == 0 and out.startswith("first\nyyy") and out.endswith("yyy\nlast\n")
    assert "left out]" in out and len(out) < 500_000
    out, _, code = stage.shell(session, "head -c 20000000 /dev/zero | tr '\\0' z; echo; echo last")
    assert code == 0 and out.endswith("last\n") and len(out) < 500_000 and "left out]" in out
    # Bytes that are no text, and those that grow when they are escaped.
    out, err, code = stage.shell(session, "head -c 390000 /dev/zero; printf '\\377' >&2")
    assert (len(out), set(out), err, code) == (390_000, {"\0"}, "\ufffd", 0)


def test_commands(stage, session):
    assert stage.shell(session, "echo out; echo err >&2; pwd; exit 4") == ("out\n/workspace\n", "err\n", 4)
    result = stage.use(session, "executeCommand", command="echo both; echo why >&2; false")
    assert text(result) == "both\nwhy\n"
    assert text(stage.use(session, "executeCommand", command="echo well; echo note >&2")) == "well\n"
    # No key of this server, nor of anybody else's, is in it; and nothing is reached from it.
    assert stage.shell(session, "env | grep -iE 'aws|secret|token|api_key'")[0] == ""
    out, _, code = stage.shell(session, "python3 -c 'import urllib.request as u; u.urlopen(\"http://example.com\", timeout=5)'")
    assert code == 1, out


@pytest.mark.soak(120)
def test_commands_in_the_background(stage, session):
    begun = stage.use(session, "startCommandExecution", command="echo begun; until [ -e go ]; do sleep 0.02; done; echo done; exit 0")
    task = begun["structuredContent"]["taskId"]
    assert begun["structuredContent"]["taskStatus"] == "submitted"

    def look(task=task):
        return stage.use(session, "getTask", taskId=task)["structuredContent"]

    known = poll(lambda: (found := look())["stdout"] and found)
    assert (known["taskId"], known["taskStatus"], known["stdout"]) == (task, "working", "begun\n") and "exitCode" not in known
    stage.shell(session, "touch go")
    known = poll(lambda: (found := look())["taskStatus"] != "working" and found)
    assert (known["taskStatus"], known["stdout"], known["exitCode"]) == ("completed", "begun\ndone\n", 0)
    failed = stage.use(session, "startCommandExecution", command="echo no >&2; exit 3")["structuredContent"]["taskId"]
    known = poll(lambda: (found := look(failed))["taskStatus"] != "working" and found)
    assert (known["taskStatus"], known["stderr"], known["exitCode"]) == ("failed", "no\n", 3)
    endless = stage.use(session, "startCommandExecution", command="sleep 1000")["structuredContent"]["taskId"]
    assert stage.use(session, "stopTask", taskId=endless)["structuredContent"]["taskStatus"] == "canceled"
    poll(lambda: look(endless)["taskStatus"] == "canceled")
    # Who has ended is not ended again.
    assert stage.use(session, "stopTask", taskId=task)["structuredContent"]["taskStatus"] == "completed"
    for unknown in ["task-" + "0" * 24, "code-1", "x"]:
        result = stage.use(session, "getTask", taskId=unknown)
        assert result["isError"] and "no such task" in text(result)


def test_files(stage, session):
    written = stage.use(session, "writeFiles", content=[
        {"path": "a/table.csv", "text": "n,ü\n1,2\n"}, {"path": "/workspace/a/bytes.bin", "blob": b"\0\xff\x01"},
    ])
    assert "all 2 files" in text(written) and not written["isError"]
    assert stage.shell(session, "cat a/table.csv; wc -c < a/bytes.bin; touch a/mine; mkdir a/below") == ("n,ü\n1,2\n3\n", "", 0)
    read = stage.use(session, "readFiles", paths=["a/table.csv", "a/bytes.bin"])["content"]
    assert [block["resource"] for block in read] == [
        {"type": "text", "uri": "file://a/table.csv", "mimeType": "text/csv", "text": "n,ü\n1,2\n"},
        {"type": "blob", "uri": "file://a/bytes.bin", "mimeType": "application/octet-stream", "blob": b"\0\xff\x01"},
    ]
    listed = stage.use(session, "listFiles", directoryPath="a")["content"]
    assert [(one["name"], one["description"], one.get("size")) for one in listed] == [
        ("below", "Directory", None), ("bytes.bin", "File", 3), ("mine", "File", 0), ("table.csv", "File", 9),
    ]
    assert listed[1]["uri"] == "file:///a/bytes.bin"
    assert "a" in [one["name"] for one in stage.use(session, "listFiles")["content"]]
    assert "all 1 files" in text(stage.use(session, "removeFiles", paths=["a/mine"]))
    for tool, arguments in [
        ("readFiles", {"paths": ["a/mine"]}), ("readFiles", {"paths": ["a"]}), ("removeFiles", {"paths": ["a/mine"]}),
        ("listFiles", {"directoryPath": "nowhere"}), ("writeFiles", {"content": [{"path": "a", "text": ""}]}),
        ("removeFiles", {"paths": ["a"]}),
    ]:
        result = stage.use(session, tool, **arguments)
        assert result["isError"] and text(result).startswith("'"), (tool, result)
    # Nothing leads out, and of several none is written where one would.
    stage.shell(session, "ln -s /etc/passwd link; ln -s /etc out")
    for path in ["/etc/passwd", "../x", "a/../../x", "link", "out/passwd", "/workspace/../etc/passwd"]:
        assert stage.use(session, "readFiles", paths=[path])["isError"], path
        content = [{"path": "a/first", "text": "1"}, {"path": path, "text": "2"}]
        assert stage.use(session, "writeFiles", content=content)["isError"], path
    for path in ["..", "/etc", "out"]:
        assert stage.use(session, "listFiles", directoryPath=path)["isError"], path
        assert stage.use(session, "removeFiles", paths=[path if path != "out" else "/workspace"])["isError"], path
    # More than one answer holds.
    stage.shell(session, "head -c 8000000 /dev/zero > large")
    assert "too large" in text(stage.use(session, "readFiles", paths=["large"]))
    large = b"\0" * 7_000_000
    stage.use(session, "writeFiles", content=[{"path": "large", "blob": large}])
    assert stage.use(session, "readFiles", paths=["large"])["content"][0]["resource"]["blob"] == large


def test_other_languages(stage, session):
    if stage.shell(session, "command -v node")[2] != 0:
        result = stage.use(session, "executeCode", code="1", language="javascript")
        assert result["isError"] and "no Node" in text(result)
        return
    assert ran(stage.use(session, "executeCode", code="console.log(6 * 7)", language="javascript")) == ("42\n", "", 0)
    result = stage.use(session, "executeCode", code="throw new Error('no')", language="javascript", runtime="nodejs")
    assert result["isError"] and "Error: no" in result["structuredContent"]["stderr"]
    result = stage.use(session, "executeCode", code="const n: number = 42; console.log(n)", language="typescript")
    assert "too old" in text(result) if result["isError"] else text(result) == "42\n"
    asked = {"code": "1", "language": "javascript", "runtime": "deno"}
    refused("ValidationException", 400, lambda: stage.ask(session, "executeCode", **asked))


def test_who_is_unknown_or_wrong_is_refused(stage, session):
    other = Stage.__new__(Stage)
    other.data = aws.client(stage.server, "bedrock-agentcore", aws.access_key(stage.server, "--project", "other"))
    said = {
        refused("ResourceNotFoundException", 404, who.ask, named, "executeCommand", interpreter, command="true")
        for who, named, interpreter in [
            (other, session, OWN), (stage, "0" * 26, OWN), (stage, session, "mine-0123456789"),
            (stage, session, f"arn:aws:bedrock-agentcore:eu-west-1:aws:code-interpreter/{OWN}"),
        ]
    }
    assert len(said) == 1, said
    refused("ResourceNotFoundException", 404, other.status, session)
    refused("ResourceNotFoundException", 404, other.stop, session)
    refused("ResourceNotFoundException", 404, stage.start, "mine-0123456789")
    assert not other.data.list_code_interpreter_sessions(codeInterpreterIdentifier=OWN)["items"]
    refused("ValidationException", 400, stage.start, "mine")
    refused("ValidationException", 400, stage.start, sessionTimeoutSeconds=28_801)
    refused("ValidationException", 400, stage.ask, "no-session", "executeCommand", command="true")
    for tool, arguments in [
        ("execute", {}), ("executeCode", {}), ("executeCode", {"code": "1", "language": "r"}),
        ("executeCommand", {"command": "a\0b"}), ("readFiles", {"paths": []}), ("getTask", {}),
        ("executeCommand", {"command": "true", "taskId": "x"}),
    ]:
        refused("ValidationException", 400, lambda: stage.ask(session, tool, **arguments))
    invoke = stage.data.invoke_code_interpreter
    refused("ValidationException", 400, invoke, codeInterpreterIdentifier=OWN, name="listFiles")
    # What runs for an interpreter is nobody's environment.
    client = stage.server.client()
    assert not client.beta.agents.environments.list().data


@pytest.mark.soak(120)
def test_who_goes_away_stops_what_he_asked_for(stage):
    session = stage.start()
    stage.python(session, "x = 1")
    loop = "import time\nfor n in range(1000):\n    open('count', 'w').write(str(n)); time.sleep(0.02)"
    for tool, arguments in [
        ("executeCode", {"code": loop, "language": "python"}),
        ("executeCommand", {"command": "for n in $(seq 1000); do echo -n $n > count; sleep 0.02; done"}),
    ]:
        answer = stage.ask(session, tool, **arguments)
        poll(lambda: stage.shell(session, "cat count")[0] not in ("", "0"))
        answer["stream"].close()

        def is_ended():
            before = stage.shell(session, "cat count")[0]
            time.sleep(0.3)
            return stage.shell(session, "cat count")[0] == before

        poll(is_ended)
        assert int(stage.shell(session, "cat count; rm count")[0]) < 999
    # What was told before is still known.
    assert stage.python(session, "x") == ("1\n", "", 0)
    stage.stop(session)


@pytest.mark.soak(120)
def test_a_session_ends_with_its_time(tmp_path):
    with staged(tmp_path, "\n[agentcore]\nidle_after = '1s'\n") as stage:
        session = stage.start(sessionTimeoutSeconds=4)
        begun = stage.ask(session, "executeCode", code="import time; time.sleep(60)", language="python")
        with pytest.raises(botocore.exceptions.EventStreamError) as caught:
            list(begun["stream"])
        assert caught.value.response["Error"]["Code"] == "internalServerException"
        assert "not known" in str(caught.value), caught.value
        assert stage.status(session) == "TERMINATED" and not stage.running()
        refused("ResourceNotFoundException", 404, stage.ask, session, "executeCommand", command="true")


@pytest.mark.soak(240)
def test_a_killed_server_leaves_its_interpreters_running(tmp_path):
    with staged(tmp_path) as stage:
        session, idle = stage.start(), stage.start()
        stage.python(session, "x = 41; open('runs', 'w').write('')")
        stage.python(idle, "y = 1")
        task = stage.use(session, "startCommandExecution", command="echo begun; sleep 1000")["structuredContent"]["taskId"]
        begun = stage.ask(
            session, "executeCode", code="import time\nopen('runs', 'a').write('once')\ntime.sleep(1000)", language="python")
        poll(lambda: stage.shell(session, "cat runs")[0])
        stage.server.kill()
        # Whoever waits hears that it broke, and not that this was all.
        with pytest.raises((botocore.exceptions.BotoCoreError, urllib3.exceptions.HTTPError, OSError)):
            list(begun["stream"])
        stage.server.start()
        assert stage.status(session) == "READY"
        # What nobody waits for any more is interrupted, and nothing is run twice.
        assert stage.python(session, "print(x + 1, open('runs').read())") == ("42 once\n", "", 0)
        assert stage.python(idle, "y") == ("1\n", "", 0)
        known = stage.use(session, "getTask", taskId=task)["structuredContent"]
        assert (known["taskStatus"], known["stdout"]) == ("working", "begun\n")
        # A Python that is not there any more is not passed off as the same.
        process = stage.python(idle, "import os; os.getpid()")[0].strip()
        assert stage.shell(idle, f"kill -9 {process}; sleep 0.2")[2] == 0
        stage.server.kill()
        stage.server.start()
        result = stage.use(idle, "executeCode", code="open('made', 'w').write('x')", language="python")
        assert result["isError"] and "Nothing was run" in text(result)
        assert stage.shell(idle, "ls made")[2] != 0
        assert "NameError" in stage.python(idle, "y")[1]


@pytest.mark.soak(120)
def test_the_sdk_works_as_it_is(stage, monkeypatch):
    for name in ("CP_ENDPOINT_OVERRIDE", "DP_ENDPOINT_OVERRIDE"):
        monkeypatch.setattr(sdk, name, stage.server.origin)
    for name, value in zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), stage.key):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NO_PROXY", "*")
    with sdk.code_session(aws.REGION) as client:
        client.upload_file("data/table.csv", "a,b\n1,2\n", description="a table")
        client.upload_files([{"path": "one.txt", "content": "one"}, {"path": "two.bin", "content": b"\xff\0"}])
        assert client.download_file("data/table.csv") == "a,b\n1,2\n"
        assert client.download_files(["one.txt", "two.bin"]) == {"one.txt": "one", "two.bin": b"\xff\0"}
        with pytest.raises(FileNotFoundError):
            client.download_file("nothing.txt")

        def said(answer):
            [event] = answer["stream"]
            return event["result"]["structuredContent"]

        client.execute_code("import csv; rows = list(csv.reader(open('data/table.csv')))")
        assert said(client.execute_code("rows[1]"))["stdout"] == "['1', '2']\n"
        assert said(client.execute_command("ls data"))["stdout"] == "table.csv\n"
        list(client.clear_context()["stream"])
        assert said(client.execute_code("rows"))["exitCode"] == 1
        session = client.session_id
        assert client.get_session()["status"] == "READY"
        assert session in [one["sessionId"] for one in client.list_sessions()["items"]]
    assert stage.status(session) == "TERMINATED"
