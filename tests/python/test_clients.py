"""Other people's clients, unmodified: openai-agents, LangChain and LiteLLM with nothing but our base URL."""
import asyncio
import json

import openai
import pytest
from pydantic import BaseModel

from server import CONFIG, KEY, ROOT, Server

MODEL = "scripted"
# The name of a compaction's model must look like one of the original's, says openai-agents.
NAMED = CONFIG + """
[[model]]
name = "gpt-scripted"
provider = "script"
"""
EMBEDDING = ROOT / ".fixtures/all-MiniLM-L6-v2"
EMBEDS = NAMED + f"""
[[model]]
name = "minilm"
provider = "local"
task = "embedding"
source = "file:{EMBEDDING}"
"""


class Weather(BaseModel):
    city: str
    degrees: int


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("clients"), config=EMBEDS) as server:
        yield server


# ---- openai-agents

@pytest.fixture
def agents(served):
    """The package, told where the models are by what it offers for it: a client of its own, and no traces."""
    import agents

    agents.set_tracing_disabled(True)
    agents.set_default_openai_client(
        openai.AsyncOpenAI(base_url=served.base, api_key=KEY, max_retries=0, timeout=30), use_for_tracing=False
    )
    agents.set_default_openai_api("responses")
    return agents


def weather_tool(agents, asked):
    @agents.function_tool
    def weather(city: str) -> str:
        """The weather in a city.

        Args:
            city: Where.
        """
        asked.append(city)
        return f"Rain in {city}"

    return weather


def test_an_agent_calls_its_functions(agents):
    asked = []
    agent = agents.Agent(name="Clerk", instructions="Be brief.", model=MODEL, tools=[weather_tool(agents, asked)])
    script = 'call weather {"city":"Oslo"} & call weather {"city":"Rome"}\ncall weather {"city":"Bonn"}\nsay It rains.'
    result = asyncio.run(agents.Runner.run(agent, script))
    assert result.final_output == "It rains."
    assert sorted(asked[:2]) == ["Oslo", "Rome"] and asked[2:] == ["Bonn"]
    assert result.context_wrapper.usage.requests == 3 and result.context_wrapper.usage.total_tokens > 0


def test_an_agent_goes_on_from_its_last_response(agents, served):
    """The history stays with the server: the second call brings the new message alone."""
    async def run():
        agent = agents.Agent(name="Clerk", model=MODEL)
        first = await agents.Runner.run(agent, "say one")
        second = await agents.Runner.run(agent, "say two", previous_response_id=first.last_response_id)
        return first.last_response_id, second.last_response_id

    first, second = asyncio.run(run())
    client = served.client()
    assert client.responses.retrieve(second).previous_response_id == first
    brought = client.responses.input_items.list(second).data
    assert [item.content[0].text for item in brought] == ["say two"]


def test_one_agent_hands_over_to_another(agents):
    asked = []
    second = agents.Agent(
        name="Second", handoff_description="Knows the weather.", model=MODEL, tools=[weather_tool(agents, asked)]
    )
    first = agents.Agent(name="First", model=MODEL, handoffs=[second])
    script = 'call transfer_to_second {}\ncall weather {"city":"Oslo"}\nsay It rains.'
    result = asyncio.run(agents.Runner.run(first, script))
    assert (result.final_output, result.last_agent.name, asked) == ("It rains.", "Second", ["Oslo"])
    kinds = [item.type for item in result.new_items]
    assert kinds == [
        "handoff_call_item", "handoff_output_item", "tool_call_item", "tool_call_output_item", "message_output_item",
    ]


@pytest.mark.parametrize("api", ["responses", "chat_completions"])
def test_an_agent_is_streamed(agents, api):
    agents.set_default_openai_api(api)
    asked = []
    agent = agents.Agent(name="Clerk", model=MODEL, tools=[weather_tool(agents, asked)])

    async def run():
        result = agents.Runner.run_streamed(agent, 'call weather {"city":"Oslo"}\nslow 4 it rains in Oslo')
        return result, [event async for event in result.stream_events()]

    try:
        result, events = asyncio.run(run())
    finally:
        agents.set_default_openai_api("responses")
    deltas = [e.data.delta for e in events if e.type == "raw_response_event" and e.data.type == "response.output_text.delta"]
    assert "".join(deltas) == result.final_output == "it rains in Oslo" and len(deltas) > 1
    named = [event.name for event in events if event.type == "run_item_stream_event"]
    assert named == ["tool_called", "tool_output", "message_output_created"] and asked == ["Oslo"]


def test_an_agents_answer_has_a_type(agents):
    agent = agents.Agent(name="Clerk", model=MODEL, output_type=Weather)

    async def run():
        result = await agents.Runner.run(agent, 'json {"city":"Oslo","degrees":-3}')
        with pytest.raises(agents.ModelBehaviorError):
            await agents.Runner.run(agent, "say no JSON at all")
        return result.final_output

    assert asyncio.run(run()) == Weather(city="Oslo", degrees=-3)


