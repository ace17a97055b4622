"""Tools that a model is shown only once it has found them: functions and tools of MCP servers."""
from conversation import begin, calls, function, items, messages, post, result, say, until
from server import CONFIG, Server
from toolserver import ToolServer, tool


def deferred(name, description=""):
    return {**function(name), "description": description or f"Does {name}.", "defer_loading": True}


SEARCH = {"type": "tool_search"}


def test_a_deferred_function_is_found_and_called(client):
    tools = [SEARCH, deferred("invoice_create", "Writes an invoice."), deferred("weather")]
    script = 'call tool_search {"query":"invoices"}\ncall invoice_create {"n":1}\nsay done'
    session, events = begin(client, script, tools=tools)
    (call,) = calls(events)
    assert call.name == "invoice_create"
    with client.beta.agents.sessions.events.stream(session) as stream:
        post(client, session, result(call))
        until(stream, "agent.session.idle")
    assert messages(client, session)[-1] == ("assistant", "done")
    # The search itself is nobody's business but the model's.
    assert {item.type for item in items(client, session)} == {"message", "function_call", "function_call_output"}


def recording(folder, upstream, more=""):
    """A server whose model `m` is that upstream."""
    entry = f'[[model]]\nname = "m"\nprovider = "openai-chat"\nbase_url = "{upstream.base}"\n'
    return Server(folder, config=CONFIG + more + entry)


def shown(asked):
    """The names of the tools that the model was shown in that call."""
    return {tool["function"]["name"] for tool in asked["body"]["tools"]}


def test_of_thousands_of_functions_what_was_found_is_shown(tmp_path, upstream):
    tools = [SEARCH, *(deferred(f"f_{number}_of_many", f"Counts to {number}.") for number in range(5000))]
    upstream.calls = [("tool_search", {"query": "f 4321"}), ("f_4321_of_many", {"n": 1})]
    with recording(tmp_path, upstream) as server:
        _, events = begin(server.client(), "go", model="m", tools=tools)
        assert [call.name for call in calls(events)] == ["f_4321_of_many"]
        before, after = (shown(asked) for asked in upstream.asked)
        assert before == {"tool_search"}
        assert {"tool_search", "f_4321_of_many"} <= after and len(after) < 20, after


def test_what_is_not_found_is_not_shown(tmp_path, upstream):
    upstream.calls = [("tool_search", {"query": "nothing that is there"}), ("tool_search", {"query": "invoices"})]
    tools = [SEARCH, deferred("invoice_create", "Writes an invoice."), deferred("weather")]
    with recording(tmp_path, upstream) as server:
        begin(server.client(), "go", model="m", tools=tools)
        assert [shown(asked) for asked in upstream.asked] == [{"tool_search"}, {"tool_search"}, {"tool_search", "invoice_create"}]


def test_many_tools_of_servers_are_kept_back(tmp_path, upstream):
    more = '\n[mcp]\nallowed_hosts = ["127.0.0.1"]\n'
    with recording(tmp_path, upstream, more) as server, ToolServer(*(tool(f"t{n}") for n in range(30))) as own:
        client = server.client()
        declared = {"type": "mcp", "server_label": "srv", "transport": {"type": "http", "server_url": own.url}}
        upstream.calls = [("tool_search", {"query": "t17"}), ("srv__t17", {"n": 1})]
        session, _ = begin(client, "go", model="m", tools=[SEARCH, declared])
        assert own.calls == [("t17", {"n": 1})]
        before, after, _ = (shown(asked) for asked in upstream.asked)
        assert before == {"tool_search"}
        assert {"tool_search", "srv__t17"} <= after and len(after) < 20, after
        # What was found stays found in the session.
        upstream.calls = [("srv__t17", {"n": 2})]
        say(client, session, "again")
        assert own.calls[-1] == ("t17", {"n": 2})
