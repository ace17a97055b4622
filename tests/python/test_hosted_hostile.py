"""Programs as a model might write them, by mistake or because somebody talked it into them (`hostile.json` of the crate
`sandbox`), run by a served agent as they stand. What each would do without a sandbox, the tests of that crate show.

No packet leaves: where there is a network at all, the server and its sandboxes have one of their own, which ends at its own
loopback. Decoys stand there, under addresses that nobody may reach and under one that everybody may.
"""
import contextlib
import ctypes
import http.server
import json
import os
import re
import shlex
import shutil
import socket
import socketserver
import struct
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server import CONFIG, ROOT, Server
from test_hosted import again, commands, create, disk, processes, run, script, shell, wait_for
from conversation import settle

pytestmark = pytest.mark.soak(120)

ALL = {snippet["id"]: snippet for snippet in json.loads((ROOT / "crates/sandbox/tests/hostile.json").read_text())}
# No matter of a sandbox; why, the file says.
NOT_RUN = {"H13", "H24"}
MEMORY = ["H03", "H04", "H07", "H10", "H12"]
ENDLESS = ["H05", "H06", "H09", "H11"]
NETWORK = ["H26", "H27", "H28"]
SINGLE = ["H01", "H02", "H08", "H14", "H15", "H16", "H17", "H18", "H19", "H20", "H21", "H22", "H23", "H25", "H29", "H30"]

CANARY = "CANARY-API-KEY-5f1"


def line(id, before="", after=""):
    """The snippet as a command line."""
    snippet = ALL[id]
    program = "bash" if snippet["language"] == "sh" else "python3"
    return f"{before}{program} -c {shlex.quote(snippet['code'])}{after}"


def resident(server):
    """What the server's process has in memory, bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s*(\d+)", status)[1]) << 10


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    with Server(folder / "server", CONFIG, {"CANARY_KEY": CANARY}) as server:
        before = resident(server)
        yield server
        assert server.process.poll() is None, server.log()
        # Nothing that was done inside has cost the server.
        assert resident(server) - before < 200 << 20
        # What still runs in one would be left to the next server.
        client = server.client()
        for session in client.beta.agents.sessions.list(limit=100):
            client.beta.agents.sessions.delete(session.id)
        wait_for(lambda: not any(server.data.glob("environments/env_*")), "the environments to go")
        assert server.stop() == 0


@pytest.fixture(scope="module")
def user(place):
    return place.client(timeout=100)


def alive(client, session):
    """Whatever was done to it, it has a machine again."""
    assert again(client, session, shell("echo alive"))[-1].output == "alive\n"


def one(client, id, before="", after="", timeout=20_000, **environment):
    """The snippet in an environment of its own: its session and what it came to."""
    session, (ran, *_) = run(client, shell(line(id, before, after), timeout_ms=timeout), **environment)
    return session, ran


def test_every_one_has_its_place():
    assert set(ALL) == {*NOT_RUN, *MEMORY, *ENDLESS, *NETWORK, *SINGLE}
    assert {id for id, snippet in ALL.items() if "not_run" in snippet} == NOT_RUN


def test_what_takes_processes_finds_no_more_and_leaves_none(place, user):
    mark = ":(){ :|:& };:"
    session, bomb = one(user, "H01", after=" 2>&1\nsleep 1", timeout=5_000)
    assert "Resource temporarily unavailable" in bomb.output
    assert len(processes(mark)) <= 256
    user.beta.agents.sessions.delete(session.id)
    wait_for(lambda: not processes(mark), "the bomb to end")
    # Threads count as processes.
    session, threads = one(user, "H02", timeout=2_500)
    assert "can't start new thread" in threads.output and threads.status == "failed"
    alive(user, session)


def test_what_takes_memory_ends_alone(place, user):
    def taken(id):
        session, ran = one(user, id)
        assert ran.status == "failed", f"{id}: {ran}"
        alive(user, session)
        return ran.exit_code, ran.output

    with ThreadPoolExecutor(2) as pool:
        for id, (code, output) in zip(MEMORY, pool.map(taken, MEMORY)):
            # Killed alone or with its sandbox, or refused before that.
            is_told = code in (137, -9) or "outcome unknown" in output or "MemoryError" in output or "Killed" in output
            assert is_told, f"{id}: {code} {output[-500:]}"


def test_what_only_takes_time_is_ended_with_its_time(place, user):
    def endless(id):
        session, ran = one(user, id, after=f" # only-time-{id}", timeout=1_000)
        assert ran.status == "failed" and ran.exit_code is None or ran.exit_code != 0, f"{id}: {ran}"
        assert not processes(f"only-time-{id}"), id
        alive(user, session)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(endless, ENDLESS))


def test_a_disk_that_is_filled_is_its_own_alone(place, user):
    session = create(user, script(shell(line("H14"), timeout_ms=100_000), "say done"))
    settle(user, session.id, "idle")
    (ran,) = commands(user, session)
    assert ran.status == "failed" and "outcome unknown" in ran.output, ran
    filled = (disk(place, session) / "f").stat().st_size
    assert filled <= 4 << 30
    # What is too much is in the way of the next command until it is gone; the journal takes what it is told.
    another, (ran,) = run(user, shell("echo kept > file; cat file"))
    assert ran.output == "kept\n"
    for each in (session, another):
        user.beta.agents.sessions.delete(each.id)
    wait_for(lambda: not disk(place, session).exists(), "the disk to go")


def test_output_without_end_is_cut_and_costs_nothing(place, user):
    before = resident(place)
    session, ran = one(user, "H15", timeout=1_500)
    assert ran.output.startswith("y\ny\n") and " bytes left out]\n" in ran.output
    assert len(ran.output) < 600 << 10
    assert resident(place) - before < 100 << 20
    alive(user, session)


@contextlib.contextmanager
def planted():
    """A secret of the machine's, where only root can have one and there is none."""
    top, folder = Path("/run/secrets"), Path("/run/secrets/kubernetes.io/serviceaccount")
    if os.getuid() != 0 or (top / "kubernetes.io").exists():
        yield False
        return
    had = top.exists()
    folder.mkdir(parents=True)
    (folder / "token").write_text("CANARY-SHADOW")
    try:
        yield True
    finally:
        shutil.rmtree(top / "kubernetes.io" if had else top)


