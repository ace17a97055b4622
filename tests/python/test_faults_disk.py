"""Disks that lose power, fail, fill up and stall under the release binary."""
import contextlib
import errno
import hashlib
import http.client
import json
import random
import re
import select
import shutil
import struct
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
import pytest

from conversation import begin, items, message, messages, post, say
from faults import FaultyServer, Talker, fill, large_session, progress, refusals, talk, verify, wait_for
from server import BETA, KEY, Server

pytestmark = pytest.mark.soak(60)

CUTS = 8
STALL = 5


def reads(server, client, session):
    """What must be answered whatever the disk does to writes."""
    assert client.beta.agents.sessions.retrieve(session).id == session
    assert items(client, session)
    assert list(client.beta.agents.sessions.list(limit=3))
    assert server.request("GET", "/healthz")[0] == 200


def assert_retryable(refused):
    """503 in the shape of the door, and it says when to come back."""
    assert refused.status_code == 503, refused
    assert refused.type == "service_unavailable_error" and refused.body["message"], refused.body
    assert int(refused.response.headers["retry-after"]) > 0


def assert_refused(client, session):
    """Neither an input nor a new session is taken."""
    with pytest.raises(openai.InternalServerError) as refused:
        post(client, session, message("say no"))
    assert_retryable(refused.value)
    with pytest.raises(openai.InternalServerError) as refused:
        begin(client, "say no")
    assert_retryable(refused.value)


# ---- the power goes

def test_the_bad_disk_loses_what_was_not_synced(tmp_path):
    """The next test could not fail if this one did not hold: with an fsync that does nothing, acknowledged turns go."""
    with FaultyServer(tmp_path, image=True) as server:
        client = server.client()
        session, _ = begin(client, "say hello")
        server.control.fsync_lies = 1
        say(client, session, "say lost")
        server.kill()
        server.cut_power()
        server.control.fsync_lies = 0
        server.start()
        assert messages(client, session) == [("user", "say hello"), ("assistant", "hello")]


def test_f04_a_data_folder_is_there_after_the_first_answer(tmp_path):
    with FaultyServer(tmp_path, image=True) as server:
        client = server.client()
        session, _ = begin(client, "say hello")
        server.kill()
        server.cut_power()
        server.start()
        assert messages(client, session) == [("user", "say hello"), ("assistant", "hello")]


def test_f04_nothing_acknowledged_is_lost_when_the_power_goes(tmp_path):
    rng = random.Random(4)
    with FaultyServer(tmp_path, image=True) as server, talk(server, 4) as talkers:
        large = Talker(server, 9, size=40_000)
        large.start()
        talkers.append(large)
        for cut in range(CUTS):
            progress(talkers)
            time.sleep(rng.uniform(0, 0.1))  # any moment will do
            server.kill()
            told = [talker.told() for talker in talkers]
            # All that was not synced is gone; or chance decides about every sector.
            server.cut_power(rng if cut % 2 else None)
            server.start()
            for talker, before in zip(talkers, told):
                talker.check(before)
    verify(server)


def test_f04_the_power_goes_in_the_middle_of_a_checkpoint(tmp_path):
    """Once while the server works, once while the next one starts: pages are written to the database, none is synced,
    and chance decides which sectors are there."""
    rng = random.Random(44)
    with FaultyServer(tmp_path, image=True) as server:
        client = server.client()
        session, _ = begin(client, "say hello")
        server.control.fsync_match = "outcrop.db$"
        server.control.fsync_hold = 1
        taken = []

        def ask():
            with contextlib.suppress(openai.APIConnectionError):
                while True:
                    taken.append(client.beta.agents.sessions.create(**large_session(1)).id)

        asking = threading.Thread(target=ask)
        asking.start()
        wait_for(lambda: server.control.fsync_waiting, "a checkpoint")
        server.kill()
        asking.join()
        server.cut_power(rng)
        server.control.fsync_waiting = 0
        starting = threading.Thread(target=lambda: pytest.raises(AssertionError, server.start))
        starting.start()
        wait_for(lambda: server.control.fsync_waiting, "the checkpoint of the start")
        server.kill()
        starting.join()
        server.cut_power(rng)
        server.control.fsync_hold = server.control.fsync_waiting = 0
        server.start()
        assert messages(client, session) == [("user", "say hello"), ("assistant", "hello")]
        there = {session.id for session in client.beta.agents.sessions.list(limit=100)}
        assert there >= {session, *taken}
        assert len(client.beta.agents.sessions.retrieve(taken[0]).agent.instructions) == 1 << 20
        assert server.stop() == 0
    verify(server)


# ---- fsync fails

