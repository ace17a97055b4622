"""The server dies by SIGKILL again and again, at random and at every failpoint, while ten sessions work; then their
clients compare notes.

`OUTCROP_KILLS` says how many kills there must be. One counts only if effects were in flight: if the next server that
starts on the data finds sessions with unfinished work.
"""
import collections
import http.client
import itertools
import os
import random
import re
import signal
import subprocess
import threading
import time

import httpx2
import pytest

from conversation import begin, items, settings
from server import ROOT, Server
from workers import GONE, Worker, check, finish, wait_until

BINARY = ROOT / "target/failpoints/outcrop"
KILLS = int(os.environ.get("OUTCROP_KILLS", 100))
# One crowd of clients for so many kills; then a new one.
ROUND = 100
SESSIONS = 10
KINDS = {
    "calls": ("calls",),
    "texts": ("text", "calls"),
    "steering": ("steering", "calls"),
    "cancel": ("cancel", "calls"),
}

# What no session passes by itself: a test of its own, or something that is done beside the sessions.
KEYS = {"before-key", "after-key"}
CHECKPOINTS = {"before-checkpoint", "after-checkpoint"}
ROWS = {"before-row", "after-row"}
DELETES = {"before-delete", "after-delete"}
# Passed before the server listens, one time each.
STARTS = {"before-epoch", "after-epoch", "before-listening"}
TURNS = {
    "before-input", "before-reply", "before-answer", "before-intent", "before-dispatch", "in-stream", "before-outcome",
    "after-outcome", "before-publish", "after-publish", "before-transaction", "before-commit", "after-commit",
    "blob-before-sync", "blob-before-rename", "blob-before-folder-sync", "blob-after",
}
# Passed by every session that a start finds unfinished; how many these are, nobody knows.
RECOVERIES = {"before-recovered", "after-recovered"}
CROWD = TURNS | STARTS | RECOVERIES | ROWS | DELETES | CHECKPOINTS


@pytest.fixture(scope="module")
def points():
    assert BINARY.exists(), f"{BINARY} is not there: `cargo xtask failpoints` builds it"
    return set(subprocess.run([BINARY, "failpoints"], capture_output=True, text=True, check=True).stdout.split())


class Clerk(threading.Thread):
    """Does beside the sessions what leaves no log: agents that are made, changed and deleted, sessions that are deleted.
    It writes down what it was told."""

    def __init__(self, server, stop):
        super().__init__(name="clerk", daemon=True)
        self.client, self.server, self.stop = server.client(timeout=20), server, stop
        self.agents, self.gone_agents, self.gone_sessions = {}, set(), set()
        self.error = None
        self.progress = 0
        self.speaking = self.unanswered = self.working = False

    def run(self):
        try:
            for number in itertools.count():
                if self.stop.is_set():
                    return
                self.keep_an_agent(number)
                self.drop_a_session()
                self.progress += 1
        except BaseException as error:
            self.error = error

    def insist(self, request):
        """An update or a deletion may be repeated; the answer."""
        while True:
            try:
                return request()
            except GONE:
                time.sleep(0.02)

    def made(self, request):
        """What may not be repeated: the thing, or None where nobody knows."""
        try:
            return request()
        except GONE:
            time.sleep(0.02)
            return None

    def keep_an_agent(self, number):
        agents = self.client.beta.agents
        agent = self.made(lambda: agents.create(model="scripted", name=f"agent {number}"))
        if agent is None:
            return
        self.insist(lambda: agents.update(agent.id, name=f"renamed {number}"))
        if number % 2:
            self.insist(lambda: self.delete(f"/v1/agents/{agent.id}", 200, 404))
            self.gone_agents.add(agent.id)
        else:
            self.agents[agent.id] = f"renamed {number}"

    def drop_a_session(self):
        session = self.made(lambda: self.client.beta.agents.sessions.create(**settings("say goodbye")))
        if session is not None:
            # Not while its turn runs.
            while self.insist(lambda: self.delete(f"/v1/agents/sessions/{session.id}", 200, 409)) == 409:
                time.sleep(0.02)
            self.gone_sessions.add(session.id)

    def delete(self, path, *expected):
        """A deletion whose answer was lost may be repeated: what is deleted stays so. The status."""
        try:
            status, _, text = self.server.request("DELETE", path)
        except (OSError, http.client.HTTPException) as error:
            raise httpx2.TransportError(str(error)) from error
        if status == 503:
            raise httpx2.TransportError("not now")
        assert status in expected, text
        return status

    def check(self):
        """What it was told is so."""
        agents = self.client.beta.agents
        held = {agent.id: agent.name for agent in agents.list(limit=100)}
        assert self.agents.items() <= held.items(), "an agent was lost, or a change of it"
        assert not self.gone_agents & set(held), "an agent came back"
        sessions = {session.id for session in agents.sessions.list(limit=100)}
        assert not self.gone_sessions & sessions, "a session came back"


