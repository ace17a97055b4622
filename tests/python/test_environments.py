"""Hosted environments as clients see them: templates, environments made ahead, their files, what sessions leave as
artifacts, and what is refused in which words. What happens inside is the subject of test_hosted.py."""
import base64
import io
import json
import os
import re
import socket
import time
import zipfile

import httpx
import openai
import pytest

from conversation import IDLE, message, post, settle, until
from server import BETA, CONFIG, KEY, Server

PENDING, READY = "agent.session.environment.pending", "agent.session.environment.ready"
HOSTED = {"type": "openai_hosted"}


def encoded(data):
    return base64.b64encode(data).decode()


def inline(path, data):
    return {"type": "inline", "path": path, "data": encoded(data)}


def archive(files):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as zipped:
        for name, text in files.items():
            zipped.writestr(name, text)
    return {"type": "base64", "media_type": "application/zip", "data": encoded(held.getvalue())}


def skill(name):
    text = f"---\nname: {name}\ndescription: says {name}\n---\nSay {name}.\n"
    return {
        "type": "inline", "name": name, "description": f"says {name}",
        "source": archive({f"{name}/SKILL.md": text}),
    }


def plugin(name):
    told = {"name": name, "version": "1.0.0", "description": f"does {name}"}
    files = {f"{name}/.codex-plugin/plugin.json": json.dumps(told)}
    return {"type": "inline", "name": name, "description": f"does {name}", "source": archive(files)}


def shell(*commands):
    """What makes the scripted model run these, one after the other."""
    return "\n".join([*("call shell " + json.dumps({"command": command}) for command in commands), "say done"])


def set_up(client, environment):
    """The environment when it is no longer being set up."""
    until = time.monotonic() + 50
    while time.monotonic() < until:
        found = client.beta.agents.environments.retrieve(environment)
        if found.status != "pending":
            return found
        time.sleep(0.02)
    raise AssertionError(f"{environment} is still being set up")


def make(client, **more):
    made = client.beta.agents.environments.create(environment={**HOSTED, **more})
    found = set_up(client, made.id)
    assert found.status == "ready", found
    return found


def session(client, text, **environment):
    asked = {"agent": {"model": "scripted"}, "environment": {**HOSTED, **environment}}
    return client.beta.agents.sessions.create(**asked, input=text)


def run(client, text, **environment):
    """A session whose first turn has ended."""
    made = session(client, text, **environment)
    settle(client, made.id, "idle")
    return made


def outputs(client, session):
    items = client.beta.agents.sessions.items.list(session, limit=100, order="asc")
    return [item.output for item in items if item.type == "command_execution"]


def refused(call, status=400):
    with pytest.raises(openai.APIStatusError) as caught:
        call()
    assert caught.value.status_code == status, caught.value
    return caught.value.body


# ------------------------------------------------------------------------------------------------ templates
def test_a_template_shows_what_is_not_confidential(client):
    templates = client.beta.agents.environments.templates
    made = templates.create(
        name="whole", env={"TOKEN": "value-of-nobody"}, packages={"python": ["requests"]},
        network={"access": "restricted", "allowed_domains": ["API.example.com"]},
        files=[inline("/workspace/a.txt", b"content-of-nobody")],
        setup_commands=[{"command": "echo command-of-nobody", "cwd": "/workspace"}],
        skills=[skill("hello")], plugins=[plugin("helper")], capability_directories=["/workspace/more"], desktop=None,
    )
    assert re.fullmatch("envtmpl_[0-9a-f]{24}", made.id) and made.created_at == made.updated_at
    assert (made.network.access, made.network.allowed_domains) == ("restricted", ["api.example.com"])
    assert [(file.type, file.path, file.size_bytes) for file in made.files] == [("inline", "/workspace/a.txt", 17)]
    assert [(one.type, one.name, one.description) for one in made.skills] == [("inline", "hello", "says hello")]
    assert [(one.type, one.name) for one in made.plugins] == [("inline", "helper")]
    assert made.packages.python == ["requests"] and made.capability_directories == ["/workspace/more"]
    again = templates.retrieve(made.id)
    assert again == made
    for text in (made.to_json(), templates.list().to_json()):
        assert not re.search("of-nobody|" + encoded(b"content-of-nobody"), text)
    changed = templates.update(made.id, name=None, network=None, files=[])
    assert (changed.name, changed.network.access, changed.network.allowed_domains) == (None, "disabled", [])
    assert changed.files == [] and changed.skills == made.skills and changed.updated_at >= made.updated_at
    gone = templates.delete(made.id)
    assert (gone.deleted, gone.object) == (True, "agent.environment.template.deleted")
    for call in (templates.retrieve, templates.delete):
        assert refused(lambda: call(made.id), 404)["code"] == "not_found_error"


