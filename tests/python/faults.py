"""The server on a bad disk and under a bad clock: `tests/faults/faults.c` stands between it and libc and does what these
tests say. And what tests of faults share: clients that remember what they were told, and a look at the data itself.
"""
import contextlib
import mmap
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import threading
import time

import httpx2
import openai
import pytest

from conversation import begin, message, messages, post, settings
from server import ROOT, Server

SOURCE = ROOT / "tests/faults/faults.c"
LIBRARY = ROOT / "target/faults.so"
# As in faults.c.
FIELDS = (
    "fsync_fails fsync_errno fsync_hold fsync_waiting fsync_lies fsyncs fsync_failed write_room write_errno write_never "
    "write_failed create_errno create_failed clock_offset clock_frozen clock_reads thread_errno thread_failed image"
).split()
MATCHES = {"fsync_match": 2048, "write_match": 2560}
PAGE = 4096
SECTOR = 512
GONE = (openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError, httpx2.TransportError)


def library():
    """Compiled when its source is newer; put in place whole, since several runs may do this at once."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the library is for Linux")
    if not LIBRARY.exists() or LIBRARY.stat().st_mtime < SOURCE.stat().st_mtime:
        LIBRARY.parent.mkdir(exist_ok=True)
        new = LIBRARY.with_name(f"faults.{os.getpid()}.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", new, SOURCE, "-ldl", "-lpthread"], check=True)
        new.rename(LIBRARY)
    return LIBRARY


class Control:
    """The page that the library obeys: a number for each of FIELDS, and two parts of paths."""

    def __init__(self, path):
        path.write_bytes(bytes(PAGE))
        with open(path, "r+b") as file:
            self.__dict__["page"] = mmap.mmap(file.fileno(), PAGE)
        self.write_room = -1

    def __getattr__(self, name):
        return struct.unpack_from("<q", self.page, 8 * FIELDS.index(name))[0]

    def __setattr__(self, name, value):
        if name in MATCHES:
            self.page[MATCHES[name]:MATCHES[name] + 512] = value.encode().ljust(512, b"\0")
        else:
            struct.pack_into("<q", self.page, 8 * FIELDS.index(name), value)


class FaultyServer(Server):
    """A server whose disk and clock can be made to fail. With `image`, `cut_power` may follow `kill`."""

    def __init__(self, folder, image=False, **more):
        super().__init__(folder, **more)
        self.image = self.folder / "image"
        self.image.mkdir()
        self.control = Control(self.folder / "control")
        self.control.image = int(image)
        self.environment |= {
            "LD_PRELOAD": str(library()), "FAULTS_ROOT": str(self.data.absolute()),
            "FAULTS_CONTROL": str(self.folder.absolute() / "control"), "FAULTS_IMAGE": str(self.image.absolute()),
        }

    def start(self):
        super().start()
        assert self.control.fsyncs, "the server does not go through the library"
        return self

    def cut_power(self, rng=None):
        """Makes the data folder of a killed server what its disk would hold. Without `rng`, nothing that was not synced
        is left; with it, chance decides about each sector and each name."""
        disk = Disk(self.image, self.folder, rng)
        new = self.folder / "after"
        new.mkdir()
        disk.build(self.folder.stat().st_ino, self.folder, new, only={"data"})
        shutil.rmtree(self.data, ignore_errors=True)
        if (new / "data").exists():
            (new / "data").rename(self.data)
        new.rmdir()
        shutil.rmtree(self.image)
        self.image.mkdir()
        save(self.folder, self.image)

    def ended(self, seconds=20):
        """Waits until the server has ended by itself; its exit status."""
        return self.process.wait(timeout=seconds)


class Disk:
    """A folder after a power cut, put together from its image and from what the kernel had not written yet."""

    def __init__(self, image, folder, rng):
        self.image, self.rng = image, rng
        kept = {int(path.name[2:]): path for path in image.glob("k-*")}
        data = folder / "data"
        there = {path.stat().st_ino: path for path in [data, *data.rglob("*")]}
        self.paths = kept | there

    def build(self, inode, now, new, only=None):
        listed = self.image / f"d-{inode}"
        lines = [line.split(" ", 1) for line in listed.read_text().splitlines()] if listed.exists() else []
        names = {name: int(number) for number, name in lines}
        if self.rng and now and now.is_dir():
            for path in now.iterdir():
                if self.rng.random() < 0.5:
                    names[path.name] = path.stat().st_ino
            present = {path.name for path in now.iterdir()}
            names = {name: number for name, number in names.items() if name in present or self.rng.random() < 0.5}
        for name, number in names.items():
            # The index of SQLite's log is memory; it is made anew.
            if name.endswith("-shm") or only and name not in only:
                continue
            path = self.paths.get(number)
            if path and path.is_dir():
                (new / name).mkdir(mode=0o700)
                self.build(number, path, new / name)
            else:
                (new / name).write_bytes(self.content(number, path))

    def content(self, inode, path):
        durable = self.image / f"f-{inode}"
        durable = durable.read_bytes() if durable.exists() else b""
        if not self.rng or not path:
            return durable
        newest = path.read_bytes()
        size = self.rng.choice([len(durable), len(newest)])
        mixed = bytearray(durable[:size].ljust(size, b"\0"))
        for at in range(0, min(size, len(newest)), SECTOR):
            if newest[at:at + SECTOR] != mixed[at:at + SECTOR] and self.rng.random() < 0.5:
                part = newest[at:min(at + SECTOR, size)]
                mixed[at:at + len(part)] = part
        return bytes(mixed)


def save(folder, image):
    """All that is below `folder/data` is on the disk."""
    data = folder / "data"
    if not data.exists():
        return
    (image / f"d-{folder.stat().st_ino}").write_text(f"{data.stat().st_ino} data\n")
    for path in [data, *data.rglob("*")]:
        if path.is_dir():
            lines = [f"{entry.stat().st_ino} {entry.name}\n" for entry in path.iterdir()]
            (image / f"d-{path.stat().st_ino}").write_text("".join(lines))
        else:
            shutil.copyfile(path, image / f"f-{path.stat().st_ino}")


class Talker(threading.Thread):
    """A client with one session that sends message after message, each until it is told that it was taken, and waits
    for its answer. What it was told is what must never be lost."""

    def __init__(self, server, number, size=0):
        super().__init__(name=f"client {number}", daemon=True)
        self.number, self.size = number, size
        self.client = server.client(timeout=20)
        # Inputs that were said to be taken, answers that were said to be whole, and the refusals in between.
        self.taken, self.answered, self.refused = [], [], []
        self.asking = None
        self.error = None
        self.stop = threading.Event()
        self.session, _ = begin(self.client, f"say hello {number}")

    def run(self):
        try:
            while not self.stop.is_set():
                self.turn()
        except BaseException as error:
            self.error = error

    def turn(self):
        count = len(self.taken)
        answer = f"c{self.number}m{count}" + "x" * self.size
        self.asking = f"slow 3 {answer}"
        key = f"{self.session}-{count}"
        if not self.insist(lambda: post(self.client, self.session, message(self.asking), idempotency_key=key)):
            return
        self.taken.append(self.asking)
        self.asking = None
        while found := self.insist(lambda: self.client.beta.agents.sessions.retrieve(self.session)):
            if found.status == "idle":
                self.answered.append(answer)
                return
            self.stop.wait(0.01)

    def insist(self, request):
        """Repeats a request until it is answered well; its answer, or None where the client was told to stop."""
        while not self.stop.is_set():
            try:
                return request() or True
            except GONE as error:
                self.refused.append(error)
                self.stop.wait(0.02)
        return None

    def told(self):
        return list(self.taken), list(self.answered)

    def check(self, told=None):
        """All that it was told is there, in order and once; what it asks for now may be there beside."""
        taken, answered = told or self.told()
        said = messages(self.client, self.session)
        heard = [text for role, text in said if role == "user"][1:]
        spoken = [text for role, text in said if role == "assistant"][1:]
        assert heard[:len(taken)] == taken, f"{self.name}: {len(taken)} inputs were taken, {len(heard)} are there"
        assert spoken[:len(answered)] == answered, f"{self.name}: {len(answered)} answers, {len(spoken)} are there"
        if told is None:
            assert heard[len(taken):] in ([], [self.asking]), f"{self.name}: {heard[len(taken):]}"


@contextlib.contextmanager
def talk(server, count, **more):
    """Clients at work. At the end all of them still are, and what they were told is there."""
    talkers = [Talker(server, number, **more) for number in range(count)]
    for talker in talkers:
        talker.start()
    try:
        yield talkers
        progress(talkers)
    finally:
        for talker in talkers:
            talker.stop.set()
    for talker in talkers:
        talker.join(timeout=30)
        assert not talker.is_alive(), f"{talker.name} still waits"
        fail_with(talker)
        talker.check()


def fail_with(talker):
    if talker.error:
        raise AssertionError(talker.name) from talker.error


def progress(talkers, turns=1):
    """Waits until every client has heard so many more answers."""
    goals = [len(talker.answered) + turns for talker in talkers]

    def reached():
        for talker in talkers:
            fail_with(talker)
        return all(len(talker.answered) >= goal for talker, goal in zip(talkers, goals))

    wait_for(reached, "every client's next answer", 30)


def refusals(talkers):
    """Answers of the server that were no: not connections that were broken off."""
    return [error for talker in talkers for error in talker.refused if isinstance(error, openai.APIStatusError)]


def large_session(megabytes):
    """What makes a session with so long instructions."""
    asked = settings("say done")
    asked["agent"]["instructions"] = "z" * (megabytes << 20)
    return asked


def fill(client, megabytes):
    """So much goes through the log, a session a megabyte, and by it a checkpoint comes about. How many were taken."""
    taken = 0
    for _ in range(megabytes):
        with contextlib.suppress(openai.InternalServerError):
            client.beta.agents.sessions.create(**large_session(1))
            taken += 1
    return taken


def wait_for(holds, what, seconds=20):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.002)


def verify(server):
    """What a server that has ended leaves behind: its database is sound, and a backup can be made, which walks every
    session's chain and looks at every large body."""
    with contextlib.closing(sqlite3.connect(server.data / "outcrop.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    server.run("backup", str(server.folder / "backup"))
