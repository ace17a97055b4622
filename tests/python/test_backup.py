"""Backup while a server works, and the way back: what was acknowledged is there, and what is lost is said to be."""
import re
import threading

import pytest

from conversation import LOOKUP, begin, calls, items, messages, post, result, say, settle, turns
from server import KEY, Server

SESSIONS = 20


def refused(server, *words):
    """What a command that fails says."""
    with pytest.raises(AssertionError) as failed:
        server.run(*words)
    return str(failed.value)


def ledger(server, session):
    found, after = [], ""
    while True:
        status, body = server.json("GET", f"/v1/agents/sessions/{session}/ledger?limit=100&order=asc{after}")
        assert status == 200, body
        found += body["data"]
        if not body["has_more"]:
            return found
        after = f"&after={body['last_id']}"


@pytest.fixture
def place(tmp_path):
    with Server(tmp_path / "live") as server:
        yield server, tmp_path / "the.backup"


class Talker(threading.Thread):
    """Takes turns until it is told to stop, and knows which were acknowledged as completed, and when."""

    def __init__(self, server, number, stop):
        super().__init__()
        self.client, self.stop = server.client(), stop
        self.session, _ = begin(self.client, f"say ready {number}", tools=[LOOKUP])
        self.said, self.error = [], None

    def run(self):
        try:
            while not self.stop.is_set():
                text = f"turn {len(self.said)}"
                seen = say(self.client, self.session, f'call lookup {{"n":{len(self.said)}}}\nsay {text}')
                (call,) = calls(seen)
                post(self.client, self.session, result(call, "x" * 2000))
                settle(self.client, self.session, "idle")
                self.said.append(text)
        except BaseException as error:
            self.error = error


def test_a_backup_while_twenty_sessions_work(place, tmp_path):
    server, file = place
    stop = threading.Event()
    talkers = [Talker(server, number, stop) for number in range(SESSIONS)]
    for talker in talkers:
        talker.start()
    talkers[0].client.beta.agents.create(model="scripted", name="kept")
    while not all(talker.said for talker in talkers):
        stop.wait(0.05)
    acknowledged = [list(talker.said) for talker in talkers]
    said = server.run("backup", str(file))
    stop.set()
    for talker in talkers:
        talker.join()
        assert talker.error is None, talker.error
    assert re.search(rf"{SESSIONS} sessions, \d+ records, 0 blobs", said), said
    server.kill()

    with_backup = Server(tmp_path / "restored")
    with_backup.run("restore", str(file))
    with with_backup as restored:
        client = restored.client()
        for talker, before in zip(talkers, acknowledged):
            settle(client, talker.session, "idle", "requires_action")
            answers = [text for role, text in messages(client, talker.session) if role == "assistant"]
            assert answers[1:len(before) + 1] == before, "every turn that was acknowledged is there"
            assert set(answers[1:]) <= set(talker.said)
            assert [effect["kind"] for effect in ledger(restored, talker.session)].count("restore") == 1
        assert [agent.name for agent in client.beta.agents.list()] == ["kept"]
        # And it goes on.
        idle = next(talker for talker in talkers if client.beta.agents.sessions.retrieve(talker.session).status == "idle")
        assert say(client, idle.session, "say on")[-1].type == "agent.session.idle"


