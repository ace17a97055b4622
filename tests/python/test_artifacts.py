"""The disk of a hosted environment from outside: what of it becomes artifacts over kills, failures and the environment's
end, and that nothing inside decides what the server reads or writes. How both look to clients is the subject of
test_environments.py."""
import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from conversation import IDLE, message, post, settle, turns, until
from server import CONFIG, Server

HOSTED = {"type": "openai_hosted", "container_size": "small"}
EXPIRED, SUSPENDED = "agent.session.environment.expired", "agent.session.environment.suspended"


def script(*commands, end="say done"):
    return "\n".join([*("call shell " + json.dumps({"command": command}) for command in commands), end])


def run(client, *commands):
    """A session whose first turn has run these."""
    asked = {"agent": {"model": "scripted"}, "environment": HOSTED}
    session = client.beta.agents.sessions.create(**asked, input=script(*commands))
    return settle(client, session.id, "idle")


def again(client, session, *commands, end="say done"):
    with client.beta.agents.sessions.events.stream(session.id) as stream:
        post(client, session.id, message(script(*commands, end=end)))
        return until(stream, IDLE)


def published(client, session):
    """Artifacts by what their paths end in; the newest of each."""
    listed = client.beta.agents.sessions.artifacts.list(session.id, order="asc", limit=100)
    return {artifact.path.removeprefix("/workspace/outputs/"): artifact for artifact in listed}


def content(client, session, artifact):
    return client.beta.agents.sessions.artifacts.content(artifact.id, session_id=session.id).read()


def put(client, environment, path, data):
    """Whether it was taken; it is refused where a link is in the way."""
    try:
        encoded = base64.b64encode(data).decode()
        client.beta.agents.environments.files.create(environment, type="inline", path=path, data=encoded)
    except openai.BadRequestError:
        return False
    return True


@pytest.mark.soak(120)
def test_a_kill_after_a_turn_loses_none_of_its_outputs(tmp_path):
    with Server(tmp_path / "server", CONFIG) as server:
        client = server.client()
        session = run(client, "true")
        many = "for at in $(seq 1 40); do head -c 1000000 /dev/urandom > outputs/$at.bin; done; cat outputs/* | sha256sum"
        post(client, session.id, message(script("mkdir outputs; " + many)))
        settle(client, session.id, "idle")
        server.kill()
        server.start()
        found = published(client, session)
        assert sorted(found, key=lambda name: int(name.split(".")[0])) == [f"{at}.bin" for at in range(1, 41)]
        assert len({artifact.turn_id for artifact in found.values()}) == 1
        folder = server.data / "environments" / session.environment.id / "disk/outputs"
        for name, artifact in found.items():
            assert content(client, session, artifact) == (folder / name).read_bytes()
        # What a row names is swept by no start.
        server.kill()
        server.start()
        for name, artifact in list(found.items())[:3]:
            assert content(client, session, artifact) == (folder / name).read_bytes()
        assert client.files.list().data == [], "artifacts are no uploaded files"
        assert server.stop() == 0


def test_outputs_of_a_failed_turn_come_with_the_next_that_completes(client):
    session = run(client, "mkdir outputs; echo one > outputs/one.txt")
    (first,) = turns(client, session.id)
    again(client, session, "echo two > outputs/two.txt", end="fail 400")
    assert sorted(turn.status for turn in turns(client, session.id)) == ["completed", "failed"]
    assert set(published(client, session)) == {"one.txt"}
    again(client, session, "true")
    found = published(client, session)
    assert set(found) == {"one.txt", "two.txt"}
    completed = [turn.id for turn in turns(client, session.id) if turn.status == "completed"]
    assert len(completed) == 2 and found["one.txt"].turn_id == first.id
    assert found["two.txt"].turn_id in completed and found["two.txt"].turn_id != first.id


def test_a_deleted_artifact_comes_again_with_a_later_turn(client):
    session = run(client, "mkdir outputs; echo one > outputs/one.txt; echo two > outputs/two.txt")
    before = published(client, session)
    client.beta.agents.sessions.artifacts.delete(before["one.txt"].id, session_id=session.id)
    assert set(published(client, session)) == {"two.txt"}
    again(client, session, "touch outputs/two.txt")
    after = published(client, session)
    assert after["one.txt"].id != before["one.txt"].id and after["two.txt"] == before["two.txt"]
    assert content(client, session, after["one.txt"]) == b"one\n"


def test_nothing_but_honest_files_is_published(client, tmp_path):
    planted = tmp_path / "planted.txt"
    planted.write_text("of the host")
    session = run(
        client,
        f"mkdir outputs && cd outputs && ln -s {planted} planted && ln -s {tmp_path} folder && ln -s /etc/passwd passwd "
        "&& ln -s ../../../../../../etc up && mkfifo pipe && truncate -s 3G huge && echo honest > honest "
        "&& printf x > \"$(printf 'no \\377 text')\" && mkdir closed && echo hidden > closed/file && chmod 0 closed/file closed "
        "&& echo odd > 'new\nline'",
    )
    found = published(client, session)
    assert set(found) == {"honest", "closed/file", "new\nline"}
    assert content(client, session, found["honest"]) == b"honest\n"
    assert content(client, session, found["closed/file"]) == b"hidden\n"


