"""The conformance suite: our server passes it, and a server with any one of these defects does not."""
import copy
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crooked import Frame, Proxy
from server import BINARY, CONFIG, KEY, ROOT, Server

PAGE = ROOT / "docs/coverage.md"
VECTORS = f"""
[[model]]
name = "minilm"
provider = "local"
task = "embedding"
source = "file:{ROOT}/.fixtures/all-MiniLM-L6-v2"
"""


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A server with every door, and a model of each kind."""
    with Server(tmp_path_factory.mktemp("whole"), config=CONFIG + VECTORS) as whole:
        yield whole


def conform(base, *options, folder, patience=10):
    """One run of the suite: its exit status, its report, what it printed."""
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    done = subprocess.run(
        [BINARY, "conform", "--base", base, "--model", "scripted", "--scripted", "--patience", str(patience),
         "--json", report, *options],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=55,
        env={**os.environ, "OPENAI_API_KEY": KEY, "NO_PROXY": "127.0.0.1"},
    )
    assert report.exists(), f"{done.returncode}: {done.stdout}{done.stderr}"
    return done.returncode, json.loads(report.read_text()), done.stdout


def outcomes(report, outcome):
    return {check["id"]: check for check in report["checks"] if check["outcome"] == outcome}


def test_our_server_passes_and_the_coverage_page_is_true(whole, tmp_path):
    page = tmp_path / "coverage.md"
    shutil.copy(PAGE, page)
    options = ["--priced", "priced", "--embedding", "minilm", "--coverage", page]
    status, report, printed = conform(whole.base, *options, folder=tmp_path)
    assert status == 0 and not outcomes(report, "failed"), printed
    assert len(outcomes(report, "passed")) >= 600 and not report["absent"]
    skipped = [name for name in outcomes(report, "skipped") if not name.startswith("shapes.")]
    assert not skipped, printed
    assert not report["left_behind"]
    assert page.read_text() == PAGE.read_text(), "docs/coverage.md is not what is served: write it with --coverage"
    assert re.search(r"\n(\d+) passed, 0 failed, \d+ skipped\n$", printed)


def test_what_it_made_is_deleted_again(server, client, tmp_path):
    def there():
        return {agent.id for agent in client.beta.agents.list(limit=100)}, \
            {session.id for session in client.beta.agents.sessions.list(limit=100)}

    before = there()
    status, _, printed = conform(server.base, "--only", "agents,sessions,inputs,calls", folder=tmp_path)
    assert status == 0, printed
    assert there() == before


def test_a_model_is_asked_whether_it_is_scripted(server, upstream, tmp_path):
    done = subprocess.run(
        [BINARY, "conform", "--base", server.base, "--key", KEY, "--model", "scripted", "--only", "turns"],
        capture_output=True, text=True, timeout=55,
    )
    assert done.returncode == 0 and "(scripted)" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("options, said", [
    (["--base", "ftp://x", "--key", "k", "--model", "m"], "base URL"),
    (["--base", "http://127.0.0.1:1/v1", "--key", "k", "--model", "m", "--only", "moon"], "no area `moon`"),
    (["--base", "http://127.0.0.1:1/v1", "--model", "m"], "no key"),
    (["--base", "http://127.0.0.1:1/v1", "--key", "k", "--model", "m", "--only", "turns", "--coverage", "x"], "whole suite"),
])
def test_a_command_line_that_makes_no_sense(options, said):
    environment = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    done = subprocess.run([BINARY, "conform", *options], capture_output=True, text=True, timeout=30, env=environment)
    assert done.returncode == 2 and said in done.stderr, done.stderr


def test_a_server_that_is_not_there_is_a_report(tmp_path):
    status, report, printed = conform("http://127.0.0.1:1/v1", folder=tmp_path)
    assert status == 1 and report["counts"]["passed"] == 0 and report["counts"]["failed"] > 300, printed


def test_the_shapes_are_those_of_the_sdk():
    # In a process of its own: the names that pydantic gives depend on what else was read before.
    program = [sys.executable, Path(__file__).with_name("shapes.py")]
    made = subprocess.run(program, capture_output=True, text=True, timeout=50, check=True).stdout
    assert (ROOT / "crates/conform/src/shapes.txt").read_text() == made


def test_f13_a_key_and_the_same_body_or_another(server, tmp_path):
    """Same key, same body: one effect, the same answer. Same key, another body: 409."""
    status, report, printed = conform(server.base, "--only", "inputs", folder=tmp_path)
    passed = outcomes(report, "passed")
    assert status == 0, printed
    assert {"inputs.key-repeat", "inputs.key-other-body", "inputs.key-no-retry", "inputs.key-other"} <= passed.keys()


# ---------------------------------------------------------------------------------------------------- mutants
class Json:
    """Bends the JSON of good answers whose path fits, each object of a list too."""

    def __init__(self, path, change, method=None):
        self.path, self.change, self.method = re.compile(path), change, method

    def answer(self, method, path, status, _, body):
        if status < 300 and body is not None and self.path.fullmatch(path.split("?")[0]) and self.method in (None, method):
            body = copy.deepcopy(body)
            self.change(body)
        return status, body


class Status:
    """Another status for one kind of answer."""

    def __init__(self, method, path, old, new):
        self.method, self.path, self.old, self.new = method, re.compile(path), old, new

    def answer(self, method, path, status, _, body):
        fits = (method, status) == (self.method, self.old) and self.path.fullmatch(path.split("?")[0])
        return self.new if fits else status, body


class Wordy:
    """Says something where nothing should be said."""

    def answer(self, _method, _path, status, _headers, body):
        return status, {} if status == 202 else body


class DeletesOnce:
    """Knows nothing of what it deleted."""

    def __init__(self):
        self.deleted = set()

    def answer(self, method, path, status, _, body):
        if method == "DELETE" and status == 200:
            status = 404 if path in self.deleted else 200
            self.deleted.add(path)
        return status, body


class Error:
    """Bends the bodies of errors."""

    def __init__(self, change):
        self.change = change

    def answer(self, _method, _path, status, _headers, body):
        if status >= 400:
            body = copy.deepcopy(body)
            body = self.change(body) or body
        return status, body


class Header:
    """Takes a header out of answers, or changes it."""

    def __init__(self, name, value=None, kind=""):
        self.name, self.value, self.kind = name, value, kind

    def answer(self, _method, _path, status, headers, body):
        if headers.get("content-type", "").startswith(self.kind):
            headers.pop(self.name, None)
            if self.value:
                headers[self.name] = self.value
        return status, body


class Deaf:
    """Does not hear a header of requests."""

    def __init__(self, name):
        self.name = name

    def request(self, _method, _path, headers):
        headers.pop(self.name, None)


class Presumed:
    """Takes every request to have this header."""

    def __init__(self, name, value):
        self.name, self.value = name, value

    def request(self, _method, _path, headers):
        headers[self.name] = self.value


class Stream:
    """Bends the frames of streams."""

    def __init__(self, bend):
        self.bend = bend

    def events(self, _path, frames):
        return self.bend(frames)


def without(kind):
    def bend(frames):
        return (frame for frame in frames if frame.kind != kind)
    return Stream(bend)


def twice(kind):
    def bend(frames):
        for frame in frames:
            yield frame
            if frame.kind == kind:
                yield frame
    return Stream(bend)


def swapped(first, second):
    """Two events that follow each other, the other way round; ids stay where they are."""
    def bend(frames):
        held = None
        for frame in frames:
            if held is not None:
                if frame.kind == second:
                    yield frame
                    yield held
                else:
                    yield held
                    yield frame
                held = None
            elif frame.kind == first:
                held = frame
            else:
                yield frame
    return Stream(bend)


def changed(kind, change):
    def bend(frames):
        for frame in frames:
            if frame.kind == kind:
                change(frame.data)
            yield frame
    return Stream(bend)


def one_id(frames):
    """The second event of a stream has the id of the first."""
    first = None
    for at, frame in enumerate(frames):
        if at == 0:
            first = frame.data["event_id"]
        if at == 1:
            frame.data["event_id"] = first
        yield frame


def done_at_the_end(frames):
    yield from frames
    yield Frame('data: "[DONE]"')


def cut_after_idle(frames):
    for frame in frames:
        yield frame
        if frame.kind == "idle":
            return


def torn(frames):
    for frame in frames:
        if frame.kind == "turn.output_text.delta":
            return
        yield frame


def drop(*keys):
    def change(body):
        for entry in body.get("data", [body]):
            for key in keys:
                entry.pop(key, None)
    return change


def put(key, value):
    def change(body):
        for entry in body.get("data", [body]):
            entry[key] = value(entry) if callable(value) else value
    return change


def lists(change):
    """Of pages alone."""
    def bend(body):
        if "data" in body:
            change(body)
    return bend


def reverse(body):
    body["data"].reverse()


def repeat_first(body):
    body["data"] = body["data"][:1] + body["data"]


def error(**values):
    return Error(lambda body: body["error"].update(values))


S, A = r"/agents/sessions", r"/agents"
ONE_S, ONE_A = S + r"/[^/]+", r"/agents/agent_[^/]+"

# The defect, where it is looked for, and a check that must say so.
MUTANTS = {
    "agents: 200 for 201": ("agents", Status("POST", A, 201, 200), "agents.create-201"),
    "sessions: 200 for 201": ("sessions", Status("POST", S, 201, 200), "sessions.create-201"),
    "streams: 200 for 201": ("streams", Status("POST", S, 201, 200), "streams.create-201"),
    "inputs: 200 for 202": ("inputs", Status("POST", ONE_S + "/events", 202, 200), "inputs.202"),
    "inputs: a body with the 202": ("inputs", Wordy(), "inputs.202"),
    "update: 201 for 200": ("agents", Status("POST", ONE_A, 200, 201), "agents.update"),
    "delete: 204 for 200": ("agents", Status("DELETE", ONE_A, 200, 204), "agents.delete"),
    "missing: 400 for 404": ("agents", Status("GET", ONE_A, 404, 400), "agents.unknown"),
    "conflict: 400 for 409": ("inputs", Status("POST", ONE_S + "/events", 409, 400), "inputs.key-other-body"),
    "no key: 403 for 401": ("transport", Status("GET", A, 401, 403), "transport.key-missing"),
    "repeated deletion: 404 for 200": ("deletion", DeletesOnce(), "deletion.again"),
    "agent: no metadata": ("agents", Json(ONE_A + "|" + A, drop("metadata")), "shapes.agents.create"),
    "agent: time as text": ("agents", Json(ONE_A + "|" + A, put("created_at", lambda a: str(a["created_at"]))), "shapes.agents.create"),
    "agent: time in milliseconds": ("agents", Json(A, put("created_at", lambda a: a["created_at"] * 1000)), "agents.time"),
    "agent: another object": ("agents", Json(A, put("object", "assistant"), "POST"), "agents.object"),
    "agent: name forgotten": ("agents", Json(A, put("name", None), "POST"), "agents.shown"),
    "agent: text settings lost": ("agents", Json(A, put("text", {"format": {"type": "text"}, "verbosity": "high"}), "POST"), "agents.default-text"),
    "agent: unknown tier": ("agents", Json(A, put("service_tier", "gold"), "POST"), "shapes.agents.create"),
    "session: nullable key left out": ("sessions", Json(ONE_S + "|" + S, drop("error")), "shapes.nulls"),
    "session: no last_active_at": ("sessions", Json(ONE_S + "|" + S, drop("last_active_at")), "shapes.sessions.create"),
    "session: idle at once": ("sessions", Json(S, put("status", "idle"), "POST"), "sessions.starts"),
    "session: unknown status": ("sessions", Json(S, put("status", "running"), "POST"), "shapes.sessions.create"),
    "session: metadata lost": ("sessions", Json(S, put("metadata", {}), "POST"), "sessions.shown"),
    "session: required actions lost": ("calls", Json(ONE_S, put("required_actions", []), "GET"), "calls.required"),
    "session: limit lost": ("budgets", Json(S, put("spend_control", {"limit": None, "consumed": 0}), "POST"), "budgets.shown"),
    "turn: wrong sum": ("turns", Json(ONE_S + r"/turns/[^/]+", lambda turn: turn.get("usage") and turn["usage"].update(total_tokens=1)), "turns.usage"),
    "turn: ends before it starts": ("turns", Json(ONE_S + r"/turns/[^/]+", put("completed_at", 1)), "turns.times"),
    "turn: without subagent_id": ("turns", Json(ONE_S + r"/turns.*", drop("subagent_id")), "shapes.nulls"),
    "items: no ids": ("items", Json(ONE_S + "/items", drop("id")), "items.ids"),
    "items: no phase": ("items", Json(ONE_S + "/items", drop("phase")), "items.phase"),
    "items: role changed": ("items", Json(ONE_S + "/items", put("role", "user")), "items.order"),
    "items: arguments as text": ("calls", changed("turn.item.added", lambda e: "arguments" in e["item"] and e["item"].update(arguments="{}")), "calls.item"),
    "items: no error key of results": ("calls", changed("turn.item.added", lambda e: e["item"].pop("error", 0)), "calls.output-item"),
    "list: no has_more": ("paging", Json(ONE_S + "/items", lists(lambda page: page.pop("has_more"))), "paging.items.page"),
    "list: has_more always false": ("paging", Json(S, lists(lambda page: page.update(has_more=False)), "GET"), "paging.walk-sessions"),
    "list: has_more always true": ("paging", Json(S, lists(lambda page: page.update(has_more=True)), "GET"), "paging.exact"),
    "list: no last_id": ("paging", Json(ONE_S + "/turns/[^/]+/items", lists(lambda page: page.update(last_id=None))), "paging.turn-items.page"),
    "list: wrong first_id": ("paging", Json(ONE_S + "/turns", lists(lambda page: page.update(first_id="turn_x"))), "paging.turns.page"),
    "list: wrong order": ("sessions", Json(S, lists(reverse), "GET"), "sessions.listed"),
    "list: items in the wrong order": ("items", Json(ONE_S + "/items", lists(reverse)), "items.order"),
    "list: an entry twice": ("paging", Json(ONE_S + "/turns", lists(repeat_first)), "paging.walk-turns"),
    "list: an entry lost": ("paging", Json(ONE_S + "/items", lists(lambda page: page["data"].pop(0) if page["data"] else None)), "paging.items.page"),
    "list: another object": ("paging", Json(ONE_S + "/subagents", lists(lambda page: page.update(object="page"))), "paging.subagents.page"),
    "list: an empty page for a bad cursor": ("paging", Status("GET", ONE_S + "/items", 400, 200), "paging.items.after"),
    "error: another code": ("agents", error(code="oops"), "agents.unknown"),
    "error: no code": ("calls", error(code=None), "calls.unknown"),
    "error: other words": ("calls", error(message="Unknown tool call."), "calls.unknown"),
    "error: no param": ("agents", error(param=None), "agents.model-missing"),
    "error: no param key": ("transport", Error(lambda body: body["error"].pop("param") and None), "shapes.error"),
    "error: flat": ("transport", Error(lambda body: body["error"]), "shapes.error"),
    "error: code as number": ("transport", error(code=404), "shapes.error"),
    "header: no x-should-retry": ("inputs", Header("x-should-retry"), "inputs.key-no-retry"),
    "header: no x-request-id": ("transport", Header("x-request-id"), "transport.request-id"),
    "header: one x-request-id for all": ("transport", Header("x-request-id", "req_" + "0" * 32), "transport.request-id-fresh"),
    "header: streams as JSON lines": ("streams", Header("content-type", "application/x-ndjson", "text/event-stream"), "streams.type"),
    "header: text for JSON": ("transport", Header("content-type", "text/plain", "application/json"), "transport.json"),
    "idempotency keys are not heard": ("inputs", Deaf("idempotency-key"), "inputs.key-repeat"),
    "no beta header is needed": ("transport", Presumed("openai-beta", "agents=v1"), "transport.beta-missing"),
    "no key is needed": ("transport", Presumed("authorization", f"Bearer {KEY}"), "transport.key-wrong"),
    "every body is taken for JSON": ("transport", Presumed("content-type", "application/json"), "transport.body-type"),
    "resuming is not heard": ("outcrop", Deaf("last-event-id"), "outcrop.last-event-id"),
    "events: session and turn in_progress swapped": ("order", swapped("in_progress", "turn.in_progress"), "order.start"),
    "events: item before its turn": ("order", swapped("turn.created", "turn.item.added"), "order.turn-first"),
    "events: part before its item": ("order", swapped("turn.item.added", "turn.content_part.added"), "order.text"),
    "events: idle before the turn's end": ("order", swapped("turn.completed", "idle"), "order.ending"),
    "events: item done before its part": ("order", swapped("turn.content_part.done", "turn.item.done"), "order.text"),
    "events: text done before its delta": ("order", swapped("turn.output_text.delta", "turn.output_text.done"), "order.text"),
    "events: call required before it is shown": ("calls", swapped("turn.item.done", "requires_action"), "calls.order"),
    "events: no created": ("order", without("created"), "order.created-first"),
    "events: no turn.created": ("order", without("turn.created"), "order.turn-first"),
    "events: no session in_progress": ("order", without("in_progress"), "order.start"),
    "events: no delta": ("order", without("turn.output_text.delta"), "order.deltas-add-up"),
    "events: no content part": ("order", without("turn.content_part.added"), "order.part-empty"),
    "events: no item.done": ("order", without("turn.item.done"), "order.opened-is-closed"),
    "events: no turn.completed": ("order", without("turn.completed"), "order.one-ending"),
    "events: no turn.cancelled": ("inputs", without("turn.cancelled"), "inputs.cancel"),
    "events: no budget_reached": ("budgets", without("budget_reached"), "budgets.event"),
    "events: an item added twice": ("order", twice("turn.item.added"), "order.opened-is-closed"),
    "events: a turn completed twice": ("order", twice("turn.completed"), "order.one-ending"),
    "events: a delta twice": ("order", twice("turn.output_text.delta"), "order.deltas-add-up"),
    "events: in_progress twice after a result": ("calls", twice("in_progress"), "calls.resume"),
    "events: one id two times": ("order", Stream(one_id), "order.ids-unique"),
    "events: an id that is missing": ("order", changed("idle", lambda e: e.pop("event_id")), "shapes.event.agent.session.idle"),
    "events: usage left out": ("order", changed("turn.completed", lambda e: e.pop("usage")), "order.usage"),
    "events: another session's id": ("order", changed("turn.item.done", lambda e: e.update(session_id="sess_x")), "order.same-session"),
    "events: output_index as text": ("order", changed("turn.item.done", lambda e: e.update(output_index="0")), "shapes.event.agent.session.turn.item.done"),
    "events: output_index from 1": ("order", changed("turn.item.added", lambda e: e["output_index"] is not None and e.update(output_index=1)), "order.output-index"),
    "events: user's output_index not null": ("order", changed("turn.item.added", lambda e: e.update(output_index=e["output_index"] or 0)), "order.user-item"),
    "events: text that differs at the end": ("order", changed("turn.output_text.done", lambda e: e.update(text="else")), "order.text-agrees"),
    "events: idle that shows a running session": ("order", changed("idle", lambda e: e["session"].update(status="in_progress")), "order.idle-shows"),
    "events: an unknown type": ("streams", changed("turn.created", lambda e: e.update(type="agent.session.turn.begun")), "streams.known"),
    "events: an event line that differs": ("streams", Stream(lambda frames: (f.lines.__setitem__(slice(None), ["event: x"]) or f for f in frames)), "streams.event-line"),
    "events: an id line that differs": ("outcrop", Stream(lambda frames: (f.lines.append("id: x") or f for f in frames)), "outcrop.id-line"),
    "stream: [DONE] at the end": ("order", Stream(done_at_the_end), "order.ends"),
    "stream: ends with idle": ("streams", Stream(cut_after_idle), "streams.stays-open"),
    "stream: torn in the middle of an answer": ("order", Stream(torn), "order.ending"),
    "stream: padding although it is not wanted": ("streams", changed("turn.output_text.delta", lambda e: e.setdefault("obfuscation", "abc")), "streams.no-padding"),
    "stream: no padding": ("streams", changed("turn.output_text.delta", lambda e: e.pop("obfuscation", 0)), "streams.padding"),
}


def test_a_proxy_that_bends_nothing_changes_nothing(whole, tmp_path):
    with Proxy(whole.port) as proxy:
        options = ["--priced", "priced", "--embedding", "minilm"]
        status, report, printed = conform(proxy.base, *options, folder=tmp_path)
    assert status == 0, printed
    assert len(outcomes(report, "passed")) >= 600


@pytest.mark.soak(60)
@pytest.mark.parametrize("defect", MUTANTS)
def test_a_defect_is_reported(server, tmp_path, defect):
    area, bend, check = MUTANTS[defect]
    with Proxy(server.port, bend) as proxy:
        status, report, printed = conform(proxy.base, "--only", area, "--priced", "priced", folder=tmp_path, patience=2)
    assert status == 1, printed
    assert check in outcomes(report, "failed"), printed
