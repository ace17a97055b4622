"""The server runs out of files and threads, or is stopped in its tracks."""
import contextlib
import errno
import http.client
import json
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conversation import begin, items, message, messages, say
from faults import FaultyServer, progress, talk, verify, wait_for
from server import BETA, KEY, Server

pytestmark = pytest.mark.soak(60)

PAUSED = 2
NO_FILES = "a connection could not be accepted"


def limit_files(server, files):
    """How many files the running server may have open; what it was before."""
    before, most = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (files, most))
    return before


def open_files(server):
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def post(connection, path, body):
    """A request over a connection that is open already."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **BETA}
    connection.request("POST", path, body=json.dumps(body), headers=headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read() or b"null")


def test_f27_without_files_the_server_serves_who_is_there_and_takes_others_later(tmp_path):
    with Server(tmp_path) as server:
        client = server.client()
        session, _ = begin(client, "say hello")
        there = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        path = f"/v1/agents/sessions/{session}/events"
        body = {"events": [{
            "type": "agent.session.input.message",
            "input": [{"role": "user", "content": [{"type": "input_text", "text": "say again"}]}],
        }]}
        with talk(server, 3) as talkers:
            progress(talkers)
            there.connect()
            assert post(there, path, body)[0] == 202
            before = limit_files(server, 3)
            begun = time.monotonic()
            waiting = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            waiting.request("GET", "/healthz")
            wait_for(lambda: server.log().count(NO_FILES) >= 3, "the server to notice")
            # Who is connected is served, to the disk and back: the store has its files already.
            wait_for(lambda: client_status(there, session) == "idle", "the session to be idle")
            assert post(there, path, body)[0] == 202
            wait_for(lambda: client_status(there, session) == "idle", "the turn")
            tried, took = errors(server), time.monotonic() - begun
            assert tried <= took / 0.05 + 2, f"{tried} tries in {took} s: it spins"
            limit_files(server, before)
            assert waiting.getresponse().status == 200
            progress(talkers, 2)
        assert [text for role, text in messages(client, session) if role == "assistant"] == ["hello", "again", "again"]
        assert server.stop() == 0
    verify(server)


def client_status(connection, session):
    connection.request("GET", f"/v1/agents/sessions/{session}", headers={"Authorization": f"Bearer {KEY}", **BETA})
    answer = connection.getresponse()
    return json.loads(answer.read())["status"]


def errors(server):
    return (server.folder / "stderr.log").read_text().count(NO_FILES)


def test_f27_without_files_bodies_that_need_one_are_refused_and_taken_later(tmp_path):
    """A large body is a file of its own."""
    large = "say " + "y" * 40_000
    with FaultyServer(tmp_path) as server:
        client = server.client(retries=5)
        session, _ = begin(client, "say hello")
        server.control.create_errno = errno.EMFILE
        other = server.client()
        with pytest.raises(Exception, match="503"):
            say(other, session, large)
        server.control.create_errno = 0
        say(client, session, large)
        assert len(messages(client, session)) == 4
        assert server.stop() == 0
    verify(server)


def test_f27_without_threads_a_running_server_goes_on_and_a_new_one_says_so(tmp_path):
    with FaultyServer(tmp_path) as server:
        session, _ = begin(server.client(), "say hello")
        with talk(server, 3) as talkers:
            server.control.thread_errno = errno.EAGAIN
            progress(talkers, 3)
        server.kill()
        with pytest.raises(AssertionError, match="ended with [1-9]"):
            server.start()
        assert server.control.thread_failed > 0
        assert "thread" in server.log()
        server.control.thread_errno = 0
        server.start()
        assert len(messages(server.client(), session)) == 2
        assert server.stop() == 0
    verify(server)


def test_f09_a_server_that_is_stopped_for_a_while_goes_on_and_keeps_its_folder(tmp_path):
    with Server(tmp_path) as server:
        with talk(server, 4) as talkers:
            progress(talkers)
            server.process.send_signal(signal.SIGSTOP)
            begun = time.monotonic()
            told = [talker.told() for talker in talkers]
            second = subprocess.run(
                server.command("serve", "--listen", "127.0.0.1:0"), env=server.environment, capture_output=True, text=True,
                stdin=subprocess.DEVNULL, timeout=30,
            )
            assert second.returncode == 1 and "another outcrop serves" in second.stderr, second
            time.sleep(max(0, PAUSED - (time.monotonic() - begun)))  # the pause itself
            server.process.send_signal(signal.SIGCONT)
            progress(talkers, 2)
            for talker, before in zip(talkers, told):
                talker.check(before)
        assert server.stop() == 0
    verify(server)


def test_f10_a_server_that_another_has_followed_ends(tmp_path):
    """Somebody took the lock's file away and began a second server on the folder: the first writes nothing any more, says
    so, and goes."""
    with Server(tmp_path) as first:
        session, _ = begin(first.client(), "say one")
        (first.data / "lock").unlink()
        with Server(tmp_path) as second:
            path = f"/v1/agents/sessions/{session}/events"
            assert first.json("POST", path, {"events": [message("say lost")]})[0] == 503
            assert first.process.wait(30) == 1
            assert "another server has begun" in first.log()
            say(second.client(), session, "say two")
            assert [text for _, text in messages(second.client(), session)] == ["say one", "one", "say two", "two"]
            # Who looks for the folder's server finds the one that lives.
            assert session in second.run("session", "list")
            assert second.stop() == 0
    verify(second)