class Killer:
    """Kills one server and starts it again. Counts kills that met effects in flight."""

    def __init__(self, server, workers, rng):
        self.server, self.workers, self.rng = server, workers, rng
        self.met = collections.Counter()
        self.tried = 0
        self.open = []
        self.marks = collections.deque(maxlen=3)

    @property
    def counted(self):
        return sum(self.met.values())

    def start(self, trap=None):
        """Starts the server, with a trap or without; whether it listens."""
        self.server.environment.pop("OUTCROP_FAILPOINT", None)
        if trap:
            self.server.environment["OUTCROP_FAILPOINT"] = trap
        before = len(self.log())
        try:
            self.server.start()
            listens = True
        except AssertionError:
            if not trap or self.server.process.returncode != -signal.SIGKILL:
                raise
            listens = False
        self.count(self.log()[before:], listens)
        if not listens:
            self.died(trap.split(":")[0])
        return listens

    def log(self):
        return (self.server.folder / "stderr.log").read_text(errors="replace")

    def count(self, said, listens):
        """What a server says at its start of those before it. One that dies too early for that says nothing."""
        if re.search(r"recovering unfinished sessions.*sessions=[1-9]", said):
            self.met.update(self.open)
            self.open.clear()
        elif listens:
            self.open.clear()

    def died(self, phase):
        self.tried += 1
        self.open.append(phase)

    def breathe(self):
        """A session that is interrupted again and again without a step forward is given up by design; here each gets a
        step forward now and then, in a server without a trap."""
        marks = [worker.progress for worker in self.workers]
        wait_until(self.workers, lambda: all(worker.progress > mark for worker, mark in zip(self.workers, marks)))

    def at_failpoint(self, name, passing, provoke=lambda: None):
        """Starts with a trap and waits until it has snapped."""
        if self.start(f"{name}:{passing}"):
            provoke()
            wait_until(self.workers, lambda: self.server.process.poll() is not None, f"{name}:{passing} is not passed")
            assert self.server.process.returncode == -signal.SIGKILL, self.server.log()
            self.died(name)

    def at_random(self):
        """Kills a server in which everybody gets on: in the middle of a text, of a request or of a client's work."""
        self.start()
        self.breathe()
        time.sleep(self.rng.uniform(0, 0.2))
        phase = self.rng.choice(["speaking", "unanswered", "working"])
        wait_until(self.workers, lambda: any(getattr(worker, phase) for worker in self.workers))
        time.sleep(self.rng.uniform(0, 0.002))
        still = any(getattr(worker, phase) for worker in self.workers)
        self.server.kill()
        self.died(phase if still else "elsewhere")


def plan(rng):
    """Every failpoint at its first passing and at a later one, in any order; what is passed at a start has no later one."""
    first = [(name, 1) for name in CROWD]
    later = [(name, rng.randrange(2, 12)) for name in TURNS | ROWS | DELETES]
    both = first + later
    rng.shuffle(both)
    return both