def test_blocked_domains_are_shown(server, client):
    """The API shows none; whoever blocks one may want to know that it counts."""
    templates = client.beta.agents.environments.templates
    made = templates.create(network={"access": "restricted", "blocked_domains": ["Bad.example.com"]})
    status, shown = server.json("GET", f"/v1/agents/environments/templates/{made.id}")
    network = {"access": "restricted", "allowed_domains": [], "blocked_domains": ["bad.example.com"]}
    assert (status, shown["network"]) == (200, network)
    narrow = {"environment_template_id": made.id, "network": {"access": "restricted", "blocked_domains": ["other.example.com"]}}
    assert refused(lambda: session(client, "hi", **narrow))["param"] == "environment.network"
    templates.delete(made.id)


def test_templates_are_listed_by_page(client):
    templates = client.beta.agents.environments.templates
    own = [templates.create(name=f"page {at}").id for at in range(3)]
    listed = [template.id for template in templates.list(limit=1) if template.id in own]
    assert listed == own[::-1]
    assert [template.id for template in templates.list(limit=2, order="asc") if template.id in own] == own
    assert refused(lambda: templates.list(after="envtmpl_x"), 404)
    for template in own:
        templates.delete(template)


# A recipe's part that is wrong, where it is, and what is said of it.
WRONG = [
    ({"files": [inline("/etc/x", b"")]}, "files[0].path", "path must be an absolute POSIX path inside /workspace"),
    ({"files": [inline("/workspace/../x", b"")]}, "files[0].path", "path must be an absolute POSIX path"),
    ({"files": [inline("/workspace/.codex/x", b"")]}, "files[0].path", "path must not be in /workspace/.codex"),
    ({"files": [{"type": "inline", "path": "/workspace/x", "data": "?"}]}, "files[0].data", "base64"),
    ({"files": [{"type": "file_id", "path": "/workspace/x", "file_id": "file-x"}]}, "files[0].file_id", "File not found: file-x"),
    ({"env": {"PATH": "/"}}, "env", "'PATH' is reserved."),
    ({"env": {"CODEX_HOME": "/"}}, "env", "'CODEX_HOME' is reserved."),
    ({"network": {"access": "restricted", "allowed_domains": ["*.example.com"]}}, "network.allowed_domains[0]", "exact host"),
    ({"network": {"access": "restricted"}}, "network", "needs allowed_domains or blocked_domains"),
    ({"packages": {"python": ["--index-url=https://x"]}}, "packages.python[0]", "no package name"),
    ({"packages": {"npm": ["https://x/y.tgz"]}}, "packages.npm[0]", "no package name"),
    ({"packages": {"system": ["../x"]}}, "packages.system[0]", "no package name"),
    ({"desktop": {"enabled": True}}, "desktop.enabled", "Desktops are not available on this server."),
    ({"setup_commands": [{"command": "true", "cwd": "x"}]}, "setup_commands[0].cwd", "absolute POSIX path"),
    ({"capability_directories": ["x"]}, "capability_directories[0]", "absolute POSIX path"),
    ({"skills": [{"type": "skill_reference", "skill_id": "skill_x"}]}, "skills[0].skill_id", "Skill not found: skill_x"),
    ({"skills": [{**skill("a"), "name": "b"}]}, "skills[0].name", ""),
    ({"skills": [{**skill("a"), "source": archive({"a/SKILL.md": "no frontmatter"})}]}, "skills[0].source.data", ""),
    ({"skills": [{**skill("a"), "source": archive({"../a/SKILL.md": "x"})}]}, "skills[0].source.data", ""),
    ({"plugins": [{**plugin("a"), "source": {"type": "base64", "media_type": "application/zip", "data": "aGk="}}]}, "plugins[0].source.data", ""),
    ({"colour": 1}, "colour", "Unknown parameter"),
]