@pytest.mark.parametrize("mode", ["input", "previous_response_id"])
def test_a_session_is_compacted(agents, mode):
    async def run():
        session = agents.OpenAIResponsesCompactionSession(
            session_id="s", underlying_session=agents.SQLiteSession("s"), model="gpt-scripted", compaction_mode=mode,
            should_trigger_compaction=lambda seen: len(seen["compaction_candidate_items"]) >= 2,
        )
        agent = agents.Agent(name="Clerk", model="gpt-scripted")
        kinds = []
        for said in ("say one", "say two", "say three"):
            assert (await agents.Runner.run(agent, said, session=session)).final_output == said.removeprefix("say ")
            kinds.append([item.get("type", "message") for item in await session.get_items()])
        return kinds

    first, second, third = asyncio.run(run())
    assert first == ["message"] * 2
    # After the second answer what the model said became one item, and the next run goes on from it.
    assert second.count("compaction") == 1 and third[:len(second)] == second and len(third) == len(second) + 2


def test_a_model_sees_the_rounds_that_a_client_kept(tmp_path, upstream):
    """A client that holds its own history sends call, result, call, result; a model that is shown anything else errs."""
    config = f'[[model]]\nname = "m"\nprovider = "openai-chat"\nbase_url = "{upstream.base}"\n'
    items, messages = [{"role": "user", "content": "hi"}], [{"role": "user", "content": "hi"}]
    for n in "12":
        function = {"name": "lookup", "arguments": "{}"}
        items.append({"type": "function_call", "call_id": f"c{n}", **function})
        items.append({"type": "function_call_output", "call_id": f"c{n}", "output": n})
        messages.append({"role": "assistant", "tool_calls": [{"id": f"c{n}", "type": "function", "function": function}]})
        messages.append({"role": "tool", "tool_call_id": f"c{n}", "content": n})
    with Server(tmp_path, config=config) as server:
        client = server.client()
        client.responses.create(model="m", input=items)
        client.chat.completions.create(model="m", messages=messages)
    for asked in upstream.asked:
        seen = [message.get("tool_call_id") or [call["id"] for call in message.get("tool_calls", [])]
                for message in asked["body"]["messages"]]
        assert seen == [[], ["c1"], "c1", ["c2"], "c2"]
    assert len(upstream.asked) == 2


# ---- LangChain

def chat_model(served, **more):
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model=MODEL, base_url=served.base, api_key=KEY, max_retries=0, **more)


def lookup(n: int) -> str:
    """Looks something up."""
    return str(n)


def test_langchain_on_responses(served):
    model = chat_model(served, use_responses_api=True)
    whole = model.invoke([("system", "Be brief."), ("human", "say hi")])
    assert whole.text == "hi" and whole.response_metadata["id"].startswith("resp_")
    assert whole.usage_metadata["total_tokens"] > 0
    chunks = list(model.stream("slow 3 one two three"))
    assert "".join(chunk.text for chunk in chunks) == "one two three"
    answer = model.with_structured_output(Weather).invoke('json {"city":"Oslo","degrees":1}')
    assert answer == Weather(city="Oslo", degrees=1)


@pytest.mark.parametrize("chained", [False, True])
def test_langchain_calls_tools_on_responses(served, chained):
    model = chat_model(served, use_responses_api=True, use_previous_response_id=chained).bind_tools([lookup])
    said = [("human", 'call lookup {"n":1} & call lookup {"n":2}\nsay both')]
    called = model.invoke(said)
    assert [(call["name"], call["args"]) for call in called.tool_calls] == [("lookup", {"n": 1}), ("lookup", {"n": 2})]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "1"} for call in called.tool_calls]
    done = model.invoke([*said, called, *results])
    assert done.text == "both"
    told = served.client().responses.retrieve(done.response_metadata["id"])
    assert told.previous_response_id == (called.response_metadata["id"] if chained else None)


def test_langchain_makes_vectors(served):
    from langchain_openai import OpenAIEmbeddings

    assert EMBEDDING.exists(), f"{EMBEDDING} is not there: run `cargo xtask test`, which fetches it"
    # It counts tokens with a table from the network if it is not told not to.
    model = OpenAIEmbeddings(model="minilm", base_url=served.base, api_key=KEY, check_embedding_ctx_length=False)
    near, far = model.embed_documents(["A cat sleeps on the sofa.", "The share price fell."])
    asked = model.embed_query("A kitten is resting on the couch.")

    def alike(left, right):
        return sum(a * b for a, b in zip(left, right, strict=True))

    assert len(asked) == 384 and alike(asked, near) > alike(asked, far) + 0.2


# ---- LiteLLM: too large for every run (the requirements say so), so who has it installed tests it

def test_litellm_on_responses(served):
    litellm = pytest.importorskip("litellm")
    more = {"model": f"openai/{MODEL}", "api_base": served.base, "api_key": KEY}
    whole = litellm.responses(input="say hi", **more)
    assert whole.output[0].content[0].text == "hi"
    events = list(litellm.responses(input="slow 3 one two", stream=True, **more))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "one two"
    tool = {"type": "function", "name": "lookup", "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    called = litellm.responses(input='call lookup {"n":1}', tools=[tool], **more)
    assert json.loads(called.output[0].arguments) == {"n": 1}


def test_litellm_makes_vectors(served):
    litellm = pytest.importorskip("litellm")
    made = litellm.embedding(model="openai/minilm", input=["a", "b"], api_base=served.base, api_key=KEY)
    assert [len(one["embedding"]) for one in made.data] == [384, 384]
