"""What commands print comes while they run: once, in order, also for readers that leave and come back, and over a crash."""
import os
from pathlib import Path

import pytest

from conversation import CANCEL, IDLE, message, post, until
from server import Server
from test_self_hosted import CODEX, CONNECTED, Executor, commands, create, script, shell

pytestmark = [
    pytest.mark.soak(120),
    pytest.mark.skipif(not CODEX.exists(), reason="the npm packages of tests/node are not installed"),
]

DELTA = "agent.output.command_execution_output.delta"
ADDED = "agent.session.turn.item.added"
DONE = "agent.session.turn.item.done"


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def printed(events):
    """The deltas of each command, one after the other."""
    output = {}
    for event in events:
        if event.type == DELTA:
            assert event.delta
            output[event.item_id] = output.get(event.item_id, "") + event.delta
    return output


def gate(workspace, name):
    """A command waits at `read`; what is written here lets it go on."""
    path = workspace / name
    os.mkfifo(path)

    def open_it():
        with open(path, "w") as file:
            file.write("go\n")

    return open_it


def until_printed(stream, text, events):
    """Reads on until some command has printed this."""
    for event in stream:
        events.append(event)
        if text in printed(events).values():
            return
    raise AssertionError("the stream has ended")


def test_output_comes_while_the_command_runs(client, tmp_path, workspace):
    session = create(client, workspace)
    first, second = gate(workspace, "first"), gate(workspace, "second")
    command = "printf 'one\\n'; read go < first; printf 'Gr\\303'; read go < second; printf '\\274n\\n'; exit 3"
    with Executor(tmp_path, session.environment), client.beta.agents.sessions.events.stream(session.id) as stream:
        until(stream, CONNECTED)
        post(client, session.id, message(script(shell(command), "say done")))
        events = []
        until_printed(stream, "one\n", events)
        assert commands(client, session.id) == [], "it is listed while it runs"
        first()
        until_printed(stream, "one\nGr", events)
        second()
        events += until(stream, IDLE)
    (ran,) = commands(client, session.id)
    assert (ran.output, ran.exit_code) == ("one\nGrün\n", 3)
    assert printed(events) == {ran.id: ran.output}
    kinds = [event.type for event in events if getattr(event, "item_id", None) == ran.id or
             getattr(getattr(event, "item", None), "id", None) == ran.id]
    assert kinds == [ADDED, DELTA, DELTA, DELTA, DONE]
    (added,) = [event for event in events if event.type == ADDED and event.item.id == ran.id]
    assert added.item.status == "in_progress" and added.item.output is None


def test_a_reader_that_leaves_anywhere_has_everything_once(client, tmp_path, workspace):
    """Two commands at once; after each event that one reader heard, another goes on from there."""
    session = create(client, workspace)
    names = ["one", "two", "three", "four"]
    gates = [gate(workspace, name) for name in names]
    calls = [
        "echo a1; read go < one; echo a2; read go < three; echo a3",
        "echo b1; read go < two; echo b2; read go < four; echo b3",
    ]
    both = " & ".join(shell(command) for command in calls)
    with Executor(tmp_path, session.environment), client.beta.agents.sessions.events.stream(session.id) as stream:
        until(stream, CONNECTED)
        post(client, session.id, message(script(both, "say done")))
        events = []
        until_printed(stream, "a1\n", events)
        if "b1\n" not in printed(events).values():
            until_printed(stream, "b1\n", events)
        late = {}
        for open_it, text in zip(gates, ["a1\na2\n", "b1\nb2\n", "a1\na2\na3\n", "b1\nb2\nb3\n"]):
            # Readers that come back now, and read on while the commands run.
            place = events[-1].event_id
            reader = client.beta.agents.sessions.events.stream(session.id, extra_headers={"Last-Event-ID": place})
            late[len(events)] = reader.__enter__()
            open_it()
            until_printed(stream, text, events)
        events += until(stream, IDLE)
        readers = {at: until(reader, IDLE) for at, reader in late.items()}
        for reader in late.values():
            reader.close()
    outputs = {item.id: item.output for item in commands(client, session.id)}
    assert sorted(outputs.values()) == ["a1\na2\na3\n", "b1\nb2\nb3\n"]
    assert printed(events) == outputs
    for at, rest in readers.items():
        assert printed(events[:at] + rest) == outputs, at
    for at, event in enumerate(events, 1):
        again = client.beta.agents.sessions.events.stream(session.id, extra_headers={"Last-Event-ID": event.event_id})
        with again as again:
            heard = events[:at]
            if event.type != IDLE:
                heard = heard + until(again, IDLE)
        assert printed(heard) == outputs, f"left after {at}: {event.event_id}"
        done = [event.item.id for event in heard if event.type == DONE]
        assert len(done) == len(set(done)) == 3, done


