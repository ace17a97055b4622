"""Model servers that stall, tear, refuse and lie. The turn ends with a typed error or goes on, nothing half said ever
runs, and the session stays usable.

All cases run at once, each in a session of its own: the user's message names the case, and the upstream behaves so.
"""
import collections
import concurrent.futures
import email.utils
import json
import threading
import time

import pytest

from conversation import IDLE, LOOKUP, begin, calls, items, messages, message, of_type, post, result, settle, text_of, turns, until
from liar import HEAD, WIRES, Liar, call, end, entry, half_a_call, heard, is_chat, reasoning, text
from server import Server, free_port

TIMEOUTS = '{ connect = "2s", first_byte = "1s", stall = "700ms" }'
DEEP = 100_000
MALFORMED = {
    "truncated": '{"n":',
    "trailing": '{"n":1} and more',
    "twice": '{"n":1,"n":2}',
    "nan": '{"n":NaN}',
    "huge": '{"n":1e999}',
    "surrogate": '{"n":"\\ud800"}',
    "deep": '{"n":' + "[" * DEEP + "]" * DEEP + "}",
    "list": "[1]",
    "string": '"n"',
    "null": "null",
    "binary": "\x00\x01\x02",
}
# What is no answer at all: sent in place of the first answer's second event.
GARBAGE = {
    "no-json": "}{",
    "half-json": '{"choices":[{"delta":{"content":"x"',
    "trailing": '{"choices":[]} {"choices":[]}',
    "nan": '{"choices":[{"delta":{"content":NaN}}],"type":NaN}',
    "huge-number": '{"choices":[],"usage":1e999}',
    "surrogate": '{"choices":[{"delta":{"content":"\\ud800"}}],"delta":"\\ud800"}',
    "deep": "[" * DEEP + "]" * DEEP,
    "not-utf8": b"{\"a\":\"\xff\xfe\"}",
    "binary": bytes(range(1, 10)),
}
STATUSES = {500: "server_error", 502: "server_error", 503: "server_overloaded", 529: "server_overloaded"}
NONSENSE = ["soon", "-5", "NaN", "inf", "1e400", ""]


def fine(asked, says):
    says.stream(*text(asked, "all ", "is ", "fine"), *end(asked))


