"""Lists: pages, order, filters, and each list's own answers to bad queries (they differ, as at the original)."""
import openai
import pytest

from conversation import begin, items, say, settings, settle, turns


@pytest.fixture(scope="module")
def batch(client):
    """Five sessions with a mark of their own, oldest first; each has ended its turn."""
    sessions = client.beta.agents.sessions
    ids = [sessions.create(**settings(f"hello {n}", metadata={"batch": "paging", "n": str(n)})).id for n in range(5)]
    for session in ids:
        settle(client, session, "idle")
    return ids


@pytest.fixture(scope="module")
def long(client):
    """A session of four turns."""
    session, _ = begin(client, "one")
    for text in ("two", "three", "four"):
        say(client, session, text)
    return session


def pages(first):
    """Ids, page by page, as the SDK walks them."""
    return [[entry.id for entry in page.data] for page in first.iter_pages() if page.data]


def test_sessions_are_walked_both_ways(client, batch):
    listed = client.beta.agents.sessions.list
    up = pages(listed(limit=2, order="asc", metadata={"batch": "paging"}))
    assert up == [batch[0:2], batch[2:4], batch[4:]]
    down = [entry.id for entry in listed(limit=2, metadata={"batch": "paging"})]
    assert down == batch[::-1]
    page = listed(limit=2, order="asc", metadata={"batch": "paging"})
    assert (page.first_id, page.last_id, page.has_more) == (batch[0], batch[1], True)


def test_filters_match_all_pairs(client, batch):
    listed = client.beta.agents.sessions.list
    assert [entry.id for entry in listed(metadata={"batch": "paging", "n": "3"})] == [batch[3]]
    empty = listed(metadata={"batch": "paging", "n": "9"})
    assert (empty.data, empty.first_id, empty.last_id, empty.has_more) == ([], None, None, False)


def test_sessions_are_filtered_by_agent(client):
    agent = client.beta.agents.create(model="scripted")
    own = client.beta.agents.sessions.create(agent_id=agent.id, environment={"type": "none"}, input="hello")
    assert [entry.id for entry in client.beta.agents.sessions.list(agent_id=agent.id)] == [own.id]


def test_turns_and_items_are_walked(client, long):
    sessions = client.beta.agents.sessions
    all_turns = [turn.id for turn in turns(client, long)]
    assert len(all_turns) == 4
    assert [turn.id for turn in sessions.turns.list(long, limit=1, order="desc")] == all_turns[::-1]
    all_items = [item.id for item in items(client, long)]
    assert len(all_items) == 8
    assert [item.id for item in sessions.items.list(long, limit=3, order="asc")] == all_items
    assert [item.id for item in sessions.turns.items.list(all_turns[1], session_id=long, limit=1, order="asc")] == all_items[2:4]


def test_agents_are_walked_and_a_deleted_one_is_still_a_cursor(client):
    agents = client.beta.agents
    made = [agents.create(model="any model", name=f"agent {n}").id for n in range(3)]
    walked = [agent.id for agent in agents.list(limit=1, order="desc")]
    assert walked[:3] == made[::-1]
    agents.delete(made[1])
    assert [agent.id for agent in agents.list(limit=1, order="desc", after=made[1])][0] == made[0]


def paths(session, turn):
    base = f"/v1/agents/sessions/{session}"
    return {
        "agents": "/v1/agents", "sessions": "/v1/agents/sessions", "items": f"{base}/items", "turns": f"{base}/turns",
        "turn items": f"{base}/turns/{turn}/items", "subagents": f"{base}/subagents", "artifacts": f"{base}/artifacts",
    }


LISTS = ["agents", "sessions", "items", "turns", "turn items", "subagents", "artifacts"]
CLAMPED = ["agents", "sessions", "items", "turn items"]


@pytest.fixture(scope="module")
def path(client, long):
    return paths(long, turns(client, long)[0].id)


@pytest.mark.parametrize("name", CLAMPED)
def test_a_limit_out_of_range_is_moved_into_it(server, path, name):
    status, body = server.json("GET", path[name] + "?limit=0")
    assert status == 200 and len(body["data"]) == 1
    assert server.json("GET", path[name] + "?limit=101")[0] == 200


@pytest.mark.parametrize("name", [name for name in LISTS if name not in CLAMPED])
@pytest.mark.parametrize("limit", [0, 101])
def test_a_limit_out_of_range_is_refused(server, path, name, limit):
    status, body = server.json("GET", f"{path[name]}?limit={limit}")
    assert status == 400 and body["error"]["message"] == "limit must be between 1 and 100"


@pytest.mark.parametrize("name", LISTS)
def test_bad_queries(server, path, name):
    status, body = server.json("GET", path[name] + "?limit=ten")
    assert status == 400
    assert body["error"]["message"] == "Failed to deserialize query string: limit: invalid digit found in string"
    status, body = server.json("GET", path[name] + "?limit=1&limit=2")
    assert status == 400 and "duplicate field `limit`" in body["error"]["message"]
    for order in ("", "sideways"):
        status, body = server.json("GET", f"{path[name]}?order={order}")
        assert status == 400 and body["error"]["param"] is None
    assert server.json("GET", path[name] + "?color=blue")[0] == 200


@pytest.mark.parametrize("name, status, text", [
    ("agents", 404, None), ("sessions", 404, None), ("turns", 404, None),
    ("items", 400, "Invalid session item ID in `after`"), ("turn items", 400, "Invalid session item ID in `after`"),
    ("subagents", 400, "Invalid resource ID in `after`"), ("artifacts", 400, "after is not a valid artifact ID"),
])
def test_an_unknown_cursor(server, path, name, status, text):
    got, body = server.json("GET", path[name] + "?after=nothing_0123")
    assert got == status
    if text:
        assert body["error"]["message"] == text
    else:
        assert body["error"]["code"] == body["error"]["type"] == "not_found_error"


def test_what_does_not_exist_yet_is_an_empty_list(client, long):
    sessions = client.beta.agents.sessions
    assert sessions.subagents.list(long).data == sessions.artifacts.list(long).data == sessions.traces.list(long).data == []
    with pytest.raises(openai.NotFoundError):
        sessions.subagents.retrieve("subagent_x", session_id=long)