def a_user_of_the_machine():
    for entry in Path("/etc/passwd").read_text().splitlines():
        if entry and entry.split(":")[0] not in ("root", "nobody", "user"):
            return entry
    pytest.skip("this machine has no users by whom its files could be known")


def test_no_file_of_the_machine_is_read(place, user):
    entry = a_user_of_the_machine()
    with planted():
        _, shadow = one(user, "H16", after=" 2>&1")
    assert "CANARY" not in shadow.output and "root:" not in shadow.output
    assert shadow.output.count("No such file") + shadow.output.count("ermission denied") >= 3, shadow.output
    _, links = one(user, "H20", after=" 2>&1", timeout=2_500)
    _, tricks = one(user, "H21")
    for ran in (links, tricks):
        assert entry not in ran.output
    assert not Path("/etc/owned").exists()


def test_nothing_of_the_server_is_seen(place, user):
    _, variables = one(user, "H17", env={"GIVEN": "CANARY-GIVEN"})
    assert "CANARY-GIVEN" in variables.output and "PermissionError" in variables.output
    assert CANARY not in variables.output and "OUTCROP" not in variables.output
    _, ways = one(user, "H18", before="(", after=") 2>&1")
    assert f"/proc/{place.process.pid}/" not in ways.output
    for refused in ("/proc/self/exe: ", "/proc/1/root/etc/hostname: "):
        assert refused in ways.output, ways.output[-2000:]
    _, descriptors = one(user, "H19")
    assert descriptors.output == ""
    _, traced = one(user, "H23")
    assert traced.output == "-1 1\n-1\n"


