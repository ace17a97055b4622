"""All that a command printed, where clients and the model are shown less: who may read it, how long it is there."""
import os
import threading

import pytest

from server import Server
from test_fork import fork
from test_hosted import again, commands, disk, run, serving, shell, wait_for
from test_hosted_hostile import resident

pytestmark = pytest.mark.soak(120)

LINES = "".join(f"{number}\n" for number in range(1, 200_001))
NUMBERS = shell("seq 1 200000")
HALF = 2 << 20


def path(session, item):
    return f"/v1/agents/sessions/{session}/items/{item}/output"


def whole(server, session, item):
    status, headers, body = server.request("GET", path(session, item))
    assert status == 200, body
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert headers["x-content-type-options"] == "nosniff"
    return body


def blobs(server):
    return sorted(file.name for file in server.data.glob("blobs/*/*/*"))


def test_clients_read_all_of_it(server, client):
    session, ran = run(client, NUMBERS, shell("echo short"), shell("head -c 100000 /dev/zero"), shell("echo hi >&2; exit 3"))
    long, short, binary, failed = ran
    assert " bytes left out]\n" in long.output and len(long.output) < len(LINES) / 2
    assert whole(server, session.id, long.id).decode() == LINES
    assert whole(server, session.id, short.id) == b"short\n"
    assert whole(server, session.id, binary.id) == bytes(100_000)
    assert whole(server, session.id, failed.id) == b"hi\n"
    # The command line reads the same, byte by byte.
    assert server.run("session", "output", session.id, long.id) == LINES
    # What is no command, or is not there, has no output; neither has it for others.
    said = client.beta.agents.sessions.items.list(session.id).data[-1]
    assert said.type == "message"
    another, _ = run(client, shell("true"))
    key, _ = server.create_key("--project", "another")
    answers = [
        server.json("GET", path(session.id, said.id)),
        server.json("GET", path(session.id, "item_" + "0" * 24)),
        server.json("GET", path(another.id, long.id)),
        server.json("GET", path("sess_" + "0" * 24, long.id)),
        server.json("GET", path(session.id, long.id), key=key),
    ]
    assert [status for status, _ in answers] == [404] * 5
    kinds = [(body["error"]["type"], body["error"]["code"]) for _, body in answers]
    assert len(set(kinds)) == 1, kinds
    client.beta.agents.sessions.delete(session.id)
    assert server.json("GET", path(session.id, long.id))[0] == 404


def test_what_was_too_much_is_left_out_of_the_middle(server, client):
    # 6 MB of lines of sixteen bytes.
    session, (ran,) = run(client, shell("for n in 1 2 3 4 5 6; do seq -f %015g 62500; done"))
    printed = b"".join(b"%015d\n" % number for number in range(1, 62_501)) * 6
    gap = b"\n[%d bytes left out]\n" % (len(printed) - 2 * HALF)
    assert whole(server, session.id, ran.id) == printed[:HALF] + gap + printed[-HALF:]


def test_it_stays_when_the_machine_is_gone_and_the_server_was_killed(tmp_path):
    with serving(tmp_path / "server", '[environments]\nsuspend_after = "100ms"\nexpire_after = "200ms"\n') as server:
        client = server.client()
        session, (ran,) = run(client, NUMBERS)
        wait_for(lambda: not disk(server, session).exists(), "the disk to go")
        server.kill()
        server.start()
        assert whole(server, session.id, ran.id).decode() == LINES


def test_a_fork_reads_what_it_shares_when_the_other_is_deleted(tmp_path):
    with serving(tmp_path / "server") as server:
        client = server.client()
        session, (ran,) = run(client, NUMBERS)
        child = fork(server, session.id)
        client.beta.agents.sessions.delete(session.id)
        assert whole(server, child, ran.id).decode() == LINES


def test_it_is_in_a_backup(tmp_path):
    file = tmp_path / "the.backup"
    with serving(tmp_path / "server") as server:
        session, (ran,) = run(server.client(), NUMBERS)
        server.run("backup", str(file))
    restored = Server(tmp_path / "restored")
    restored.run("restore", str(file))
    with restored:
        assert whole(restored, session.id, ran.id).decode() == LINES


def test_what_is_shown_whole_is_kept_once(tmp_path):
    with serving(tmp_path / "server") as server:
        client = server.client()
        session, _ = run(client, shell("seq 1 100"))
        before = blobs(server)
        run(client, NUMBERS)
        after = blobs(server)
        # The log's own bodies, and this one.
        sizes = {name: (next(server.data.glob(f"blobs/*/*/{name}"))).stat().st_size for name in set(after) - set(before)}
        assert list(sizes.values()).count(len(LINES)) == 1
        # The same output again is the same blob.
        run(client, NUMBERS)
        assert [size for size in sizes.values() if size == len(LINES)] == [len(LINES)]
        again = {next(server.data.glob(f"blobs/*/*/{name}")).stat().st_size for name in set(blobs(server)) - set(after)}
        assert len(LINES) not in again
        assert disk(server, session).exists() and commands(client, session)


# By hand with 10 GB; docs/benchmarks.md has what that takes.
GIGABYTES = int(os.environ.get("OUTCROP_FLOOD_GB", "2"))


@pytest.mark.soak(300)
def test_gigabytes_are_counted_and_cost_no_memory(tmp_path):
    with serving(tmp_path / "server") as server:
        client = server.client(timeout=280)
        session, _ = run(client, shell("true"))
        before, most, over = resident(server), 0, threading.Event()

        def watch():
            nonlocal most
            while not over.wait(0.05):
                most = max(most, resident(server))

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            (ran,) = again(client, session, shell(f"yes | head -c {GIGABYTES}G", timeout_ms=270_000))
        finally:
            over.set()
            watching.join()
        assert (ran.status, ran.exit_code) == ("completed", 0)
        printed = GIGABYTES << 30
        gap = f"\n[{printed - 2 * HALF} bytes left out]\n".encode()
        assert whole(server, session.id, ran.id) == b"y\n" * (HALF // 2) + gap + b"y\n" * (HALF // 2)
        assert before < most < before + (64 << 20), (before, most)