class Upstream:
    """Counts the calls of each case and behaves as the case says."""

    def __init__(self):
        self.count = collections.Counter()
        self.times = collections.defaultdict(list)
        self.asked = collections.defaultdict(list)
        self.lock = threading.Lock()

    def __call__(self, asked, says):
        case = heard(asked)[0][-1]
        with self.lock:
            key = (is_chat(asked), case)
            self.count[key] += 1
            self.times[key].append(time.monotonic())
            self.asked[key].append(asked)
            number = self.count[key]
        name, _, rest = case.partition(" ")
        getattr(self, name.replace("-", "_"))(asked, says, number, rest)

    def fine(self, asked, says, *_):
        fine(asked, says)

    # ---- streams that stall and tear

    def stall_in_a_word(self, asked, says, number, _):
        if number > 1:
            return fine(asked, says)
        says.stream(*text(asked, "Hel"))
        says.hang()

    def stall_then_reset(self, asked, says, number, _):
        if number > 1:
            return fine(asked, says)
        says.stream(*text(asked, "Hel"))
        says.pause(0.3)
        says.reset()

    def stall_in_reasoning(self, asked, says, number, _):
        if number > 1:
            return fine(asked, says)
        says.stream(*reasoning(asked, "Let me "), *text(asked, "Hel"))
        says.hang()

    def stall_for_ever(self, asked, says, *_):
        says.stream(*text(asked, "Hel"))
        says.hang()

    def silent(self, asked, says, *_):
        says.hang()

    def half_a_call(self, asked, says, number, how):
        if number > 1:
            return fine(asked, says)
        says.stream(*half_a_call(asked, "lookup", '{"n":'))
        if how == "reset":
            says.pause(0.1)
            says.reset()
        elif how == "stall":
            says.hang()

    def call_without_an_end(self, asked, says, number, how):
        """The call is whole, the answer is not."""
        if number > 1:
            return fine(asked, says)
        says.stream(*call(asked, "lookup", '{"n":1}'))

    # ---- refusals

    def refuse(self, asked, says, number, status):
        says.refuse(int(status))

    def refuse_first(self, asked, says, number, status):
        says.refuse(int(status)) if number == 1 else fine(asked, says)

    def wait_seconds(self, asked, says, number, seconds):
        says.refuse(429, Retry_After=seconds) if number == 1 else fine(asked, says)

    def wait_date(self, asked, says, number, _):
        if number > 1:
            return fine(asked, says)
        now = time.time()
        says.refuse(429, Date=email.utils.formatdate(now, usegmt=True), Retry_After=email.utils.formatdate(now + 2, usegmt=True))

    def redirect(self, asked, says, *_):
        says.refuse(302, Location="/v1/elsewhere")

    # ---- lies

    def garbage(self, asked, says, number, name):
        if number > 1:
            return fine(asked, says)
        says.stream(*text(asked, "Hel"), GARBAGE[name])

    def wrong_types(self, asked, says, number, _):
        if number > 1:
            return fine(asked, says)
        says.stream({"choices": 5, "type": 5}, {"choices": [{"delta": "x"}], "type": "response.output_text.delta", "delta": 7}, "[DONE]")

    def html(self, asked, says, number, _):
        if number > 1:
            return fine(asked, says)
        says.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>")

    def no_http(self, asked, says, number, _):
        says.send(b"\x16\x03\x01 SSH-2.0-hello\r\n\r\n") if number == 1 else fine(asked, says)

    def giant_frame(self, asked, says, number, _):
        if number > 1:
            return fine(asked, says)
        says.send(HEAD + b"data: " + b"x" * (17 << 20))

    def malformed(self, asked, says, number, name):
        if heard(asked)[1]:
            return fine(asked, says)
        says.stream(*call(asked, "lookup", MALFORMED[name]), *end(asked, "tool_calls"))

    def unknown_tool(self, asked, says, *_):
        if heard(asked)[1]:
            return fine(asked, says)
        says.stream(*call(asked, "rm_rf", '{"n":1}'), *end(asked, "tool_calls"))

    def one_id_twice(self, asked, says, *_):
        if heard(asked)[1]:
            return fine(asked, says)
        both = [*call(asked, "lookup", '{"n":1}', "same", 0), *call(asked, "lookup", '{"n":2}', "same", 1)]
        if is_chat(asked):
            # Fragments with one id and two indices are two calls.
            both[1]["choices"][0]["delta"]["tool_calls"][0]["index"] = 1
        says.stream(*both, *end(asked, "tool_calls"))


# Case, model: what must come of it. `lost` says how many texts were torn, `calls` how often the upstream was asked.
HEALS = {
    "stall-in-a-word": 2, "stall-then-reset": 2, "stall-in-reasoning": 2, "half-a-call reset": 2, "half-a-call end": 2,
    "half-a-call stall": 2, "call-without-an-end": 2, "refuse-first 500": 2, "refuse-first 529": 2, "wait-date": 2, "wait-seconds 1": 2,
    "wrong-types": 2, "html": 2, "no-http": 2, "giant-frame": 2, "unknown-tool": 2,
    **{f"garbage {name}": 2 for name in GARBAGE},
    **{f"malformed {name}": 2 for name in MALFORMED},
    **{f"wait-seconds {value}": 2 for value in NONSENSE},
}
FAILS = {
    "stall-for-ever": ("request_timeout", 2), "silent": ("request_timeout", 2),
    "wait-seconds 999999999": ("rate_limit_exceeded", 1), "redirect": ("invalid_request", 1),
    **{f"refuse {status}": (code, 2) for status, code in STATUSES.items()},
}
TORN = ["stall-in-a-word", "stall-then-reset", "stall-in-reasoning", *(f"garbage {name}" for name in GARBAGE)]
NO_CALL = [case for case in HEALS if case.split()[0] in ("half-a-call", "call-without-an-end", "malformed", "unknown-tool")]