@pytest.mark.parametrize("where", ["outcrop.db-wal$", "outcrop.db$", "/blobs/"])
def test_f05_an_fsync_that_fails_ends_the_server(tmp_path, where):
    with FaultyServer(tmp_path, image=True) as server, talk(server, 3) as talkers:
        large = Talker(server, 9, size=40_000)
        large.start()
        talkers.append(large)
        progress(talkers)
        server.control.fsync_match = where
        server.control.fsync_errno = errno.EIO
        server.control.fsync_fails = 1
        if where == "outcrop.db$":
            with contextlib.suppress(openai.APIConnectionError):
                fill(server.client(), 80)
        assert server.ended() == 1
        assert server.control.fsync_failed == 1, "it was asked again"
        assert "the store stopped after a failed write" in server.log()
        assert any(refused.status_code == 503 for refused in refusals(talkers))
        restart(server, talkers)
    verify(server)


def test_f05_nothing_stands_on_what_an_fsync_could_not_write(tmp_path):
    """What the kernel could not write is still in its memory, and a server that starts now reads it there."""
    with FaultyServer(tmp_path, image=True) as server, talk(server, 3) as talkers:
        progress(talkers)
        server.control.fsync_match = "outcrop.db-wal$"
        server.control.fsync_errno = errno.EIO
        server.control.fsync_fails = 1
        wait_for(lambda: server.control.fsync_failed, "the fsync")
        server.kill()
        restart(server, talkers)
    verify(server)


def restart(server, talkers):
    """Twice: as it is, and after more work and a power cut. All that clients were told is there each time."""
    told = [talker.told() for talker in talkers]
    server.start()
    for talker, before in zip(talkers, told):
        talker.check(before)
    progress(talkers, 2)
    server.kill()
    told = [talker.told() for talker in talkers]
    server.cut_power()
    server.start()
    for talker, before in zip(talkers, told):
        talker.check(before)


# ---- the disk is full

@pytest.mark.parametrize("why", [errno.ENOSPC, errno.EDQUOT])
def test_f06_a_full_disk_refuses_writes_until_there_is_room(tmp_path, why):
    with FaultyServer(tmp_path) as server:
        client = server.client()
        session, _ = begin(client, "say hello")
        with talk(server, 3) as talkers:
            progress(talkers)
            server.control.write_errno = why
            # Less than any write needs: the next one goes where one that failed has begun, and may find room there.
            server.control.write_room = 10_000
            wait_for(lambda: server.control.write_failed, "the disk to be full")
            server.control.write_room = 0
            assert_refused(client, session)
            reads(server, client, session)
            server.control.write_room = -1
            progress(talkers, 2)
        assert len(messages(client, session)) == 2, "what was refused was not done"
        assert server.stop() == 0
    verify(server)


def test_f06_a_checkpoint_on_a_full_disk_is_made_later(tmp_path):
    with FaultyServer(tmp_path) as server:
        client = server.client()
        session, _ = begin(client, "say hello")
        server.control.write_match = "outcrop.db$"
        server.control.write_errno = errno.ENOSPC
        server.control.write_room = 1 << 20
        assert fill(client, 34) == 34, "the log itself has room"
        wait_for(lambda: server.control.write_failed, "a checkpoint")
        reads(server, client, session)
        say(client, session, "say on")
        server.control.write_room = -1
        fill(client, 34)
        wait_for(lambda: (server.data / "outcrop.db").stat().st_size > 34 << 20, "the next checkpoint")
        assert len(messages(client, session)) == 4
        assert server.stop() == 0
    verify(server)


def test_f06_without_inodes_large_bodies_wait_and_the_rest_goes_on(tmp_path):
    large = "say " + "y" * 40_000
    with FaultyServer(tmp_path) as server:
        client = server.client()
        session, _ = begin(client, "say hello")
        other, _ = begin(client, "say hello")
        server.control.create_errno = errno.ENOSPC
        with pytest.raises(openai.InternalServerError) as refused:
            say(client, session, large)
        assert_retryable(refused.value)
        assert server.control.create_failed > 0
        say(client, other, "say small")
        reads(server, client, session)
        server.control.create_errno = 0
        say(client, session, large)
        assert [text for _, text in messages(client, session)][2:] == [large, large.removeprefix("say ")]
        assert server.stop() == 0
    verify(server)


def test_f06_a_server_does_not_start_on_a_full_disk_and_harms_nothing(tmp_path):
    with FaultyServer(tmp_path) as server:
        session, _ = begin(server.client(), "say hello")
        server.kill()
        server.control.write_errno = errno.ENOSPC
        server.control.write_never = 1
        with pytest.raises(AssertionError, match="ended with 1"):
            server.start()
        assert "full" in server.log()
        server.control.write_never = 0
        server.start()
        assert len(messages(server.client(), session)) == 2


def test_f06_a_log_that_cannot_be_written_stops_nobody(tmp_path):
    (tmp_path / "stderr.log").symlink_to("/dev/full")
    with Server(tmp_path, environment={"OUTCROP_LOG": "debug"}) as server:
        client = server.client()
        session, _ = begin(client, "say hello")
        with talk(server, 2) as talkers:
            progress(talkers, 2)
        assert len(messages(client, session)) == 2
        assert server.stop() == 0