@pytest.mark.parametrize("recipe, param, said", WRONG, ids=[f"{param} {said}"[:60] for _, param, said in WRONG])
def test_what_is_wrong_is_said_where_it_is(server, recipe, param, said):
    def ask(path, body):
        status, answer = server.json("POST", f"/v1/agents/{path}", body)
        assert status == 400, answer
        return answer["error"]

    environment = {**HOSTED, **recipe}
    asked = [
        ("environments/templates", recipe, param),
        ("environments", {"environment": environment}, f"environment.{param}"),
        ("sessions", {"agent": {"model": "scripted"}, "input": "hi", "environment": environment}, f"environment.{param}"),
    ]
    for path, body, where in asked:
        error = ask(path, body)
        assert (error["param"], error["code"]) == (where, "invalid_request_error"), (path, error)
        assert said in error["message"], error


# ---------------------------------------------------------------------------------------------- environments
def test_an_environment_is_made_ahead_and_taken_by_one_session(client):
    environments = client.beta.agents.environments
    made = make(client, files=[inline("/workspace/seed.txt", b"seed")], env={"GREETING": "hello"}, skills=[skill("hi")])
    assert re.fullmatch("env_[0-9a-f]{24}", made.id) and made.object == "agent.environment"
    assert [(file.type, file.path, file.size_bytes) for file in made.files] == [("inline", "/workspace/seed.txt", 4)]
    assert [one.name for one in made.skills] == ["hi"] and made.plugins == []
    assert made.id in [one.id for one in environments.list(type="openai_hosted", limit=100)]
    taken = run(client, shell("cat seed.txt && echo $GREETING"), environment_id=made.id)
    assert (taken.environment.type, taken.environment.id) == ("openai_hosted", made.id)
    assert taken.environment.files == made.files and taken.environment.container_size == "medium"
    assert outputs(client, taken.id) == ["seedhello\n"]
    assert environments.retrieve(made.id).status == "connected"
    refused(lambda: session(client, "hi", environment_id=made.id), 409)
    refused(lambda: session(client, "hi", environment_id="env_that_is_not_there"), 404)
    client.beta.agents.sessions.delete(taken.id)
    assert refused(lambda: environments.retrieve(made.id), 404)["code"] == "not_found_error"


def test_a_key_makes_one_environment(client):
    create = client.beta.agents.environments.create
    key = f"environment-{os.urandom(8).hex()}"
    first = create(environment=HOSTED, idempotency_key=key)
    assert first.status in ("pending", "ready")
    assert create(environment=HOSTED, idempotency_key=key).id == first.id
    refused(lambda: create(environment={**HOSTED, "env": {"A": "b"}}, idempotency_key=key), 409)
    assert create(environment=HOSTED).id != first.id
    assert refused(lambda: create(environment=HOSTED, vault_ids=["vault_x"]))["param"] == "vault_ids"


def test_environments_of_others_are_not_there(server, client):
    other, _ = server.create_key("--project", "other")
    there = server.client(key=other).beta.agents.environments
    made = make(client)
    template = client.beta.agents.environments.templates.create(name="mine")
    calls = [
        lambda: there.retrieve(made.id),
        lambda: there.files.list(made.id),
        lambda: there.files.create(made.id, **inline("/workspace/x", b"")),
        lambda: there.templates.retrieve(template.id),
        lambda: there.templates.update(template.id, name="theirs"),
        lambda: there.templates.delete(template.id),
    ]
    for call in calls:
        mine = refused(call, 404)
        assert mine["code"] == "not_found_error"
    foreign = refused(lambda: there.retrieve(made.id), 404)["message"]
    missing = refused(lambda: there.retrieve("env_that_is_not_there"), 404)["message"]
    assert foreign.replace(made.id, "ID") == missing.replace("env_that_is_not_there", "ID")
    assert made.id not in [one.id for one in there.list(limit=100)]
    assert template.id not in [one.id for one in there.templates.list(limit=100)]
    for environment in ({"environment_id": made.id}, {"environment_template_id": template.id}):
        asked = {"agent": {"model": "scripted"}, "environment": {**HOSTED, **environment}, "input": "hi"}
        refused(lambda: server.client(key=other).beta.agents.sessions.create(**asked), 404)