def test_artifacts_outlive_their_environment(tmp_path):
    more = '[environments]\nsuspend_after = "100ms"\nexpire_after = "300ms"\n'
    with Server(tmp_path / "server", CONFIG + more) as server:
        client = server.client()
        session = run(client, "true")
        with client.beta.agents.sessions.events.stream(session.id) as stream:
            post(client, session.id, message(script("mkdir -p outputs; echo kept > outputs/file; echo more > outputs/other")))
            until(stream, IDLE)
            until(stream, EXPIRED)
        folder = server.data / "environments" / session.environment.id / "disk"
        assert not folder.exists()
        found = published(client, session)
        assert content(client, session, found["file"]) == b"kept\n"
        # A fresh disk: the same content there is what is published already.
        again(client, session, "mkdir -p outputs; echo kept > outputs/file; echo changed > outputs/other")
        later = published(client, session)
        assert later["file"] == found["file"] and later["other"].id != found["other"].id
        client.beta.agents.sessions.delete(session.id)
        with pytest.raises(openai.NotFoundError):
            content(client, session, found["file"])
        assert server.stop() == 0


def test_files_are_put_and_listed_while_it_is_suspended(tmp_path):
    with Server(tmp_path / "server", CONFIG + '[environments]\nsuspend_after = "100ms"\n') as server:
        client = server.client()
        session = run(client, "true")
        environment = session.environment.id
        with client.beta.agents.sessions.events.stream(session.id) as stream:
            post(client, session.id, message(script("mkdir given; echo old > given/file; echo $$ > process")))
            until(stream, IDLE)
            until(stream, SUSPENDED)
        assert put(client, environment, "/workspace/given/file", b"new\n")
        assert put(client, environment, "/workspace/given/deep/er", b"\0\xff")
        listed = client.beta.agents.environments.files.list(environment, path="/workspace/given", order="asc")
        assert [(file.path, file.size_bytes) for file in listed] == [
            ("/workspace/given/deep/er", 2), ("/workspace/given/file", 4),
        ]
        assert client.beta.agents.environments.retrieve(environment).status == "suspended", "nothing was started for it"
        ran = again(client, session, "cat given/file && echo mine > given/file && rm -r given/deep && echo all mine")
        output = [event.item.output for event in ran if event.type.endswith("item.done") and event.item.type == "command_execution"]
        assert output == ["new\nall mine\n"]
        assert server.stop() == 0


def test_a_folder_that_becomes_a_link_leads_nowhere(server, client, tmp_path):
    planted = tmp_path / "planted"
    planted.mkdir(mode=0o777)
    planted.chmod(0o777)
    (planted / "secret").write_text("of the host")
    session = run(client, f"mkdir a && echo mine > a/secret && ln -s {planted} link && touch ready")
    environment = session.environment.id
    # Inside, the folder and the link change places as fast as they can, until a file says that it is enough.
    swap = "while [ ! -e enough ]; do mv -T a x 2>/dev/null && mv -T link a && mv -T a link && mv -T x a; done; echo swapped"
    with client.beta.agents.sessions.events.stream(session.id) as stream:
        post(client, session.id, message(script(f"touch swapping; {swap}")))
        disk = server.data / "environments" / environment / "disk"
        deadline = time.monotonic() + 30
        while not (disk / "swapping").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with ThreadPoolExecutor(4) as pool:
            taken = list(pool.map(lambda at: put(client, environment, f"/workspace/a/{at}", b"put"), range(300)))
            listed = list(pool.map(lambda _: client.beta.agents.environments.files.list(environment, path="/workspace/a").data, range(50)))
        assert put(client, environment, "/workspace/enough", b"")
        until(stream, IDLE)
    assert [entry.name for entry in planted.iterdir()] == ["secret"]
    assert any(taken), "some came while it was a folder"
    for files in listed:
        assert all(file.size_bytes in (3, 5) for file in files), "the host's own has another size"


def test_a_fork_publishes_what_it_has_changed(server, client):
    mother = run(client, "mkdir outputs; echo one > outputs/same; echo two > outputs/changed")
    assert sorted(published(client, mother)) == ["changed", "same"]
    status, child = server.json("POST", f"/v1/agents/sessions/{mother.id}/fork", {})
    assert status == 201, child
    child = client.beta.agents.sessions.retrieve(child["id"])
    assert published(client, child) == {}
    again(client, child, "cat outputs/same")
    assert published(client, child) == {}
    again(client, child, "echo three > outputs/changed; echo four > outputs/new")
    found = published(client, child)
    assert sorted(found) == ["changed", "new"]
    assert content(client, child, found["changed"]) == b"three\n"
    # The other session's are what they were, and are not the fork's to read.
    first = published(client, mother)
    assert content(client, mother, first["changed"]) == b"two\n"
    with pytest.raises(openai.NotFoundError):
        content(client, child, first["same"])