def test_a_reader_goes_on_over_a_crash_of_the_server(tmp_path, workspace):
    with Server(tmp_path / "server") as server:
        client = server.client()
        session = create(client, workspace)
        go = gate(workspace, "go")
        command = "echo begun >> ran; echo first; echo second; read go < go; echo last"
        with Executor(tmp_path, session.environment):
            with client.beta.agents.sessions.events.stream(session.id) as stream:
                until(stream, CONNECTED)
                post(client, session.id, message(script(shell(command), "say done")))
                events = []
                until_printed(stream, "first\nsecond\n", events)
                server.kill()
            place = events[-1].event_id
            # What had been printed before this reader left is not told again.
            half = next(event for event in events if event.type == DELTA).event_id
            server.start()
            reader = client.beta.agents.sessions.events.stream(session.id, extra_headers={"Last-Event-ID": place})
            with reader as stream:
                go()
                events += until(stream, IDLE)
            with client.beta.agents.sessions.events.stream(
                session.id, extra_headers={"Last-Event-ID": half}
            ) as stream:
                rest = until(stream, IDLE)
        (ran,) = commands(client, session.id)
        assert ran.output == "first\nsecond\nlast\n"
        assert printed(events) == {ran.id: ran.output}
        before = [event.event_id for event in events].index(half) + 1
        assert printed(events[:before] + rest) == {ran.id: ran.output}
        assert (workspace / "ran").read_text() == "begun\n"
        assert server.stop() == 0


def test_a_command_that_is_cancelled_keeps_what_it_had_printed(client, tmp_path, workspace):
    session = create(client, workspace)
    with Executor(tmp_path, session.environment), client.beta.agents.sessions.events.stream(session.id) as stream:
        until(stream, CONNECTED)
        post(client, session.id, message(script(shell("echo begun; sleep 600"), "say done")))
        events = []
        until_printed(stream, "begun\n", events)
        post(client, session.id, CANCEL)
        events += until(stream, IDLE)
    (ran,) = commands(client, session.id)
    assert ran.status == "failed" and ran.output.startswith("begun\nthe turn was cancelled"), ran.output
    assert printed(events) == {ran.id: ran.output}


def test_long_output_is_shown_with_its_ends_and_kept_whole(server, client, tmp_path, workspace):
    lines = "".join(f"{number}\n" for number in range(1, 200_001))
    session = create(client, workspace)
    with Executor(tmp_path, session.environment), client.beta.agents.sessions.events.stream(session.id) as stream:
        until(stream, CONNECTED)
        post(client, session.id, message(script(shell("seq 1 200000"), shell("cat /bin/sh"), "say done")))
        events = until(stream, IDLE)
        long, binary = commands(client, session.id)
        assert printed(events) == {long.id: long.output, binary.id: binary.output}
        head, rest = long.output.split("\n[")
        tail = rest.split(" bytes left out]\n")[1]
        assert lines.startswith(head) and lines.endswith(tail) and len(head) == 256 << 10
        assert binary.output.endswith(" bytes that are no text]") and len(binary.output) < 1000
        # All of it is kept by the server,
        path = f"/v1/agents/sessions/{session.id}/items/{{}}/output"
        assert server.request("GET", path.format(long.id))[2].decode() == lines
        shown = (Path("/bin/sh").read_bytes(), server.request("GET", path.format(binary.id))[2])
        assert shown[0] == shown[1]
        # and is a file of the machine, for the model.
        folder = f"outcrop-{session.id.removeprefix('sess_')}"
        post(client, session.id, message(script(shell(f'cd "${{TMPDIR:-/tmp}}/{folder}" && wc -c *.log && rm -r "$PWD"'), "say done")))
        until(stream, IDLE)
    counted = commands(client, session.id)[-1].output
    assert str(len(lines)) in counted, counted