def test_a_template_counts_where_nothing_else_is_said(client):
    templates = client.beta.agents.environments.templates
    template = templates.create(
        env={"A": "of the template"}, files=[inline("/workspace/t.txt", b"t")],
        network={"access": "restricted", "allowed_domains": ["a.example.com", "b.example.com"]},
    )
    made = run(client, shell("cat t.txt; echo $A"), environment_template_id=template.id)
    assert made.environment.network.allowed_domains == ["a.example.com", "b.example.com"]
    assert outputs(client, made.id) == ["tof the template\n"]
    narrow = run(
        client, shell("test -e t.txt || echo $A"), environment_template_id=template.id, files=[], env={"A": "own"},
        network={"access": "restricted", "allowed_domains": ["b.example.com"]},
    )
    assert narrow.environment.files == [] and narrow.environment.network.allowed_domains == ["b.example.com"]
    assert outputs(client, narrow.id) == ["own\n"]
    for network in ({"access": "enabled"}, {"access": "restricted", "allowed_domains": ["c.example.com"]}):
        broad = refused(lambda: session(client, "hi", environment_template_id=template.id, network=network))
        assert broad["param"] == "environment.network", broad
    templates.delete(template.id)
    refused(lambda: session(client, "hi", environment_template_id=template.id), 404)
    for one in (made, narrow):
        client.beta.agents.sessions.delete(one.id)


def test_a_session_hears_of_its_environment(server, client):
    with client.beta.agents.sessions.create(
        agent={"model": "scripted"}, environment=HOSTED, input=shell("echo heard"), stream=True
    ) as stream:
        seen = until(stream, IDLE)
    kinds = [event.type for event in seen]
    assert kinds[0] == "agent.session.created" and PENDING in kinds
    first = seen[0].session
    assert first.status == "in_progress" and first.environment.id == f"env_{first.id.removeprefix('sess_')}"
    told = [event for event in seen if event.type.startswith("agent.session.environment.")]
    assert {event.environment.id for event in told} == {first.environment.id}
    assert told[-1].environment.status == "connected" and told[-1].environment.type == "openai_hosted"
    assert outputs(client, first.id) == ["heard\n"]
    client.beta.agents.sessions.delete(first.id)


@pytest.mark.parametrize("more, param", [
    ({"environment_id": "env_1", "env": {}}, "environment.environment_id"),
    ({"environment_id": "env_1", "environment_template_id": "t"}, "environment.environment_id"),
    ({"container_size": "huge"}, "environment.container_size"),
])
def test_a_session_cannot_ask_for(client, more, param):
    assert refused(lambda: session(client, "hi", **more))["param"] == param


def test_a_session_that_cannot_be_made_leaves_no_environment(client):
    made = make(client)
    asked = {"agent": {"model": "a-model-that-nobody-serves"}, "environment": {**HOSTED, "environment_id": made.id}}
    refused(lambda: client.beta.agents.sessions.create(**asked, input="hi"), 404)
    # It was given back.
    taken = run(client, shell("echo free"), environment_id=made.id)
    assert outputs(client, taken.id) == ["free\n"]
    client.beta.agents.sessions.delete(taken.id)


# ------------------------------------------------------------------------------------------------------ files
def test_files_are_put_and_listed(client, tmp_path):
    environment = make(client)
    files = client.beta.agents.environments.files
    put = files.create(environment.id, **inline("/workspace/deep/er/in.txt", b"data"))
    assert (put.path, put.size_bytes, put.environment_id) == ("/workspace/deep/er/in.txt", 4, environment.id)
    local = tmp_path / "f.txt"
    local.write_text("hello")
    up = files.upload(environment.id, file=open(local, "rb"), path="/workspace/up.txt")
    assert (up.file.path, up.file.size_bytes) == ("/workspace/up.txt", 5)
    assert client.files.delete(up.uploaded_file_id).deleted
    for name in ("a/b.txt", "a.txt", "b.txt"):
        files.create(environment.id, **inline(f"/workspace/sorted/{name}", b""))
    ordered = [f"/workspace/sorted/{name}" for name in ("a/b.txt", "a.txt", "b.txt")]
    listed = [file.path for file in files.list(environment.id, path="/workspace/sorted", order="asc", limit=1)]
    assert listed == ordered
    assert [file.path for file in files.list(environment.id, path="/workspace/sorted", limit=2)] == ordered[::-1]
    for nothing in ("/workspace/sorted/c", "/workspace/up.txt"):
        assert files.list(environment.id, path=nothing).data == []
    taken = run(client, shell("cat deep/er/in.txt up.txt && ln -s /etc link && echo x > own.txt"), environment_id=environment.id)
    assert outputs(client, taken.id) == ["datahello"]
    there = [file.path for file in files.list(environment.id)]
    assert "/workspace/own.txt" in there and not [path for path in there if "link" in path or "/." in path]
    assert files.list(environment.id, path="/workspace/link").data == []
    through = refused(lambda: files.create(environment.id, **inline("/workspace/link/x", b"")))
    assert through["param"] == "path"
    client.beta.agents.sessions.delete(taken.id)