def flood(server):
    """So much in one request that the write-ahead log must be copied into the database."""
    part = {"role": "user", "content": [{"type": "input_text", "text": "x" * 31_000}]}
    body = settings([part] * 1_200)
    try:
        server.request("POST", "/v1/agents/sessions", body)
    except (OSError, http.client.HTTPException):
        pass  # it died of it, as it was meant to


def run_round(server, kills, seed):
    """One crowd, so many kills; what was met, and texts that were torn."""
    rng = random.Random(seed)
    stop = threading.Event()
    kinds = itertools.cycle(KINDS.values())
    workers = [
        Worker(server, seed * SESSIONS + number, stop, next(kinds), "priced" if number % 2 else "scripted")
        for number in range(SESSIONS)
    ]
    clerk = Clerk(server, stop)
    crowd = [*workers, clerk]
    killer = Killer(server, crowd, rng)
    for one in crowd:
        one.start()
    try:
        server.kill()
        killer.died("elsewhere")
        traps = iter(plan(rng))
        done = False
        while killer.counted + len(killer.open) < kills or not done:
            assert killer.tried < 3 * kills, f"only {killer.counted} of {killer.tried} kills met a busy server"
            for _ in range(2):
                name, passing = next(traps, (None, None))
                done = name is None
                if done:
                    break
                provoke = (lambda: flood(server)) if name in CHECKPOINTS else (lambda: None)
                killer.at_failpoint(name, passing, provoke)
            killer.at_random()
    finally:
        stop.set()
        if server.process.poll() is not None:
            killer.start()
    finish(workers, stop)
    clerk.join(timeout=30)
    check([clerk])
    clerk.check()
    return killer, sum(worker.torn() for worker in workers), sum(worker.repeated for worker in workers)


def test_every_failpoint_has_a_test(points):
    assert points == CROWD | KEYS


@pytest.mark.soak(max(300, 6 * KILLS))
def test_f01_nothing_is_lost_or_done_twice_wherever_the_server_is_killed(tmp_path, points):
    met = collections.Counter()
    tried = torn = repeated = 0
    began = time.monotonic()
    with Server(tmp_path, binary=BINARY) as server:
        for seed in itertools.count():
            if sum(met.values()) >= KILLS:
                break
            killer, broken, again = run_round(server, min(ROUND, KILLS), seed)
            met += killer.met
            tried, torn, repeated = tried + killer.tried, torn + broken, repeated + again
    print(f"{sum(met.values())} kills of {tried} counted in {time.monotonic() - began:.0f} s; {torn} torn texts, {repeated} repeated requests")
    print(", ".join(f"{phase} {count}" for phase, count in sorted(met.items())))
    missed = (CROWD | {"speaking", "unanswered", "working"}) - set(met)
    assert not missed, f"no kill with effects in flight at {missed}"
    assert torn > 0 and repeated > 0


@pytest.mark.parametrize("point", sorted(KEYS))
def test_f01_a_key_is_there_or_not(tmp_path, points, point):
    """The key of a first start, and one that the command line makes beside a running server."""
    server = Server(tmp_path, environment={"OUTCROP_FAILPOINT": f"{point}:1"}, binary=BINARY)
    with pytest.raises(AssertionError):
        server.start()
    assert server.process.returncode == -signal.SIGKILL
    del server.environment["OUTCROP_FAILPOINT"]
    with server:
        # The configured key works, whether it had been written or not.
        session, _ = begin(server.client(), "say hello")
        before = server.key_ids()
        trapped = {**server.environment, "OUTCROP_FAILPOINT": f"{point}:1"}
        died = subprocess.run(server.command("key", "create"), env=trapped, capture_output=True, text=True, timeout=30)
        assert died.returncode == -signal.SIGKILL and "sk-" not in died.stdout
        assert len(server.key_ids() - before) == (1 if point == "after-key" else 0)
        key, _ = server.create_key()
        assert server.client(key).beta.agents.sessions.retrieve(session).status == "idle"
        assert len(items(server.client(), session)) == 2