def test_what_is_left_in_the_outputs_is_no_artifact_and_blocks_nobody(place, user):
    session, ran = one(user, "H22", before="mkdir -p outputs m && cd outputs && { ", after="; } 2>&1", timeout=1_000)
    assert not re.search(r"^root:", ran.output, re.M)
    assert (disk(place, session) / "outputs/f").is_fifo()
    listed = user.beta.agents.sessions.artifacts.list(session.id).data
    assert all(artifact.path.endswith(("/p", "/out")) for artifact in listed)
    for artifact in listed:
        # A hard link of the sandbox's own list of users, if of anything.
        content = user.beta.agents.sessions.artifacts.content(artifact.id, session_id=session.id).read().decode()
        assert a_user_of_the_machine() not in content
    alive(user, session)


def test_what_fails_by_itself_fails_alone(place, user):
    session, deep = one(user, "H08")
    assert deep.status == "failed"
    alive(user, session)
    _, sockets = one(user, "H25")
    assert len(sockets.output.splitlines()) == 5 and "socket.socket" not in sockets.output
    session, pickled = one(user, "H30")
    assert pickled.output.startswith("uid=1000(user) gid=1000(user)"), pickled
    alive(user, session)


def test_signals_to_all_stay_inside(place, user):
    neighbour, _ = run(user, shell("sleep 777.25", background=True))
    wait_for(lambda: processes("sleep 777.25"), "the neighbour")
    # As the child of a shell, which is no leader of a session and can become one.
    session, _ = one(user, "H29", before="true; ", after="; sleep 3", timeout=6_000)
    assert processes("sleep 777.25"), "the neighbour was ended"
    alive(user, session)
    for each in (neighbour, session):
        user.beta.agents.sessions.delete(each.id)
    wait_for(lambda: not processes("sleep 777.25") and not processes("os.setsid()"), "them to end")


# ---- the network

PUBLIC, OTHER = "93.184.216.34", "93.184.216.35"
FORBIDDEN = ["169.254.169.254", "169.254.170.2", "10.0.0.1"]
NEW_NETWORK = 0x40000000


class Names(socketserver.BaseRequestHandler):
    """Says where every name is: `rebind.test` at a public address when it is asked first, later on this machine."""

    def handle(self):
        question, answerer = self.request
        at, labels = 12, []
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        name, (kind,) = ".".join(labels).lower(), struct.unpack(">H", question[at + 1:at + 3])
        address = self.server.address_of(name, kind)
        head = question[:2] + struct.pack(">HHHHH", 0x8180, 1, int(address is not None), 0, 0) + question[12:at + 5]
        record = b"" if address is None else b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(address)
        answerer.sendto(head + record, self.client_address)


class Resolver(socketserver.ThreadingUDPServer):
    daemon_threads = True

    def __init__(self, address):
        self.asked = []
        super().__init__((address, 53), Names)

    def address_of(self, name, kind):
        is_first = (name, kind) not in self.asked
        self.asked.append((name, kind))
        if kind != 1:
            return None
        if name == "public.test" or (name == "rebind.test" and is_first):
            return PUBLIC
        if name == "other.test":
            return OTHER
        return "127.0.0.1" if name == "rebind.test" else "169.254.169.254"


class Decoys(http.server.ThreadingHTTPServer):
    """Answers on every address there is, and notes which was asked."""

    address_family = socket.AF_INET6
    daemon_threads = True

    def __init__(self):
        self.heard = []
        decoys = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                decoys.heard.append(self.request.getsockname()[0].removeprefix("::ffff:"))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("::", 80), Handler)