def name(wire, case):
    return f"{wire} {[*HEALS, *FAILS].index(case)}"


class Told:
    """All cases of both wires, run side by side on one server."""

    def __init__(self, folder):
        self.upstream = Upstream()
        nowhere = f"http://127.0.0.1:{free_port()}/v1"
        with Liar(self.upstream) as liar:
            config = '[[model]]\nname = "spare"\nprovider = "script"\n'
            for wire in WIRES:
                # One for each case: an entry whose upstream fails all the time is soon tried no more.
                for case in [*HEALS, *FAILS]:
                    config += entry(wire, liar.base, name(wire, case), timeout=TIMEOUTS, attempts=2)
                config += entry(wire, liar.base, f"{wire}-backed", timeout=TIMEOUTS, attempts=2, fallback='["spare"]')
                config += entry(wire, nowhere, f"{wire}-refused", timeout=TIMEOUTS, attempts=2)
                config += entry(wire, nowhere, f"{wire}-refused-backed", timeout=TIMEOUTS, attempts=2, fallback='["spare"]')
            with Server(folder, config) as server:
                self.client = server.client(timeout=60)
                jobs = [(wire, case) for wire in WIRES for case in [*HEALS, *FAILS]]
                jobs += [(f"{wire}-backed", f"refuse {status} ") for wire in WIRES for status in STATUSES]
                jobs += [(f"{wire}-{how}", "fine ") for wire in WIRES for how in ("refused", "refused-backed")]
                with concurrent.futures.ThreadPoolExecutor(16) as pool:
                    self.outcomes = dict(zip(jobs, pool.map(lambda job: self.run(*job), jobs)))
                log = (server.folder / "stderr.log").read_text(errors="replace")
                assert server.process.poll() is None and "panicked" not in log, log[-4000:]

    def run(self, model, case):
        session, events = begin(self.client, case, model=name(model, case) if model in WIRES else model, tools=[LOOKUP])
        usable = True
        if events[-1].type == IDLE and not model.endswith("refused"):
            post(self.client, session, message("fine"))
            settle(self.client, session, "idle")
            usable = turns(self.client, session)[-1].status == "completed"
        ended = turns(self.client, session)[0]
        return session, events, ended, items(self.client, session), usable

    def asked(self, wire, case):
        return self.upstream.count[wire == "openai-chat", case]

    def gap(self, wire, case):
        first, second = self.upstream.times[wire == "openai-chat", case][:2]
        return second - first


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    return Told(tmp_path_factory.mktemp("upstreams"))


pytestmark = pytest.mark.soak(240)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("case", HEALS)
def test_f16_f19_the_turn_goes_on_with_another_attempt(told, wire, case):
    _, events, turn, listed, usable = told.outcomes[wire, case]
    assert turn.status == "completed", turn
    assert told.asked(wire, case) == HEALS[case]
    said = [text_of(item) for item in listed if item.type == "message" and item.role == "assistant"]
    assert said[0] == "all is fine" and usable
    done = [event.item for event in of_type(events, "turn.item.done")]
    assert [text_of(item) for item in done if item.type == "message" and item.status == "completed" and item.role == "assistant"] == ["all is fine"]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("case", TORN)