def test_files_that_cannot_be(server, client):
    environment = make(client)
    files = client.beta.agents.environments.files
    outside = refused(lambda: files.create(environment.id, **inline("/etc/x", b"")))
    message = "path must be an absolute POSIX path inside /workspace"
    assert (outside["message"], outside["param"], outside["code"]) == (message, "path", "invalid_request_error")
    for path in ("/workspace/outputs/x", "/workspace/.codex/x", "/workspace/.managed-agents/x"):
        assert refused(lambda: files.create(environment.id, **inline(path, b"")))["param"] == "path"
    unknown = {"type": "file_id", "path": "/workspace/x", "file_id": "file-x"}
    assert refused(lambda: files.create(environment.id, **unknown))["message"] == "File not found: file-x"
    large = inline("/workspace/x", bytes((5 << 20) + 1))
    assert refused(lambda: files.create(environment.id, **large))["param"] == "data"
    for path in ("/workspace/../etc", "workspace", "/etc", "/workspace//x"):
        assert refused(lambda: files.list(environment.id, path=path))["code"] == "invalid_request_error"
    for limit in (0, 101):
        refused(lambda: files.list(environment.id, limit=limit))
    refused(lambda: files.list("env_that_is_not_there"), 404)
    status, answer = server.json("GET", f"/v1/agents/environments/{environment.id}/files?page=x")
    assert (status, answer["error"]["param"]) == (400, "page")


def test_while_it_is_set_up_there_are_no_files(client):
    made = client.beta.agents.environments.create(environment={**HOSTED, "setup_commands": [{"command": "read x < /workspace/pipe || sleep 600"}]})
    said = refused(lambda: client.beta.agents.environments.files.list(made.id))["message"]
    assert "still provisioning; wait until it is connected" in said


def test_files_of_a_clients_own_machine_are_its_own(client):
    asked = {"agent": {"model": "scripted"}, "environment": {"type": "self_hosted", "workspace_directory": "/w"}}
    made = client.beta.agents.sessions.create(**asked)
    found = client.beta.agents.environments.retrieve(made.environment.id)
    assert (found.type, found.status, found.files, found.skills) == ("self_hosted", "pending", [], [])
    files = client.beta.agents.environments.files
    for call in (lambda: files.list(found.id), lambda: files.create(found.id, **inline("/workspace/x", b""))):
        assert "self_hosted" in refused(call)["message"]
    refused(lambda: session(client, "hi", environment_id=found.id), 404)
    client.beta.agents.sessions.delete(made.id)


