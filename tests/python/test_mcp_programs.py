"""Programs of models that call tools of MCP servers and functions: what comes back, and what a kill at every call leaves."""
import json
import threading

import pytest

from conversation import begin, calls, function, items, messages, post, result, settings, settle, until
from server import CONFIG, Server
from toolserver import ONCE, READS, TWICE, ToolServer, tool

PRIVATE = CONFIG + '\n[mcp]\nallowed_hosts = ["127.0.0.1"]\n'
PROGRAMS = {"type": "programmatic_tool_calling"}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("programs"), config=PRIVATE) as server:
        yield server


def mcp(server, **more):
    return {"type": "mcp", "server_label": "srv", "transport": {"type": "http", "server_url": server.url}, **more}


def run(*lines):
    """The model runs a program of these lines, then says that it is done."""
    return "call run_python " + json.dumps({"code": "\n".join(lines)}) + "\nsay done"


def ran(client, session):
    (command,) = [item for item in items(client, session) if item.type == "command_execution"]
    return command


def test_a_program_calls_tools_and_computes(own):
    client = own.client()
    with ToolServer(tool("twice")) as server:
        server.call = lambda name, arguments: {"content": [{"type": "text", "text": str(2 * arguments["n"])}]}
        code = run("total = 0", "for n in range(5):", "    total += srv__twice(n=n)", "print('summed')", "total")
        session, _ = begin(client, code, tools=[mcp(server), PROGRAMS])
        command = ran(client, session)
        assert (command.status, command.exit_code, command.output) == ("completed", 0, "summed\n20")
        assert len([item for item in items(client, session) if item.type == "mcp_call"]) == 5
        assert messages(client, session)[-1] == ("assistant", "done")


def test_a_call_that_fails_can_be_caught(own):
    client = own.client()
    with ToolServer(tool("no")) as server:
        server.answers["no"] = {"content": [{"type": "text", "text": "not today"}], "isError": True}
        code = run("try:", "    srv__no(n=1)", "except RuntimeError as error:", "    print('caught', error)")
        session, _ = begin(client, code, tools=[mcp(server), PROGRAMS])
        assert "caught" in ran(client, session).output and "not today" in ran(client, session).output


def test_a_program_calls_functions(own):
    client = own.client()
    session, events = begin(client, run("lookup(n=1) + lookup(n=2)"), tools=[function("lookup"), PROGRAMS])
    for answer in ("20", "22"):
        (call,) = calls(events)
        with client.beta.agents.sessions.events.stream(session) as stream:
            post(client, session, result(call, answer))
            events = until(stream, "agent.session.idle", "agent.session.requires_action")
    assert ran(client, session).output == "42"


@pytest.mark.parametrize(("hints", "each"), [(TWICE, 2), (READS, 2), (ONCE, 1)])
def test_a_program_is_killed_at_every_call(own, hints, each):
    count = 5
    with ToolServer(tool("act", hints)) as server:
        arrived = [threading.Event() for _ in range(count)]
        seen = [0] * count
        go = threading.Event()

        def act(_, arguments):
            number = arguments["n"]
            seen[number] += 1
            if seen[number] == 1:
                go.clear()
                arrived[number].set()
                go.wait(30)
            return {"content": [{"type": "text", "text": str(number)}]}

        server.call = act
        lines = ["known = []", f"for n in range({count}):", "    try:", "        known.append(srv__act(n=n))",
                 "    except RuntimeError as error:", "        known.append(str(error)[:15])", "known"]
        created = own.client().beta.agents.sessions.create(
            **settings(run(*lines), tools=[mcp(server), PROGRAMS], metadata={"approvals": "never"})
        )
        for number in range(count):
            assert arrived[number].wait(30), f"call {number}: {seen}"
            own.kill()
            go.set()
            own.start()
        client = own.client()
        settle(client, created.id, "idle")
        assert seen == [each] * count
        expected = list(range(count)) if each == 2 else ["outcome unknown"] * count
        assert ran(client, created.id).output == str(expected)
        assert messages(client, created.id)[-1] == ("assistant", "done")
