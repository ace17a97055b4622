"""Records histories: a few sessions that together hold every kind of record that this version writes, taken out of its
database as lines of JSON. `cargo xtask record-history NAME` puts them into tests/histories/NAME, where every later
version replays them (crates/runtime/tests/histories.rs).
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import test_hosted as hosted
import test_self_hosted as self_hosted
from conversation import CANCEL, IDLE, LOOKUP, begin, calls, failure, message, post, result, say, settle, until
from liar import Liar, call, end, entry, heard, reasoning, text
from server import CONFIG, ROOT, Server
from toolserver import ONCE, ToolServer, tool

PROJECT = "default"
READER = ROOT / "target/release/examples/history"


def thinker(asked, says):
    """Thinks, calls, and is down for the first answer after the result."""
    texts, results = heard(asked)
    if texts[-1] == "fail":
        return says.refuse(503, b'{"error":{"message":"too busy"}}')
    if not results:
        return says.stream(*reasoning(asked, "let me ", "think"), *call(asked, "lookup", '{"n": 1}'), *end(asked, "tool_calls"))
    says.stream(*text(asked, "that ", "is it"), *end(asked))


def consent(asked, decision):
    return {
        "type": "agent.session.input.mcp_approval_request_result", "request_id": asked.request_id,
        "response": {"type": "mcp_tool_call", "decision": decision},
    }


class Sessions:
    """One method a session; each leaves it at rest."""

    def __init__(self, server):
        self.server, self.client = server, server.client()

    def talk(self):
        session, _ = begin(self.client, "say hello", tools=[LOOKUP], metadata={"colour": "green"})
        self.client.beta.agents.sessions.update(session, metadata={"colour": "red"})
        say(self.client, session, "json {\"a\": [1, 2.50, \"é\"]}")
        say(self.client, session, "cut 2 a text that breaks off once")
        return session

    def calls(self):
        session, seen = begin(self.client, 'call lookup {"n":1} & call lookup {"n":2}\nsay both', tools=[LOOKUP])
        first, second = calls(seen)
        post(self.client, session, result(first, "one"))
        post(self.client, session, failure(second, "none"))
        settle(self.client, session, "idle")
        say(self.client, session, "call nobody {}\nsay never mind")
        say(self.client, session, 'call lookup {"n":3}')
        post(self.client, session, CANCEL)
        settle(self.client, session, "idle")
        return session

    def money(self):
        session, _ = begin(self.client, "hello", model="priced", spend_control={"limit": 1})
        self.client.beta.agents.sessions.update(session, spend_control={"limit": 2_000_000_000})
        say(self.client, session, "say rich")
        return session

    def thoughts(self):
        session, seen = begin(self.client, "go", model="thinker", tools=[LOOKUP])
        (asked,) = calls(seen)
        post(self.client, session, result(asked, "1"))
        settle(self.client, session, "idle")
        say(self.client, session, "fail")
        return session

    def narrow(self):
        """A context that is too long is forgotten."""
        session, _ = begin(self.client, "say short", model="narrow")
        say(self.client, session, "word " * 200)
        say(self.client, session, "say on")
        return session

    def large(self):
        """A body that stands in a file of its own."""
        session, _ = begin(self.client, "say yes\n" + "x" * 33_000)
        return session

    def conversation(self):
        """Items that were brought, calls that were handed over, and what was taken out again."""
        responses, conversations = self.client.responses, self.client.conversations
        _, compacted = self.server.json("POST", "/v1/responses/compact", {"model": "scripted", "input": "say brief"})
        made = conversations.create(items=[{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}])
        conversations.items.create(made.id, items=compacted["output"][-1:])
        note = {"type": "custom", "name": "note"}
        ask = {"model": "scripted", "conversation": made.id}
        called = responses.create(**ask, tools=[note], input='call note {"input":"x"}\nsay noted', temperature=0.5)
        output = {"type": "custom_tool_call_output", "call_id": called.output[0].call_id, "output": "kept"}
        answered = responses.create(**ask, tools=[note], input=[output], metadata={"colour": "green"})
        first = conversations.items.list(made.id, order="asc").data[0]
        conversations.items.delete(first.id, conversation_id=made.id)
        responses.delete(answered.id)
        return "sess_" + made.id.removeprefix("conv_")

    def fork(self):
        """What another session did, up to a call that it had not answered; then its own."""
        parent, _ = begin(self.client, 'say first', tools=[LOOKUP])
        say(self.client, parent, 'call lookup {"n":1}')
        status, forked = self.server.json("POST", f"/v1/agents/sessions/{parent}/fork", {})
        assert status == 201, forked
        say(self.client, forked["id"], "say second")
        return forked["id"]

    def environment(self):
        """A machine of its own, which comes late, runs a command and is told to stop another one."""
        folder = self.server.folder
        workspace = folder / "workspace"
        workspace.mkdir()
        session = self_hosted.create(self.client, workspace, self_hosted.shell("echo hello") + "\nsay done")
        settle(self.client, session.id, "requires_action")
        with self_hosted.Executor(folder, session.environment):
            settle(self.client, session.id, "idle")
            post(self.client, session.id, message(self_hosted.shell("echo begun > begun; sleep 600")))
            self_hosted.wait_for((workspace / "begun").exists, "the command")
            post(self.client, session.id, CANCEL)
            settle(self.client, session.id, "idle")
        return session.id

    def hosted(self):
        """A sandbox that is set up, put to sleep, lost and set up anew; and the session that goes on with a copy of it."""
        network = {"access": "restricted", "allowed_domains": ["example.com"]}
        files = [{"type": "inline", "path": "/workspace/given.txt", "data": "dHdvCg=="}]
        say_once = hosted.script(hosted.shell("cat given.txt"), "say done")
        session = hosted.create(self.client, say_once, network=network, files=files)
        with self.client.beta.agents.sessions.events.stream(session.id) as stream:
            for word in (hosted.SUSPENDED, hosted.EXPIRED):
                until(stream, word)
                post(self.client, session.id, message(say_once))
            until(stream, IDLE)
        status, forked = self.server.json("POST", f"/v1/agents/sessions/{session.id}/fork", {})
        assert status == 201, forked
        say(self.client, forked["id"], say_once)
        return forked["id"]

    def approvals(self):
        """Calls that a person approves of, denies and forgets, one that a model looks at, and one of which an operator says
        what became of it."""
        with ToolServer(tool("send", ONCE)) as mail:
            declared = {"type": "mcp", "server_label": "srv", "transport": {"type": "http", "server_url": mail.url}}
            script = 'call srv__send {"n":1}\nsay done'
            session, _ = begin(self.client, script, tools=[declared])
            for decision in ("approve", "deny"):
                (asked,) = self.client.beta.agents.sessions.retrieve(session).required_actions
                post(self.client, session, consent(asked, decision))
                settle(self.client, session, "idle")
                say(self.client, session, script)
            post(self.client, session, CANCEL)
            settle(self.client, session, "idle")
            self.client.beta.agents.sessions.update(session, review="auto_review")
            say(self.client, session, script)
            self.client.beta.agents.sessions.update(session, review="none")
            say(self.client, session, script)
            mail.hold()
            (asked,) = self.client.beta.agents.sessions.retrieve(session).required_actions
            post(self.client, session, consent(asked, "approve"))
            mail.wait_for_calls("send", 2)
            self.server.kill()
            mail.release()
            self.server.start()
            settle(self.client, session, "idle")
            _, ledger = self.server.json("GET", f"/v1/agents/sessions/{session}/ledger?limit=100")
            (unknown,) = [effect["id"] for effect in ledger["data"] if effect["state"] == "unknown"]
            place = f"/v1/agents/sessions/{session}/ledger/{unknown}/resolve"
            status, said = self.server.json("POST", place, {"outcome": "committed", "result": "it was sent"})
            assert status == 200, said
            say(self.client, session, "say on")
        return session

    def programs(self):
        """A program that calls the client's functions, once right and once wrong, after a search; a function that the model
        does not wait for; and a program that is told to stop."""
        later = {**LOOKUP, "name": "later", "async": True}
        kept = {**LOOKUP, "name": "kept", "defer_loading": True}
        tools = [LOOKUP, later, kept, {"type": "tool_search"}, {"type": "programmatic_tool_calling"}]
        lines = ["x = lookup(n=1)", "try:", "    lookup(n=2)", "except Exception as error:", "    print(error)", "print(x)"]
        program = "call run_python " + json.dumps({"code": "\n".join(lines)})
        script = f'call tool_search {{"query": "kept"}}\n{program}\ncall later {{"n":3}}\nsay meanwhile'
        session, _ = begin(self.client, script, tools=tools)
        for answer in (result, lambda asked: failure(asked, "none"), result):
            (asked,) = settle(self.client, session, "requires_action").required_actions
            with self.client.beta.agents.sessions.events.stream(session) as stream:
                post(self.client, session, answer(asked))
                until(stream, IDLE, "agent.session.requires_action")
        say(self.client, session, program)
        post(self.client, session, CANCEL)
        settle(self.client, session, "idle")
        return session

    def crashed(self):
        """Recovered again and again until it is given up."""
        session = None
        for _ in range(8):
            if session is None:
                body = {"agent": {"model": "scripted"}, "environment": {"type": "none"}, "input": "slow 500 " + "on and on " * 50}
                status, created = self.server.json("POST", "/v1/agents/sessions", body)
                assert status == 201, created
                session = created["id"]
            self.server.kill()
            self.server.start()
            if self.client.beta.agents.sessions.retrieve(session).status == "failed":
                break
            with self.server.events(session) as stream:
                # The attempt of the new server has begun to speak, or there is none any more.
                next(event for event in stream if event["type"].endswith(("delta", "session.failed")))
        assert settle(self.client, session, "failed")
        return session


NAMES = ("talk", "calls", "money", "thoughts", "narrow", "large", "conversation", "fork", "environment", "hosted",
         "approvals", "programs", "crashed")


def record(folder):
    """Histories by name: the header, then one entry a record."""
    with Liar(thinker) as upstream:
        config = CONFIG + entry("openai-responses", upstream.base, "thinker", attempts=1, fallback='["scripted"]')
        config += '\n[[model]]\nname = "narrow"\nprovider = "script"\ncontext_tokens = 100\n'
        config += '\n[mcp]\nallowed_hosts = ["127.0.0.1"]\n'
        config += '\n[environments]\nsuspend_after = "300ms"\nexpire_after = "2s"\n'
        with Server(folder, config) as server:
            made = Sessions(server)
            sessions = {name: getattr(made, name)() for name in NAMES}
            assert server.stop() == 0
    return {name: history(server.data, session) for name, session in sessions.items()}


def history(data, session):
    """What the store reads of the log: its file is nobody else's affair."""
    assert READER.exists(), f"{READER} is not there: `cargo build --release --package store --example history`"
    read = subprocess.run([READER, data, PROJECT, session], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in read.stdout.splitlines()]


def kinds(history):
    return {line["kind"] for line in history[1:]}


def main(folder):
    target = Path(folder)
    target.mkdir(parents=True)  # what was recorded once is never written over
    with tempfile.TemporaryDirectory() as scratch:
        for name, lines in record(Path(scratch)).items():
            written = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            (target / f"{name}.jsonl").write_text(written)


if __name__ == "__main__":
    main(*sys.argv[1:])
