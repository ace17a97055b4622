"""The Conversations API through the unmodified SDK and under openai-agents' sessions: items that are kept, responses
that go on from them, and what becomes of both over a kill."""
import asyncio
import threading
import time
from typing import get_args

import openai
import pytest
from openai.types.responses import ResponseIncludable

from server import KEY, RawStream, Server

MODEL = "scripted"
TOOL = {
    "type": "function", "name": "lookup", "strict": False,
    "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}},
}
CALL = {"type": "function_call", "call_id": "c1", "name": "lookup", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "one"}
UPSTREAM = """
[[model]]
name = "shown"
provider = "openai-chat"
base_url = "{base}"
"""


def said(text, role="user"):
    return {"role": role, "content": text}


def refusal(call, status=400):
    with pytest.raises(openai.APIStatusError) as caught:
        call()
    assert caught.value.status_code == status, caught.value
    return caught.value


def kept(client, conversation, order="asc"):
    """All items, over all pages."""
    return list(client.conversations.items.list(conversation, order=order))


def texts(items):
    return [item.content[0].text if item.type == "message" else item.type for item in items]


def finished(client, identity):
    deadline = time.monotonic() + 30
    while (response := client.responses.retrieve(identity)).status in ("queued", "in_progress"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return response


# ---- conversations

def test_a_conversation_is_made_changed_and_deleted(server, client):
    made = client.conversations.create(metadata={"topic": "demo"}, items=[said("hello")])
    assert made.id.startswith("conv_") and made.object == "conversation" and made.metadata == {"topic": "demo"}
    status, told = server.json("GET", f"/v1/conversations/{made.id}")
    assert (status, told) == (200, made.to_dict())
    assert set(told) == {"id", "object", "created_at", "metadata"} and isinstance(told["created_at"], int)
    assert client.conversations.update(made.id, metadata={"a": "b"}).metadata == {"a": "b"}
    assert client.conversations.retrieve(made.id).metadata == {"a": "b"}
    assert client.conversations.update(made.id, metadata=None).metadata == {}
    gone = client.conversations.delete(made.id)
    assert gone.to_dict() == {"id": made.id, "object": "conversation.deleted", "deleted": True}
    for call in (
        lambda: client.conversations.retrieve(made.id),
        lambda: client.conversations.delete(made.id),
        lambda: client.conversations.update(made.id, metadata={}),
        lambda: client.conversations.items.list(made.id),
        lambda: client.conversations.items.create(made.id, items=[said("x")]),
    ):
        wrong = refusal(call, 404)
        assert wrong.body["message"] == f"Conversation with id '{made.id}' not found."
    wrong = refusal(lambda: client.responses.create(model=MODEL, input="x", conversation=made.id), 404)
    assert wrong.param == "conversation"


def test_every_kind_of_item_is_kept_as_it_was_said(server, client):
    image = "data:image/png;base64,AA=="
    made = client.conversations.create()
    added = client.conversations.items.create(made.id, items=[
        said("be brief", "system"), said("and kind", "developer"),
        said([
            {"type": "input_text", "text": "look"}, {"type": "input_image", "image_url": image, "detail": "auto"},
            {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,aGk="},
        ]),
        said([{"type": "output_text", "text": "seen", "annotations": []}], "assistant"),
        CALL, {**RESULT, "output": [{"type": "input_text", "text": "one"}]},
        {"type": "custom_tool_call", "call_id": "c2", "name": "run", "input": "free text"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "done"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
    ])
    assert [item.type for item in added.data] == ["message"] * 4 + [
        "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "reasoning",
    ]
    assert (added.first_id, added.last_id, added.has_more) == (added.data[0].id, added.data[-1].id, False)
    assert [item.role for item in added.data[:4]] == ["system", "developer", "user", "assistant"]
    assert [part.type for part in added.data[2].content] == ["input_text", "input_image", "input_file"]
    assert added.data[2].content[1].image_url == image
    assert len({item.id for item in added.data}) == len(added.data)
    assert kept(client, made.id) == added.data
    for item in added.data:
        assert client.conversations.items.retrieve(item.id, conversation_id=made.id) == item
    # As it was shown it may be given back.
    again = client.conversations.create(items=[item.to_dict() for item in added.data])
    assert kept(client, again.id) == added.data


def test_items_are_paged_both_ways(client):
    made = client.conversations.create(items=[said(f"m{n}") for n in range(20)])
    client.conversations.items.create(made.id, items=[said(f"m{n}") for n in range(20, 25)])
    names = [f"m{n}" for n in range(25)]
    first = client.conversations.items.list(made.id)
    assert texts(first.data) == names[:4:-1] and first.has_more and first.last_id == first.data[-1].id
    assert texts(kept(client, made.id)) == names and texts(kept(client, made.id, "desc")) == names[::-1]
    two = client.conversations.items.list(made.id, limit=2, order="asc", after=first.data[-1].id)
    assert texts(two.data) == ["m6", "m7"] and two.has_more
    # Of an item that is gone its place is still known.
    client.conversations.items.delete(two.data[0].id, conversation_id=made.id)
    assert texts(client.conversations.items.list(made.id, limit=1, order="asc", after=two.data[0].id).data) == ["m7"]
    assert texts(client.conversations.items.list(made.id, limit=2, order="asc", after=first.data[-1].id).data) == ["m7", "m8"]
    assert refusal(lambda: client.conversations.items.list(made.id, after="msg_nowhere")).param == "after"
    for limit in (0, 101):
        refusal(lambda: client.conversations.items.list(made.id, limit=limit))
    empty = client.conversations.items.list(client.conversations.create().id)
    assert (empty.data, empty.has_more) == ([], False)


def test_a_compaction_is_an_item_like_others(server, client):
    made = client.conversations.create()
    asks = list(get_args(ResponseIncludable))
    short = server.json("POST", "/v1/responses/compact", {"model": MODEL, "input": "hi"})[1]["output"][-1]
    (item,) = client.conversations.items.create(made.id, items=[short], include=asks).data
    assert item.type == "compaction" and item.encrypted_content == short["encrypted_content"]
    assert client.conversations.items.list(made.id, include=asks).data == [item]
    assert client.conversations.items.retrieve(item.id, conversation_id=made.id, include=asks) == item


def test_an_id_is_kept_where_it_can_be(client):
    made = client.conversations.create(items=[{**said("mine"), "id": "msg_mine"}, {**said("odd"), "id": "what is this"}])
    mine, odd = kept(client, made.id)
    assert mine.id == "msg_mine" and odd.id.startswith("msg_") and odd.id != "what is this"
    (twice,) = client.conversations.items.create(made.id, items=[{**said("again"), "id": "msg_mine"}]).data
    assert twice.id != "msg_mine"
    client.conversations.items.delete("msg_mine", conversation_id=made.id)
    (back,) = client.conversations.items.create(made.id, items=[{**said("back"), "id": "msg_mine"}]).data
    assert texts(kept(client, made.id)) == ["odd", "again", "back"]
    assert client.conversations.items.retrieve(back.id, conversation_id=made.id).content[0].text == "back"


def test_what_is_wrong_is_named(server, client):
    made = client.conversations.create()
    path = f"/v1/conversations/{made.id}"
    for method, where, body, param in [
        ("POST", "/v1/conversations", {"items": [said("x")] * 21}, "items"),
        ("POST", "/v1/conversations", {"items": "x"}, "items"),
        ("POST", "/v1/conversations", {"metadata": {"a": 1}}, "metadata.a"),
        ("POST", "/v1/conversations", {"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ("POST", "/v1/conversations", {"name": "x"}, "name"),
        ("POST", "/v1/conversations", {"items": [RESULT]}, "items"),
        ("POST", path, {}, "metadata"),
        ("POST", f"{path}/items", {}, "items"),
        ("POST", f"{path}/items", {"items": [said("x")] * 21}, "items"),
        ("POST", f"{path}/items", {"items": [{"role": "king", "content": "x"}]}, "items[0].role"),
        ("POST", f"{path}/items", {"items": [said("x"), {"type": "item_reference", "id": "msg_no"}]}, "items[1].id"),
        ("POST", f"{path}/items", {"items": [said("x"), RESULT]}, "items"),
        ("POST", f"{path}/items?include=everything", {"items": []}, "include"),
        ("GET", f"{path}/items?include=everything", None, "include"),
        ("GET", f"{path}/items?after=msg_no", None, "after"),
    ]:
        status, told = server.json(method, where, body)
        named = told["error"]["param"]
        assert status in (400, 404) and named is not None and named.startswith(param), (method, where, body, told)
    assert kept(client, made.id) == []
    (once,) = client.conversations.items.create(made.id, items=[said("x")]).data
    assert client.conversations.items.delete(once.id, conversation_id=made.id) == made
    for item in (once.id, "msg_no", "x" * 300, "%2F"):
        for method in ("GET", "DELETE"):
            status, told = server.json(method, f"{path}/items/{item}")
            assert status == 404 and told["error"]["message"], (method, item, told)
    for identity in ("conv_no", "conv_" + "0" * 24, made.id.replace("conv_", "sess_"), "x" * 300):
        assert server.json("GET", f"/v1/conversations/{identity}")[0] == 404
    assert server.request("PATCH", path)[0] == 405


def test_who_may_see_it(server, client):
    made = client.conversations.create(items=[said("secret")])
    stranger = server.client(server.create_key("--project", "elsewhere")[0])
    unknown = "conv_" + "0" * 24
    for identity in (made.id, unknown):
        wrong = refusal(lambda: stranger.conversations.retrieve(identity), 404)
        assert wrong.body["message"] == f"Conversation with id '{identity}' not found."
    refusal(lambda: stranger.conversations.items.list(made.id), 404)
    refusal(lambda: stranger.conversations.delete(made.id), 404)
    refusal(lambda: stranger.responses.create(model=MODEL, input="x", conversation=made.id), 404)
    reader = server.client(server.create_key("--scopes", "api.responses.read")[0])
    assert texts(reader.conversations.items.list(made.id).data) == ["secret"]
    refusal(lambda: reader.conversations.items.create(made.id, items=[said("x")]), 403)
    refusal(lambda: reader.conversations.delete(made.id), 403)


# ---- responses in a conversation

def test_a_response_is_added_to_its_conversation(server, client):
    made = client.conversations.create(items=[said("before")])
    first = client.responses.create(model=MODEL, input="say one", conversation=made.id)
    assert (first.output_text, first.conversation.id) == ("one", made.id)
    second = client.responses.create(model=MODEL, input="hello", conversation={"id": made.id})
    items = kept(client, made.id)
    assert texts(items) == ["before", "say one", "one", "hello", "echo: hello"]
    assert items[2].id == first.output[0].id and items[4].id == second.output[0].id
    told = client.responses.retrieve(second.id)
    assert told.conversation.id == made.id and told.previous_response_id is None
    assert texts(client.responses.input_items.list(second.id).data) == ["hello"]
    # A response that is deleted leaves what it said.
    client.responses.delete(second.id)
    assert len(kept(client, made.id)) == 5
    both = refusal(
        lambda: client.responses.create(model=MODEL, input="x", conversation=made.id, previous_response_id=first.id)
    )
    assert "Mutually exclusive" in both.body["message"]
    for wrong in ("conv_no", first.id, made.id.replace("conv_", "sess_")):
        assert refusal(lambda: client.responses.create(model=MODEL, input="x", conversation=wrong), 404).param == "conversation"


def test_the_model_sees_the_conversation(tmp_path, upstream):
    with Server(tmp_path, config=UPSTREAM.format(base=upstream.base)) as server:
        client = server.client()
        made = client.conversations.create(items=[said("one"), said("two"), CALL, RESULT])
        first = client.responses.create(model="shown", input="three", conversation=made.id)
        assert first.output_text == "one | two | three"
        assert [message["role"] for message in upstream.asked[-1]["body"]["messages"]] == ["user"] * 2 + [
            "assistant", "tool", "user",
        ]
        two, call = [item.id for item in kept(client, made.id)][1:3]
        client.conversations.items.delete(two, conversation_id=made.id)
        client.conversations.items.delete(call, conversation_id=made.id)
        for store in (True, False):
            client.responses.create(model="shown", input="four", conversation=made.id, store=store)
            told = upstream.asked[-1]["body"]["messages"]
            assert "tool" not in [message["role"] for message in told], "a result without its call"
            heard = [message["content"] for message in told if message["role"] == "user"]
            assert heard == ["one", "three", "four"] + ["four"] * (not store)
        assert texts(kept(client, made.id))[-2:] == ["four", "one | three | four"], "what is not stored is not added"


def test_a_response_is_streamed_into_its_conversation(client):
    made = client.conversations.create()
    with client.responses.stream(model=MODEL, input="slow 5 a b c", conversation=made.id) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    assert final.conversation.id == made.id
    assert texts(kept(client, made.id)) == ["slow 5 a b c", "a b c"]


def test_a_call_waits_in_the_conversation(client):
    made = client.conversations.create()
    first = client.responses.create(model=MODEL, input="call lookup {}\nsay done", tools=[TOOL], conversation=made.id)
    call = first.output[0]
    wrong = refusal(lambda: client.responses.create(model=MODEL, input="well?", conversation=made.id))
    assert wrong.body["message"] == f"No tool output found for function call {call.call_id}." and wrong.param == "input"
    client.conversations.items.create(made.id, items=[{**RESULT, "call_id": call.call_id}])
    second = client.responses.create(model=MODEL, input=[], tools=[TOOL], conversation=made.id)
    assert second.output_text == "done"
    assert texts(kept(client, made.id))[1:] == ["function_call", "function_call_output", "done"]


@pytest.mark.parametrize("store", [True, False])
def test_half_of_a_pair_is_taken_out(client, store):
    """The other half stands there and is shown to no model, until a result is brought again."""
    made = client.conversations.create(items=[said("hi"), CALL, RESULT, {**CALL, "call_id": "c2"}])
    _, call, result, open_call = kept(client, made.id)
    refused = refusal(lambda: client.responses.create(model=MODEL, input="x", conversation=made.id, store=store))
    assert refused.body["message"] == "No tool output found for function call c2."
    # A call that waits no more asks for nothing, and takes nothing.
    client.conversations.items.delete(open_call.id, conversation_id=made.id)
    late = refusal(lambda: client.conversations.items.create(made.id, items=[{**RESULT, "call_id": "c2"}]))
    assert late.body["message"] == "No tool call found for function call output with call_id c2."
    client.conversations.items.delete(result.id, conversation_id=made.id)
    assert client.responses.create(model=MODEL, input="say on", conversation=made.id, store=store).output_text == "on"
    (again,) = client.conversations.items.create(made.id, items=[{**RESULT, "output": "two"}]).data
    assert again.id != result.id
    refusal(lambda: client.conversations.items.create(made.id, items=[RESULT]))
    client.conversations.items.delete(call.id, conversation_id=made.id)
    assert client.responses.create(model=MODEL, input="say on", conversation=made.id, store=store).output_text == "on"
    assert again.id in [item.id for item in kept(client, made.id)]


def test_a_response_of_a_conversation_is_continued_beside_it(client):
    """`previous_response_id` goes on from the response; the conversation does not hear of it."""
    made = client.conversations.create()
    first = client.responses.create(model=MODEL, input="one", conversation=made.id)
    second = client.responses.create(model=MODEL, input="two", previous_response_id=first.id)
    assert (second.conversation, client.responses.retrieve(second.id).conversation) == (None, None)
    assert texts(kept(client, made.id)) == ["one", "echo: one"]
    third = client.responses.create(model=MODEL, input="three", conversation=made.id)
    assert texts(kept(client, made.id)) == ["one", "echo: one", "three", "echo: three"]
    client.conversations.delete(made.id)
    assert client.responses.create(model=MODEL, input="more", previous_response_id=second.id).output_text == "echo: more"
    refusal(lambda: client.responses.retrieve(third.id), 404)


def test_one_thing_at_a_time(client):
    made = client.conversations.create(items=[said("hi")])
    (hi,) = kept(client, made.id)
    running = client.responses.create(model=MODEL, input="slow 500 a b c d e f", conversation=made.id, background=True)
    for call in (
        lambda: client.responses.create(model=MODEL, input="x", conversation=made.id),
        lambda: client.responses.create(model=MODEL, input="x", conversation=made.id, store=False),
        lambda: client.conversations.items.create(made.id, items=[said("x")]),
        lambda: client.conversations.items.delete(hi.id, conversation_id=made.id),
        lambda: client.conversations.delete(made.id),
    ):
        locked = refusal(call)
        assert locked.code == "conversation_locked", locked.body
    # Reading and naming it harm nobody.
    assert texts(kept(client, made.id)) == ["hi", "slow 500 a b c d e f"]
    client.conversations.update(made.id, metadata={"while": "it runs"})
    assert client.responses.cancel(running.id).status == "cancelled"
    assert finished(client, running.id).conversation.id == made.id
    client.conversations.items.create(made.id, items=[said("x")])
    assert client.conversations.retrieve(made.id).metadata == {"while": "it runs"}


def test_many_at_once_lose_nothing(client):
    made = client.conversations.create()
    added, lock = [], threading.Lock()

    def go(name):
        for n in range(5):
            while True:
                try:
                    if name % 2:
                        client.conversations.items.create(made.id, items=[said(f"{name}.{n}")])
                    else:
                        client.responses.create(model=MODEL, input=f"{name}.{n}", conversation=made.id)
                except openai.BadRequestError as error:
                    assert error.code == "conversation_locked"
                    continue
                break
            with lock:
                added.append(f"{name}.{n}")

    threads = [threading.Thread(target=go, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = texts(kept(client, made.id))
    assert sorted(text for text in found if not text.startswith("echo: ")) == sorted(added) and len(added) == 20
    for place, text in enumerate(found):
        if text.startswith("echo: "):
            assert found[place - 1] == text.removeprefix("echo: "), "an answer stands behind its question"


@pytest.mark.soak(120)
def test_a_conversation_outlives_a_kill(tmp_path):
    with Server(tmp_path) as server:
        client = server.client()
        made = client.conversations.create(items=[said("hi"), said("gone")], metadata={"a": "b"})
        client.conversations.items.delete(kept(client, made.id)[1].id, conversation_id=made.id)
        body = {"model": MODEL, "input": "slow 3 a b c d e", "conversation": made.id, "background": True, "stream": True}
        with RawStream(server.port, "POST", "/v1/responses", body) as stream:
            identity = next(iter(stream))["response"]["id"]
            server.kill()
        server.start()
        assert finished(client, identity).output_text == "a b c d e"
        assert client.conversations.retrieve(made.id) == made
        assert texts(kept(client, made.id)) == ["hi", "slow 3 a b c d e", "a b c d e"]


# ---- openai-agents

@pytest.fixture
def agents():
    import agents

    agents.set_tracing_disabled(True)
    return agents


def open_ai(server):
    return openai.AsyncOpenAI(base_url=server.base, api_key=KEY, max_retries=0, timeout=30)


def clerk(agents, client, asked, transport="http"):
    from agents.models.openai_responses import OpenAIResponsesWSModel

    @agents.function_tool
    def weather(city: str) -> str:
        asked.append(city)
        return f"Rain in {city}"

    kind = agents.OpenAIResponsesModel if transport == "http" else OpenAIResponsesWSModel
    model = kind(model=MODEL, openai_client=client)
    return agents.Agent(name="Clerk", instructions="Be brief.", model=model, tools=[weather])


SCRIPT = 'call weather {"city":"Oslo"} & call weather {"city":"Rome"}\nsay It rains.'
ROUND = ["message", "function_call", "function_call", "function_call_output", "function_call_output", "message"]


@pytest.mark.parametrize("transport", ["http", "websocket"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_session_of_an_agent(agents, server, streamed, transport):
    async def run():
        client, asked = open_ai(server), []
        agent, session = clerk(agents, client, asked, transport), agents.OpenAIConversationsSession(openai_client=client)
        if streamed:
            result = agents.Runner.run_streamed(agent, SCRIPT, session=session)
            async for _ in result.stream_events():
                pass
        else:
            result = await agents.Runner.run(agent, SCRIPT, session=session)
        assert result.final_output == "It rains." and sorted(asked) == ["Oslo", "Rome"]
        items = await session.get_items()
        assert [item["type"] for item in items] == ROUND
        again = await agents.Runner.run(agent, "and now?", session=session)
        assert again.final_output == "echo: and now?"
        await session.add_items([{"role": "user", "content": f"n{n}"} for n in range(45)])
        items = await session.get_items()
        assert [item["content"][0]["text"] for item in items[-46:]] == ["echo: and now?"] + [f"n{n}" for n in range(45)]
        assert [item["content"][0]["text"] for item in await session.get_items(limit=2)] == ["n43", "n44"]
        assert (await session.pop_item())["content"][0]["text"] == "n44"
        assert len(await session.get_items()) == len(items) - 1
        identity = session.session_id
        await session.clear_session()
        assert await session.get_items() == [] and session.session_id != identity

    asyncio.run(run())


def test_a_session_gives_back_what_it_popped(agents, server):
    """openai-agents takes items from the end of a session and puts them there again when a run must be repeated."""
    async def run():
        client, asked = open_ai(server), []
        agent, session = clerk(agents, client, asked), agents.OpenAIConversationsSession(openai_client=client)
        await agents.Runner.run(agent, SCRIPT, session=session)
        for count in range(1, len(ROUND)):
            whole = await session.get_items()
            popped = [await session.pop_item() for _ in range(count)]
            assert len(await session.get_items()) == len(ROUND) - count
            await session.add_items(popped[::-1])
            back = await session.get_items()
            plain = [[{key: item[key] for key in item if key != "id"} for item in items] for items in (whole, back)]
            assert plain[0] == plain[1]
            asked.clear()
        result = await agents.Runner.run(agent, "go on", session=session)
        assert result.final_output == "echo: go on" and asked == []

    asyncio.run(run())


@pytest.mark.soak(120)
@pytest.mark.parametrize("kind", ["session", "conversation_id"])
def test_an_agent_goes_on_after_a_kill(agents, tmp_path, kind):
    async def run(server, identity, text):
        client, asked = open_ai(server), []
        agent = clerk(agents, client, asked)
        if kind == "session":
            session = agents.OpenAIConversationsSession(openai_client=client, conversation_id=identity)
            result = await agents.Runner.run(agent, text, session=session)
            return session.session_id, result.final_output
        identity = identity or (await client.conversations.create()).id
        result = await agents.Runner.run(agent, text, conversation_id=identity)
        return identity, result.final_output

    with Server(tmp_path) as server:
        identity, said = asyncio.run(run(server, None, SCRIPT))
        assert said == "It rains."
        server.kill()
        server.start()
        assert asyncio.run(run(server, identity, "and now?")) == (identity, "echo: and now?")
        items = kept(server.client(), identity)
        assert [item.type for item in items] == ROUND + ["message", "message"]