def test_f16_a_torn_text_is_kept_as_torn(told, wire, case):
    """What was shown is closed as incomplete, under an id of its own, and stands in no list."""
    _, events, _, listed, _ = told.outcomes[wire, case]
    done = [event.item for event in of_type(events, "turn.item.done")]
    torn = [item.id for item in done if item.status == "incomplete"]
    said = collections.defaultdict(str)
    for event in of_type(events, "turn.output_text.delta"):
        said[event.item_id] += event.delta
    begun = [event.item.id for event in of_type(events, "turn.item.added") if event.output_index is not None]
    # A draft that is gone before anybody looked was never shown.
    assert len(torn) <= (2 if case == "stall-in-reasoning" else 1)
    assert sorted(begun) == sorted(item.id for item in done if item.id in begun), "an item was left open"
    assert all("Hel".startswith(said[item]) for item in torn)
    assert not set(torn) & {item.id for item in listed}
    if case.startswith("stall"):
        assert torn, "the client was shown nothing of what it could have seen"


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("case", NO_CALL)
def test_f16_f19_half_a_call_never_runs(told, wire, case):
    _, events, _, listed, _ = told.outcomes[wire, case]
    assert not calls(events) and not of_type(events, "requires_action")
    assert not [item for item in listed if item.type.startswith("function_call")]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("case", [case for case in NO_CALL if case.split()[0] in ("malformed", "unknown-tool")])
def test_f19_the_model_is_told_what_was_wrong(told, wire, case):
    asked = told.upstream.asked[wire == "openai-chat", case]
    (error,) = heard(asked[1])[1]
    assert "rm_rf" in error if case == "unknown-tool" else len(error) > 10, error
    assert len(error) < 10_000


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("case", FAILS)
def test_f16_f17_the_turn_ends_with_a_typed_error(told, wire, case):
    code, asked = FAILS[case]
    _, events, turn, _, usable = told.outcomes[wire, case]
    assert turn.status == "failed" and turn.error.code == code
    assert told.asked(wire, case) == asked
    assert of_type(events, "turn.failed") and events[-1].type == IDLE and usable


@pytest.mark.parametrize("wire", WIRES)
def test_f17_an_upstream_is_left_alone_for_as_long_as_it_asks(told, wire):
    assert told.gap(wire, "wait-seconds 1") >= 0.99
    # A date has whole seconds.
    assert told.gap(wire, "wait-date") >= 0.99


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("status", STATUSES)
def test_f17_a_fallback_takes_over(told, wire, status):
    _, _, turn, listed, _ = told.outcomes[f"{wire}-backed", f"refuse {status} "]
    assert turn.status == "completed" and text_of(listed[1]).startswith("echo: refuse")
    assert told.asked(wire, f"refuse {status} ") == 2


@pytest.mark.parametrize("wire", WIRES)
def test_f17_nobody_listens(told, wire):
    _, _, turn, _, _ = told.outcomes[f"{wire}-refused", "fine "]
    assert turn.status == "failed" and turn.error.code == "connection_failed"
    _, _, turn, _, usable = told.outcomes[f"{wire}-refused-backed", "fine "]
    assert turn.status == "completed" and usable


# ---- many sessions, and answers without an end

SESSIONS = 300
# What an entry begins with, and has more each second: docs/configuration.md.
FLOOR, A_SECOND = 20, 1


def test_f17_an_outage_makes_no_storm(tmp_path):
    """Every session asks while the upstream is down: it is asked a tenth more often than there are calls, beside the
    floor. It comes back, and so do they."""
    down = threading.Event()
    down.set()

    def behave(asked, says):
        return says.refuse(503) if down.is_set() else fine(asked, says)

    with Liar(behave) as liar, Server(tmp_path, entry("openai-chat", liar.base, attempts=3)) as server:
        began = time.monotonic()

        def ask(_):
            body = {"agent": {"model": "liar"}, "environment": {"type": "none"}, "input": "hello"}
            status, made = server.json("POST", "/v1/agents/sessions", body)
            assert status == 201, made
            return made["id"]

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            sessions = list(pool.map(ask, range(SESSIONS)))
        client = server.client()
        for session in sessions:
            settle(client, session, "idle")
        asked, passed = len(liar.asked), time.monotonic() - began
        codes = collections.Counter(turn.error.code for session in sessions for turn in turns(client, session))
        assert codes == {"server_overloaded": SESSIONS}
        print(f"{SESSIONS} calls, {asked} requests")
        # Some were tried again, or the bound would say nothing.
        assert SESSIONS < asked <= 1.1 * SESSIONS + FLOOR + A_SECOND * (passed + 1)
        down.clear()
        post(client, sessions[0], message("again"))
        settle(client, sessions[0], "idle")
        assert [turn.status for turn in turns(client, sessions[0])] == ["failed", "completed"]