def in_a_network_of_its_own(work):
    """Runs it in a thread whose sockets and processes have no network but a loopback of their own."""
    if os.getuid() != 0 or shutil.which("ip") is None:
        pytest.skip("only root can make a network, and with `ip`")
    servers = re.findall(r"^nameserver\s+([0-9.]+)$", Path("/etc/resolv.conf").read_text(), re.M)
    if not servers:
        pytest.skip("this machine asks no name server that could be stood in for")
    came = {}

    def inside():
        try:
            if ctypes.CDLL(None, use_errno=True).unshare(NEW_NETWORK) != 0:
                came["skip"] = f"no network of its own: {os.strerror(ctypes.get_errno())}"
                return
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            for address in {*FORBIDDEN, PUBLIC, OTHER, servers[0]} - {"127.0.0.1", "127.0.0.53"}:
                subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
            subprocess.run(["ip", "-6", "address", "add", "fd00:ec2::254/128", "dev", "lo", "nodad"], check=False)
            with Resolver(servers[0]) as names, Decoys() as decoys:
                for listening in (names, decoys):
                    threading.Thread(target=listening.serve_forever, daemon=True).start()
                try:
                    work(names, decoys)
                finally:
                    names.shutdown()
                    decoys.shutdown()
        except BaseException as error:
            came["error"] = error

    thread = threading.Thread(target=inside, daemon=True)
    thread.start()
    thread.join()
    if "skip" in came:
        pytest.skip(came["skip"])
    if "error" in came:
        raise came["error"]


ASK = """python3 - <<'END'
import urllib.request as u
for h in %s:
  try: print(h, u.urlopen(h, timeout=9).status)
  except Exception as e: print(h, getattr(e, "headers", {}).get("outcrop-egress"), type(e).__name__)
END"""


def asked(*urls):
    return shell(ASK % json.dumps(urls))


def statuses(output):
    """What was answered by somebody, by the address that was asked."""
    lines = [words.split() for words in output.splitlines()]
    return {words[0]: int(words[-1]) for words in lines if words[-1].isdigit()}


def test_no_address_is_reached_that_must_not_be(tmp_path):
    """The way out is open to the whole web, and would lead to each of the decoys."""
    def work(names, decoys):
        with Server(tmp_path / "server") as server:
            client = server.client(timeout=100)
            session, ran = run(
                client,
                asked("http://public.test/", f"http://{OTHER}/"),
                shell(line("H26"), timeout_ms=60_000),
                shell(line("H27"), timeout_ms=60_000),
                # What had a public address a moment ago: the second look is checked as the first.
                asked("http://rebind.test/", "http://rebind.test/"),
                network={"access": "enabled"},
            )
            control, metadata, loopback, rebind = [command.output for command in ran]
            assert statuses(control) == {"http://public.test/": 200, f"http://{OTHER}/": 200}, control
            assert len(metadata.splitlines()) == 9 and len(loopback.splitlines()) >= 10
            assert statuses(metadata) == {}, metadata
            # `rebind.test` is at a public address when it is asked first.
            assert set(statuses(loopback)) <= {"http://rebind.test/"}, loopback
            assert statuses(rebind) == {} and rebind.count("address_not_allowed") == 2, rebind
            assert set(decoys.heard) == {PUBLIC, OTHER}, decoys.heard
            # Where the agent's machine has no way out, nobody is asked for anything.
            before = (len(decoys.heard), len(names.asked))
            _, ran = run(client, *(shell(line(id), timeout_ms=60_000) for id in ("H26", "H27")), asked("http://public.test/"))
            assert [statuses(command.output) for command in ran] == [{}, {}, {}]
            assert (len(decoys.heard), len(names.asked)) == before
            assert server.stop() == 0

    in_a_network_of_its_own(work)


def test_nothing_is_told_by_names(tmp_path):
    def work(names, decoys):
        with Server(tmp_path / "server") as server:
            client = server.client(timeout=100)
            only = {"access": "restricted", "allowed_domains": ["public.test"]}
            for network in ({"access": "disabled"}, {"access": "enabled"}, only):
                _, (ran,) = run(client, shell(line("H28"), timeout_ms=60_000), network=network)
                assert ran.exit_code == 1 and "gaierror" in ran.output, ran
            # Nor by asking for a host whose name says it.
            _, (ran,) = run(client, asked("http://public.test/", "http://canary-data.public.test/"), network=only)
            assert statuses(ran.output) == {"http://public.test/": 200} and "host_not_allowed" in ran.output, ran.output
            assert {name for name, _ in names.asked} == {"public.test"}
            assert server.stop() == 0

    in_a_network_of_its_own(work)