# -------------------------------------------------------------------------------------------------- artifacts
def test_outputs_of_a_completed_turn_are_artifacts(server, client):
    write = "mkdir -p outputs/deep && printf one > outputs/one.txt && printf two > outputs/deep/two.bin && ln -s /etc/passwd outputs/link"
    made = run(client, shell(write))
    artifacts = client.beta.agents.sessions.artifacts
    listed = artifacts.list(made.id, order="asc").data
    assert sorted(one.path for one in listed) == ["/workspace/outputs/deep/two.bin", "/workspace/outputs/one.txt"]
    (turn,) = client.beta.agents.sessions.turns.list(made.id).data
    for one in listed:
        assert re.fullmatch("artifact_[0-9a-f]{24}", one.id) and one.environment_id == made.environment.id
        assert (one.session_id, one.turn_id, one.size_bytes) == (made.id, turn.id, 3)
        assert artifacts.retrieve(one.id, session_id=made.id) == one
    by_path = {one.path.rsplit("/")[-1]: one for one in listed}
    one = by_path["one.txt"]
    assert artifacts.content(one.id, session_id=made.id).read() == b"one"
    path = f"/v1/agents/sessions/{made.id}/artifacts/{one.id}/content"
    status, headers, content = server.request("GET", path, headers={"Range": "bytes=0-0"})
    assert (status, content, headers["content-type"]) == (200, b"one", "application/octet-stream")
    assert headers["content-disposition"].startswith('attachment; filename="one.txt"')
    for environment, count in ((made.environment.id, 2), ("no id", 0), ("env_x", 0), (None, 2)):
        assert len(artifacts.list(made.id, environment_id=environment).data) == count
    assert refused(lambda: artifacts.list(made.id, after="artifact_x"))["message"] == "after is not a valid artifact ID"
    assert refused(lambda: artifacts.list(made.id, limit=0))["message"] == "limit must be between 1 and 100"
    assert [found.id for found in artifacts.list(made.id, limit=1, order="asc")] == [found.id for found in listed]

    post(client, made.id, message(shell("printf changed > outputs/one.txt")))
    settle(client, made.id, "idle")
    newest, *rest = artifacts.list(made.id).data
    assert (newest.path, newest.size_bytes) == ("/workspace/outputs/one.txt", 7)
    assert artifacts.content(one.id, session_id=made.id).read() == b"one", "artifacts do not change"
    assert by_path["two.bin"].id in [found.id for found in rest]
    gone = artifacts.delete(one.id, session_id=made.id)
    assert (gone.deleted, gone.object) == (True, "agent.session.artifact.deleted")
    for call in (artifacts.delete, artifacts.retrieve, artifacts.content):
        assert refused(lambda: call(one.id, session_id=made.id), 404)["message"] == "Artifact not found."
    other, _ = server.create_key("--project", "other")
    theirs = server.client(key=other).beta.agents.sessions.artifacts
    refused(lambda: theirs.content(newest.id, session_id=made.id), 404)
    another = run(client, "hello")
    refused(lambda: artifacts.retrieve(newest.id, session_id=another.id), 404)
    client.beta.agents.sessions.delete(another.id)
    client.beta.agents.sessions.delete(made.id)
    refused(lambda: artifacts.content(newest.id, session_id=made.id), 404)


def test_a_fork_has_a_disk_of_its_own(server, client):
    parent = run(client, shell("printf before > file.txt"))
    status, child = server.json("POST", f"/v1/agents/sessions/{parent.id}/fork", {})
    assert status == 201 and child["environment"]["id"] != parent.environment.id
    for session, word in ((parent.id, "parent"), (child["id"], "child")):
        post(client, session, message(shell(f"cat file.txt && printf {word} > file.txt && cat file.txt")))
        settle(client, session, "idle")
        assert outputs(client, session)[-1] == f"before{word}"
    for session in (parent.id, child["id"]):
        client.beta.agents.sessions.delete(session)


# ------------------------------------------------------------------------------------ servers that host nothing
def test_a_server_that_hosts_nothing_says_so(tmp_path):
    config = CONFIG + '\n[environments]\ndriver = "none"\n'
    with Server(tmp_path, config=config) as server:
        client = server.client()
        environments = client.beta.agents.environments
        for call in (lambda: session(client, "hi"), lambda: environments.create(environment=HOSTED)):
            error = refused(call)
            assert error["param"] == "environment.type" and "'openai_hosted' are not available" in error["message"]
        refused(lambda: environments.templates.create())
        assert environments.list().data == [] and environments.templates.list().data == []
        for call in (environments.retrieve, environments.templates.retrieve, environments.templates.delete):
            refused(lambda: call("env_x"), 404)
        made = client.beta.agents.sessions.create(agent={"model": "scripted"}, environment={"type": "none"}, input="hi")
        settle(client, made.id, "idle")
        assert client.beta.agents.sessions.artifacts.list(made.id).data == []
        refused(lambda: client.beta.agents.sessions.artifacts.retrieve("artifact_x", session_id=made.id), 404)


def test_a_client_that_goes_away_leaves_nothing_half_done(server, client):
    """The session is there with an environment that works, or neither is."""
    mark = os.urandom(8).hex()
    body = {"agent": {"model": "scripted"}, "environment": HOSTED, "input": shell("echo there"), "metadata": {"mark": mark}}
    headers = {"Authorization": f"Bearer {KEY}", **BETA}
    request = httpx.Request("POST", f"{server.base}/agents/sessions", json=body, headers=headers)
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    for _ in range(3):
        # Read by the server, and given up while it is at work.
        with socket.create_connection((request.url.host, request.url.port)) as line:
            line.sendall(f"POST {request.url.path} HTTP/1.1\r\n{head}\r\n".encode() + request.content)
            time.sleep(0.001)
    for found in client.beta.agents.sessions.list(metadata={"mark": mark}):
        settle(client, found.id, "idle")
        assert outputs(client, found.id) == ["there\n"]
        client.beta.agents.sessions.delete(found.id)