def resident(server):
    """Bytes of memory that the server holds."""
    for line in open(f"/proc/{server.process.pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise AssertionError("no such line")


@pytest.mark.parametrize("wire", WIRES)
def test_f16_an_answer_without_an_end(tmp_path, wire):
    """It is cut off at a bound, again and again, and the memory that it took is free for the next."""
    def behave(asked, says):
        if heard(asked)[0][-1] == "fine":
            return fine(asked, says)
        says.stream()
        (event,) = text(asked, "x" * (1 << 20))
        while not says.over.is_set():
            says.events(event)

    with Liar(behave) as liar, Server(tmp_path, entry(wire, liar.base, attempts=1)) as server:
        client, sizes = server.client(), []
        for _ in range(8):
            status, made = server.json(
                "POST", "/v1/agents/sessions", {"agent": {"model": "liar"}, "environment": {"type": "none"}, "input": "endless"}
            )
            assert status == 201
            settle(client, made["id"], "idle")
            (turn,) = turns(client, made["id"])
            assert turn.status == "failed" and turn.error.code == "server_error"
            sizes.append(resident(server))
        post(client, made["id"], message("fine"))
        settle(client, made["id"], "idle")
        assert turns(client, made["id"])[-1].status == "completed"
        print([size >> 20 for size in sizes], "MiB")
        # What is freed goes back to the system when the allocator likes: one that kept each answer would have grown by 64 MiB
        # each time.
        assert min(sizes[-3:]) <= max(sizes[:3]) + (96 << 20), sizes


@pytest.mark.parametrize("wire", WIRES)
def test_f16_a_stream_that_only_breathes(tmp_path, wire):
    """Signs of life are no answer: the turn's time ends it."""
    def behave(asked, says):
        if heard(asked)[0][-1] == "fine":
            return fine(asked, says)
        says.stream()
        while not says.over.is_set():
            says.send(b": alive\n\n")
            says.pause(0.05)

    limits = '\n[limits]\nturn_time = "1s"\n'
    with Liar(behave) as liar, Server(tmp_path, entry(wire, liar.base) + limits) as server:
        client = server.client()
        session, events = begin(client, "breathe", model="liar")
        assert of_type(events, "turn.failed")[0].turn.error.code == "request_timeout"
        post(client, session, message("fine"))
        settle(client, session, "idle")
        assert [turn.status for turn in turns(client, session)] == ["failed", "completed"]


@pytest.mark.parametrize("wire", WIRES)
def test_f19_two_calls_with_one_id(tmp_path, wire):
    """They are two calls, each with an id of its own, and the model is told of both."""
    with Liar(Upstream()) as liar, Server(tmp_path, entry(wire, liar.base)) as server:
        client = server.client()
        session, events = begin(client, "one-id-twice", model="liar", tools=[LOOKUP])
        first, second = calls(events)
        assert first.call_id != second.call_id and [call.arguments["n"] for call in (first, second)] == [1, 2]
        with client.beta.agents.sessions.events.stream(session) as stream:
            post(client, session, result(second, "two"))
            post(client, session, result(first, "one"))
            assert of_type(until(stream, IDLE), "turn.completed")
        assert sorted(heard(liar.asked[-1])[1]) == ["one", "two"]
        assert messages(client, session)[-1] == ("assistant", "all is fine")