def test_f06_weights_that_do_not_fit_are_fetched_when_they_do(tmp_path):
    """The smallest file of weights there is, and a megabyte that nobody reads. The server beside it notices nothing."""
    weights = b"GGUF" + struct.pack("<IQQ", 3, 0, 0) + bytes(1 << 20)
    with shelf(weights) as url, FaultyServer(tmp_path, config=f"""
[[model]]
name = "scripted"
provider = "script"

[[model]]
name = "fetched"
provider = "local"
source = "{url}"
""") as server:
        client = server.client()
        session, _ = begin(client, "say hello")
        pull = server.command("model", "pull", "fetched")
        server.control.write_match = "/models/"
        server.control.write_errno = errno.ENOSPC
        server.control.write_room = 300_000
        full = subprocess.run(pull, env=server.environment, capture_output=True, text=True, timeout=30)
        assert full.returncode == 1 and "the disk is full" in full.stderr, full
        say(client, session, "say on")
        server.control.write_room = -1
        fetched = subprocess.run(pull, env=server.environment, capture_output=True, text=True, timeout=30)
        assert fetched.returncode == 0, fetched
        (there,) = (server.data / "models").glob("**/*.gguf")
        assert there.read_bytes() == weights
        assert hashlib.sha256(weights).hexdigest() in fetched.stdout


@contextlib.contextmanager
def shelf(weights):
    """A web server with one file; where it is."""
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(weights)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(weights)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/m.gguf"
    finally:
        server.shutdown()
        server.server_close()


def test_f06_a_real_file_system_that_is_full(tmp_path):
    """As above, with nothing between the server and the kernel."""
    disk = tmp_path / "server"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("nothing may be mounted here")
    try:
        with Server(disk) as server:
            client = server.client()
            session, _ = begin(client, "say hello")
            ballast = disk / "ballast"
            with contextlib.suppress(OSError), open(ballast, "wb") as file:
                while shutil.disk_usage(disk).free > 1 << 20:
                    file.write(bytes(1 << 16))
                    file.flush()
            with talk(server, 3) as talkers:
                with pytest.raises(openai.InternalServerError) as refused:
                    while True:
                        client.beta.agents.sessions.create(**large_session(1))
                assert_retryable(refused.value)
                reads(server, client, session)
                ballast.unlink()
                progress(talkers, 2)
            assert server.stop() == 0
        verify(server)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


# ---- the disk is read-only, or slow

def test_f07_a_disk_that_becomes_read_only_refuses_writes_until_it_is_not(tmp_path):
    with FaultyServer(tmp_path) as server:
        client = server.client()
        session, _ = begin(client, "say hello")
        with talk(server, 3) as talkers:
            progress(talkers)
            server.control.write_errno = server.control.create_errno = errno.EROFS
            server.control.write_never = 1
            wait_for(lambda: server.control.write_failed, "a write")
            assert_refused(client, session)
            reads(server, client, session)
            server.control.write_never = server.control.create_errno = 0
            progress(talkers, 2)
        assert server.stop() == 0
    verify(server)


def test_f07_an_fsync_that_stalls_holds_up_writes_only(tmp_path):
    """While the disk says nothing for five seconds, no write is acknowledged and all reads are answered; what clients
    send and leave behind does not pile up without end, and then who comes is told to come back."""
    with FaultyServer(tmp_path) as server:
        client = server.client()
        session, _ = begin(client, "say hello")
        with talk(server, 3) as talkers:
            progress(talkers)
            server.control.fsync_hold = 1
            wait_for(lambda: server.control.fsync_waiting, "a stalled fsync")
            told = [len(talker.taken) for talker in talkers]
            end = time.monotonic() + STALL
            desert(server, sessions=400, megabytes=1)
            with pytest.raises(openai.InternalServerError) as refused:
                client.beta.agents.sessions.create(**large_session(1))
            assert_retryable(refused.value)
            while time.monotonic() < end:
                reads(server, client, session)
            # A request that was on its way when it began may have been told since.
            assert all(len(talker.taken) <= before + 1 for talker, before in zip(talkers, told))
            assert server.control.fsync_waiting, "nothing stalled"
            server.control.fsync_hold = 0
            progress(talkers, 2)
        assert server.stop() == 0
    verify(server)


def desert(server, sessions, megabytes):
    """Clients that ask for large sessions and leave as soon as the server is at work on them, until it refuses one."""
    body = json.dumps(large_session(megabytes)).encode()
    head = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **BETA}
    for _ in range(0, sessions, 20):
        active = activity(server)
        connections = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=30) for _ in range(20)]
        for connection in connections:
            connection.request("POST", "/v1/agents/sessions", body=body, headers=head)
        wait_for(lambda: activity(server) + len(answered(connections)) >= active + 20, "the server to begin with all of them")
        refused = answered(connections)
        for connection in connections:
            connection.close()
        if refused:
            return
    raise AssertionError(f"{sessions} sessions of {megabytes} MiB wait for the disk")


def answered(connections):
    return select.select([connection.sock for connection in connections], [], [], 0)[0]


def activity(server):
    """Sessions in the server's memory."""
    text = server.request("GET", "/metrics")[2].decode()
    return int(re.search(r"^outcrop_sessions_active (\d+)", text, re.M).group(1))