def test_f30_a_restore_to_an_older_point(place):
    server, file = place
    client = server.client()
    done, _ = begin(client, "say before")
    waits, seen = begin(client, 'call lookup {"n":1}\nsay done', tools=[LOOKUP])
    (call,) = calls(seen)
    server.run("backup", str(file))

    # What happens now is lost: a turn, an answer that touched the world, a whole session.
    lost = say(client, done, "say after")
    post(client, waits, result(call))
    settle(client, waits, "idle")
    newer, _ = begin(client, "say never was")
    assert "another outcrop serves" in refused(server, "restore", "--replace", str(file))
    assert "--replace" in refused(server, "restore", str(file))
    server.stop()
    server.run("restore", "--replace", str(file))
    assert (server.data / "before-restore-1" / "outcrop.db").exists()

    server.start()
    client = server.client()
    assert [text for _, text in messages(client, done)] == ["say before", "before"]
    assert server.json("GET", f"/v1/agents/sessions/{newer}")[0] == 404

    # The ledger says that it does not know, of what was open and of what it cannot have.
    *_, restore = ledger(server, done)
    assert (restore["kind"], restore["state"], restore["diverged"]) == ("restore", "unknown", True)
    assert restore["error"]["code"] == "diverged"
    model, open_call, restore = ledger(server, waits)
    assert (open_call["state"], open_call["diverged"], model["diverged"]) == ("waiting", True, False)
    for session in (done, waits):
        assert "diverged" in server.run("session", "show", session)
        assert "diverged" in server.run("session", "ledger", session)

    # Ids that were handed out after the backup name nothing, however they come, now and after new events.
    again = say(client, done, "say other")
    assert not {event.event_id for event in lost} & {event.event_id for event in again}
    for event in lost:
        with server.events(done, query=f"&after={event.event_id}") as stream:
            assert (stream.status, stream.error()["code"]) == (404, "not_found_error"), event.event_id
        with server.events(done, headers={"Last-Event-ID": event.event_id}) as stream:
            assert stream.status == 404, event.event_id
    assert not {item.id for item in items(client, done)} & {event.item.id for event in lost if hasattr(event, "item")}

    # Ids from before it are what they were, and their readers are carried over the gap.
    with server.events(waits, query=f"&after={seen[-1].event_id}") as stream:
        post(client, waits, result(call, "again"))
        for event in stream:
            if event["type"] == "agent.session.idle":
                break
    assert [item.type for item in items(client, waits)][-2:] == ["function_call_output", "message"]
    assert [turn.status for turn in turns(client, waits)] == ["completed"]
    model, answered, *_ = ledger(server, waits)
    assert (answered["state"], answered["diverged"]) == ("committed", True)

    # A second restore of the same file meets neither line.
    server.stop()
    server.run("restore", "--replace", str(file))
    server.start()
    third = say(server.client(), done, "say third")
    assert not {event.event_id for event in third} & {event.event_id for event in again + lost}
    for event in again:
        with server.events(done, query=f"&after={event.event_id}") as stream:
            assert stream.status == 404


def test_f30_unfinished_work_goes_on_like_after_a_crash(place, tmp_path):
    server, file = place
    client = server.client()
    with client.beta.agents.sessions.create(
        agent={"model": "scripted"}, environment={"type": "none"}, input="slow 60 " + "word " * 60, stream=True
    ) as stream:
        for event in stream:
            if event.type == "agent.session.created":
                session = event.session.id
            if event.type.endswith("output_text.delta"):
                break
        server.run("backup", str(file))
    server.kill()
    restored = Server(tmp_path / "restored")
    restored.run("restore", str(file))
    with restored:
        client = restored.client()
        assert settle(client, session, "idle").status == "idle"
        assert [turn.status for turn in turns(client, session)] == ["completed"]
        model, _ = ledger(restored, session)
        assert model["diverged"] and [attempt["state"] for attempt in model["attempts"]] == ["abandoned", "committed"]


def test_large_bodies_come_along(place, tmp_path):
    server, file = place
    text = "".join(chr(97 + n % 26) for n in range(200_000))
    session, _ = begin(server.client(), text)
    said = server.run("backup", str(file))
    assert re.search(r" [12] blobs", said), said
    assert file.stat().st_mode & 0o777 == 0o600
    assert KEY.encode() not in file.read_bytes(), "keys are hashes"
    restored = Server(tmp_path / "restored")
    restored.run("restore", str(file))
    with restored:
        assert messages(restored.client(), session)[0][1] == text


def test_what_is_refused_leaves_everything_as_it_was(place, tmp_path):
    server, file = place
    session, _ = begin(server.client(), "hello")
    server.run("backup", str(file))
    assert "is there already" in refused(server, "backup", str(file))
    assert "no such" in refused(server, "backup", str(tmp_path / "none" / "x")).lower()
    whole = file.read_bytes()
    half = tmp_path / "half.backup"
    half.write_bytes(whole[: len(whole) // 2])
    other = tmp_path / "other"
    other.write_text("something else " * 100)
    server.stop()
    for wrong in (half, other, tmp_path / "missing"):
        assert "nothing was restored" in refused(server, "restore", "--replace", str(wrong))
    server.start()
    assert messages(server.client(), session)[0][1] == "hello"
    assert sorted(path.name for path in server.data.iterdir() if "restore" in path.name) == []
