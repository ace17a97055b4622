"""What hosted environments are made of: templates, files, skills, plugins, packages and setup commands, and that they are
there again after a reset. Packages come from a folder and from a registry on this machine."""
import base64
import http.server
import io
import json
import stat
import tarfile
import threading
import time
import zipfile

import openai
import pytest

from conversation import IDLE, items, message, post, settle, until
from server import CONFIG, Server

SECRET = "not-to-be-seen-anywhere"


def archive(name, files):
    """A ZIP with one folder, as clients send it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as whole:
        for path, content in files.items():
            whole.writestr(f"{name}/{path}", content)
    data = base64.b64encode(packed.getvalue()).decode()
    source = {"type": "base64", "media_type": "application/zip", "data": data}
    return {"type": "inline", "name": name, "description": f"About {name}.", "source": source}


def skill(name, **more):
    return archive(name, {"SKILL.md": f"---\nname: {name}\ndescription: About {name}.\n---\nSay hi.\n", **more})


def plugin(name):
    manifest = json.dumps({"name": name, "description": f"About {name}.", "version": "1.0.0"})
    inner = f"---\nname: {name}-inner\ndescription: Within {name}.\n---\n"
    return archive(name, {".codex-plugin/plugin.json": manifest, "skills/inner/SKILL.md": inner})


def inline(path, content):
    return {"type": "inline", "path": path, "data": base64.b64encode(content).decode()}


def wheel(folder, name):
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as whole:
        whole.writestr(f"{name}.py", f"def main():\n    print('{name} speaks')\n")
        whole.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        whole.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        whole.writestr(f"{about}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        whole.writestr(f"{about}/RECORD", "")


class Registry(http.server.BaseHTTPRequestHandler):
    """Of npm, with one package."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        version = {"name": "node-speaks", "version": "1.0.0", "bin": {"node-speaks": "cli.js"}}
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as whole:
            files = {"package.json": json.dumps(version), "cli.js": "#!/usr/bin/env node\nconsole.log('node speaks')\n"}
            for name, content in files.items():
                about = tarfile.TarInfo(f"package/{name}")
                about.size, about.mode = len(content), 0o755
                whole.addfile(about, io.BytesIO(content.encode()))
        body = packed.getvalue()
        if not self.path.endswith(".tgz"):
            version["dist"] = {"tarball": f"http://{self.headers['Host']}/a.tgz"}
            body = json.dumps({"name": "node-speaks", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def mirrors(tmp_path_factory):
    """Variables with which pip and npm find packages on this machine alone."""
    folder = tmp_path_factory.mktemp("mirrors")
    wheel(folder, "wheelspeaks")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry) as registry:
        thread = threading.Thread(target=registry.serve_forever)
        thread.start()
        yield {
            "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": "/dev/null",
            "npm_config_registry": f"http://127.0.0.1:{registry.server_port}/", "npm_config_userconfig": "/dev/null",
            "npm_config_cache": str(folder / "cache"),
        }
        registry.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def served(tmp_path_factory, mirrors):
    with Server(tmp_path_factory.mktemp("setup"), CONFIG, environment=mirrors) as server:
        yield server, server.client()


def script(*commands):
    return "\n".join([*("call shell " + json.dumps({"command": command}) for command in commands), "say done"])


def create(client, *commands, **environment):
    asked = {"type": "openai_hosted", "container_size": "small", **environment}
    text = script(*commands) if commands else openai.omit
    return client.beta.agents.sessions.create(agent={"model": "scripted"}, environment=asked, input=text)


def outputs(client, session):
    """What the commands of a session printed, once it rests."""
    settle(client, session.id, "idle")
    return [item.output for item in items(client, session.id) if item.type == "command_execution"]


def failure(client, **environment):
    """Why an environment could not be set up."""
    session = create(client, "true", **environment)
    return session, settle(client, session.id, "failed").error


def test_everything_of_a_template_is_there(served):
    server, client = served
    uploaded = client.files.create(file=("b.txt", b"uploaded"), purpose="user_data")
    template = client.beta.agents.environments.templates.create(
        name="whole",
        env={"MODE": "template", "TOKEN": SECRET},
        files=[inline("/workspace/in/a.txt", b"inline "), {"type": "file_id", "path": "/workspace/b.txt", "file_id": uploaded.id}],
        skills=[skill("greeter", **{"scripts/run.sh": "echo from the skill\n"})],
        plugins=[plugin("plugged")],
        packages={"python": ["wheelspeaks>=1"], "npm": ["node-speaks"], "system": []},
        setup_commands=[
            {"command": "cat in/a.txt b.txt > seen; wheelspeaks >> seen; node-speaks >> seen"},
            {"command": f"pwd >> ../seen; echo {SECRET} >> ../seen", "cwd": "/workspace/in"},
        ],
    )
    assert SECRET not in template.to_json()
    assert [(file.path, file.type) for file in template.files] == [("/workspace/in/a.txt", "inline"), ("/workspace/b.txt", "file_id")]
    session = create(
        client, "cat seen; echo $MODE $TOKEN", "sh .codex/skills/greeter/scripts/run.sh; ls .codex/plugins/plugged/skills",
        "python3 -c 'import wheelspeaks; wheelspeaks.main()'", "touch .managed-agents/python/mine && echo writable",
        environment_template_id=template.id, env={"MODE": "own"},
    )
    said = outputs(client, session)
    assert said[0] == f"inline uploadedwheelspeaks speaks\nnode speaks\n/workspace/in\n{SECRET}\nown\n"
    assert said[1:] == ["from the skill\ninner\n", "wheelspeaks speaks\n", "writable\n"]
    assert SECRET not in session.to_json() and SECRET not in server.log()


def test_what_a_template_says_holds_for_its_environments(served):
    _, client = served
    templates = client.beta.agents.environments.templates
    template = templates.create(network={"access": "restricted", "allowed_domains": ["a.example"]})
    for network in ({"access": "enabled"}, {"access": "restricted", "allowed_domains": ["b.example"]}):
        with pytest.raises(openai.BadRequestError) as refused:
            create(client, environment_template_id=template.id, network=network)
        assert refused.value.param == "environment.network"
    assert create(client, environment_template_id=template.id).environment.network.allowed_domains == ["a.example"]
    assert templates.update(template.id, network=None).network.access == "disabled"
    templates.delete(template.id)
    with pytest.raises(openai.NotFoundError) as missing:
        create(client, environment_template_id=template.id)
    assert missing.value.param == "environment.environment_template_id"


def test_archives_are_looked_at_before_anything_is_made(served):
    server, client = served
    before = set((server.data / "environments").glob("*"))
    twisted = archive("odd", {"../../../etc/evil": "x", "SKILL.md": "---\nname: odd\ndescription: About odd.\n---\n"})
    for environment, param in (
        ({"skills": [{**skill("a"), "name": "b"}]}, "environment.skills[0].name"),
        ({"skills": [skill("a"), {**skill("b"), "description": "other"}]}, "environment.skills[1].description"),
        ({"skills": [twisted]}, "environment.skills[0].source.data"),
        ({"plugins": [skill("a")]}, "environment.plugins[0].source.data"),
        ({"files": [{"type": "file_id", "path": "/workspace/a", "file_id": "file-none"}]}, "environment.files[0].file_id"),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            create(client, **environment)
        assert refused.value.param == param, refused.value
    assert set((server.data / "environments").glob("*")) == before


def test_a_setup_that_fails_says_so_and_keeps_its_secrets(served):
    server, client = served
    session, error = failure(client, setup_commands=[{"command": f"echo {SECRET} said; exit 7"}])
    assert "Setup command 1 failed with exit code 7." in error and SECRET not in error
    log = server.data / "environments" / session.environment.id / "setup.log"
    assert f"{SECRET} said" in log.read_text() and stat.S_IMODE(log.stat().st_mode) == 0o600
    assert SECRET not in server.log()
    for packages, words in (
        ({"python": ["nobody-has-this"]}, "The Python packages could not be fetched"),
        ({"system": ["nobody-has-this"]}, "Missing: nobody-has-this"),
    ):
        assert words in failure(client, packages=packages)[1]


def test_after_a_reset_everything_is_there_again(tmp_path, mirrors):
    more = '[environments]\nsuspend_after = "100ms"\nexpire_after = "300ms"\n'
    with Server(tmp_path / "server", CONFIG + more, environment=mirrors) as server:
        client = server.client()
        session = create(
            client, "cat made; echo mine > mine", files=[inline("/workspace/given", b"given ")],
            packages={"python": ["wheelspeaks"]}, setup_commands=[{"command": "cat given > made; wheelspeaks >> made"}],
        )
        assert outputs(client, session) == ["given wheelspeaks speaks\n"]
        deadline = time.monotonic() + 60
        while client.beta.agents.environments.retrieve(session.environment.id).status != "expired":
            assert time.monotonic() < deadline, "it does not expire"
            time.sleep(0.02)
        with client.beta.agents.sessions.events.stream(session.id) as stream:
            post(client, session.id, message(script("cat made; test -e mine || echo fresh")))
            until(stream, IDLE)
        assert outputs(client, session)[-1] == "given wheelspeaks speaks\nfresh\n"
        assert server.stop() == 0
