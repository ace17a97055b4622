"""Chat Completions through the unmodified SDK: whole and streamed, tools, forms, choices, refusals; and what becomes of a
completion when its server, its model or its client goes away in the middle."""
import base64
import json
import threading

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from liar import Liar, call, chunk, end, entry, text
from server import CONFIG, KEY, RawStream, Server

LOOKUP = {
    "type": "function",
    "function": {
        "name": "lookup",
        "description": "Looks something up.",
        "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    },
}
PATH = "/v1/chat/completions"


def user(content):
    return {"role": "user", "content": content}


def ask(client, content, **more):
    return client.chat.completions.create(model="scripted", messages=[user(content)], **more)


def said(completion):
    (choice,) = completion.choices
    return choice.message.content


def stream_text(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def sessions_of(server):
    """Sessions of the Agents API: those of other doors are none."""
    status, page = server.json("GET", "/v1/agents/sessions?limit=100")
    assert status == 200
    return {session["id"] for session in page["data"]}


# ---- answers


def test_a_completion_has_all_that_the_original_says(client):
    completion = ask(client, "say well, hello", service_tier="flex")
    assert completion.id.startswith("chatcmpl-") and completion.object == "chat.completion"
    assert completion.model == "scripted" and completion.created > 1_700_000_000
    (choice,) = completion.choices
    assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "stop", None)
    assert (choice.message.role, choice.message.content, choice.message.refusal) == ("assistant", "well, hello", None)
    assert choice.message.annotations == [] and choice.message.tool_calls is None
    usage = completion.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens and usage.completion_tokens > 0
    assert usage.completion_tokens_details.reasoning_tokens == 0 and usage.prompt_tokens_details.cached_tokens == 0
    assert completion.service_tier == "flex" and completion.system_fingerprint is None


def test_a_stream_says_the_same_in_pieces(client):
    chunks = list(ask(client, "slow 5 one two three four five", stream=True, stream_options={"include_usage": True}))
    assert {chunk.id for chunk in chunks} == {chunks[0].id} and chunks[0].id.startswith("chatcmpl-")
    assert chunks[0].choices[0].delta.role == "assistant"
    assert stream_text(chunks) == "one two three four five"
    assert len(chunks) > 4
    *rest, last, usage = chunks
    assert last.choices[0].finish_reason == "stop" and usage.choices == []
    assert usage.usage.total_tokens > 0 and all(chunk.usage is None for chunk in rest)
    bare = list(ask(client, "say hi", stream=True))
    assert bare[-1].choices[0].finish_reason == "stop" and all(chunk.usage is None for chunk in bare)


def test_the_wire_of_a_stream(server):
    body = {"model": "scripted", "messages": [user("say hi")], "stream": True}
    status, headers, whole = server.request("POST", PATH, body)
    assert status == 200 and headers["content-type"].startswith("text/event-stream")
    frames = whole.decode().split("\n\n")
    assert frames[-2:] == ["data: [DONE]", ""]
    assert all(frame.startswith("data: ") for frame in frames[:-1])


def test_the_streaming_helper(client):
    with client.chat.completions.stream(model="scripted", messages=[user("slow 3 abc def")]) as stream:
        kinds = [event.type for event in stream]
        completion = stream.get_final_completion()
    assert kinds.count("content.done") == 1 and kinds.count("content.delta") >= 3
    assert completion.choices[0].message.content == "abc def"


class Answer(BaseModel):
    city: str
    degrees: int


def test_an_answer_becomes_a_pydantic_model(client):
    completion = client.chat.completions.parse(
        model="scripted", messages=[user('json {"city": "Oslo", "degrees": -3}')], response_format=Answer
    )
    assert completion.choices[0].message.parsed == Answer(city="Oslo", degrees=-3)
    script = user('call Answer {"city": "Rome", "degrees": 30}')
    completion = client.chat.completions.parse(
        model="scripted", messages=[script], tools=[openai.pydantic_function_tool(Answer)]
    )
    (called,) = completion.choices[0].message.tool_calls
    assert called.function.parsed_arguments == Answer(city="Rome", degrees=30)


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_there_and_back(client, streamed):
    script = user('call lookup {"n": 1.0} & call lookup {"n":2}\nsay both are there')
    more = {"model": "scripted", "tools": [LOOKUP]}
    if streamed:
        with client.chat.completions.stream(messages=[script], **more) as stream:
            events = list(stream)
            completion = stream.get_final_completion()
        assert any(event.type == "tool_calls.function.arguments.done" for event in events)
    else:
        completion = client.chat.completions.create(messages=[script], **more)
    (choice,) = completion.choices
    assert choice.finish_reason == "tool_calls" and choice.message.content in (None, "")
    first, second = choice.message.tool_calls
    assert (first.type, first.function.name) == ("function", "lookup") and first.id != second.id
    # To the letter, as the model wrote it.
    assert (first.function.arguments, second.function.arguments) == ('{"n": 1.0}', '{"n":2}')
    results = [{"role": "tool", "tool_call_id": c.id, "content": f"result {c.function.arguments}"} for c in (second, first)]
    asked = {"role": "assistant", "tool_calls": [
        {"id": c.id, "type": "function", "function": {"name": c.function.name, "arguments": c.function.arguments}}
        for c in (first, second)
    ]}
    completion = client.chat.completions.create(messages=[script, asked, *results], **more)
    assert said(completion) == "both are there" and completion.choices[0].finish_reason == "stop"


def test_functions_as_they_once_were(client):
    script = user('call lookup {"n":1}\nsay done')
    functions = [LOOKUP["function"]]
    completion = client.chat.completions.create(model="scripted", messages=[script], functions=functions)
    (choice,) = completion.choices
    assert choice.finish_reason == "function_call" and choice.message.tool_calls is None
    assert choice.message.function_call.name == "lookup" and choice.message.function_call.arguments == '{"n":1}'
    asked = {"role": "assistant", "content": None, "function_call": choice.message.function_call.to_dict()}
    result = {"role": "function", "name": "lookup", "content": "1"}
    completion = client.chat.completions.create(
        model="scripted", messages=[script, asked, result], functions=functions
    )
    assert said(completion) == "done"


def test_a_custom_tool_takes_free_text(client):
    tool = {"type": "custom", "custom": {"name": "shout", "description": "Says it aloud."}}
    script = user("call shout hello, world\nsay shouted")
    completion = client.chat.completions.create(model="scripted", messages=[script], tools=[tool])
    (called,) = completion.choices[0].message.tool_calls
    assert called.type == "custom" and (called.custom.name, called.custom.input) == ("shout", "hello, world")
    history = [script, {"role": "assistant", "tool_calls": [called.to_dict()]}]
    history.append({"role": "tool", "tool_call_id": called.id, "content": "ok"})
    assert said(client.chat.completions.create(model="scripted", messages=history, tools=[tool])) == "shouted"


def test_several_choices(client):
    completion = ask(client, "say the same", n=3)
    assert [choice.index for choice in completion.choices] == [0, 1, 2]
    assert {choice.message.content for choice in completion.choices} == {"the same"}
    alone = ask(client, "say the same")
    assert completion.usage.completion_tokens == 3 * alone.usage.completion_tokens
    texts = ["", ""]
    ends = []
    for chunk in ask(client, "slow 3 abc", n=2, stream=True):
        (choice,) = chunk.choices
        texts[choice.index] += choice.delta.content or ""
        ends += [choice.finish_reason] if choice.finish_reason else []
    assert (texts, ends) == (["abc", "abc"], ["stop", "stop"])


def test_bounds_on_an_answer(client):
    stopped = ask(client, "say one two three", stop=["three", " two"])
    assert (said(stopped), stopped.choices[0].finish_reason) == ("one", "stop")
    cut = ask(client, "say one two three", max_completion_tokens=2)
    assert (said(cut), cut.choices[0].finish_reason) == ("one two ", "length")
    chunks = list(ask(client, "say one two three", max_tokens=1, stream=True))
    assert (stream_text(chunks), chunks[-1].choices[0].finish_reason) == ("one ", "length")


def test_messages_of_all_roles_reach_the_model(client):
    completion = client.chat.completions.create(model="scripted", messages=[
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        user("hello"),
        {"role": "assistant", "content": "Hi.", "refusal": None, "annotations": []},
        {"role": "user", "content": [{"type": "text", "text": "say thanks"}], "name": "ada"},
    ])
    assert said(completion) == "thanks"


def test_what_is_not_kept(server, client):
    before = sessions_of(server)
    assert said(ask(client, "say kept", store=True)) == "kept"
    assert said(ask(client, "say gone", store=False)) == "gone"
    assert stream_text(list(ask(client, "slow 3 gone too", store=False, stream=True))) == "gone too"
    assert sessions_of(server) == before
    status, _ = server.json("GET", PATH)
    assert status in (404, 405)


def test_many_at_once(server):
    import asyncio

    async def run():
        async with AsyncOpenAI(base_url=server.base, api_key=KEY) as client:
            async def one(n):
                chunks = await client.chat.completions.create(
                    model="scripted", messages=[user(f"slow 3 number {n}")], stream=True
                )
                return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])
            return await asyncio.gather(*(one(n) for n in range(40)))

    assert asyncio.run(run()) == [f"number {n}" for n in range(40)]


# ---- other clients


def test_langchain(server):
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model="scripted", base_url=server.base, api_key=KEY, max_retries=0)
    whole = model.invoke([("system", "Be brief."), ("human", "say hi")])
    assert whole.content == "hi" and whole.usage_metadata["total_tokens"] > 0
    assert "".join(chunk.content for chunk in model.stream("slow 3 one two")) == "one two"
    assert model.with_structured_output(Answer).invoke('json {"city": "Oslo", "degrees": 1}') == Answer(city="Oslo", degrees=1)
    with_tools = model.bind_tools([LOOKUP])
    script = ("human", 'call lookup {"n":1}\nsay done')
    called = with_tools.invoke([script])
    assert [(call["name"], call["args"]) for call in called.tool_calls] == [("lookup", {"n": 1})]
    result = {"role": "tool", "tool_call_id": called.tool_calls[0]["id"], "content": "1"}
    assert with_tools.invoke([script, called, result]).content == "done"


def test_litellm(server):
    """It is large, so it is no part of the requirements: who has it installed tests it."""
    litellm = pytest.importorskip("litellm")
    more = {"model": "openai/scripted", "api_base": server.base, "api_key": KEY}
    assert litellm.completion(messages=[user("say hi")], **more).choices[0].message.content == "hi"
    chunks = litellm.completion(messages=[user("slow 3 one two")], stream=True, **more)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one two"
    called = litellm.completion(messages=[user('call lookup {"n":1}')], tools=[LOOKUP], **more)
    assert called.choices[0].message.tool_calls[0].function.arguments == '{"n":1}'


# ---- refusals


@pytest.mark.parametrize("more, param, message", [
    ({"temperature": 3}, "temperature", "decimal above maximum value"),
    ({"n": 0}, "n", "integer below minimum value"),
    ({"extra_body": {"nonsense": 1}}, "nonsense", "Unknown parameter: 'nonsense'."),
    ({"tool_choice": "auto"}, "tool_choice", "only allowed when 'tools' are specified"),
    ({"top_logprobs": 2}, "top_logprobs", "only allowed when 'logprobs' is enabled"),
    ({"logprobs": True}, "logprobs", "knows no probabilities"),
    ({"logit_bias": {"50256": -100}}, "logit_bias", "not available"),
    ({"modalities": ["text", "audio"]}, "modalities[1]", "not available"),
    ({"response_format": {"type": "json_object"}}, "messages", "must contain the word 'json'"),
    (
        {"tools": [{"type": "custom", "custom": {"name": "c", "format": {
            "type": "grammar", "grammar": {"syntax": "regex", "definition": "a"}}}}]},
        "tools[0].custom.format", "grammar",
    ),
])
@pytest.mark.parametrize("streamed", [False, True])
def test_bad_settings_are_refused(client, more, param, message, streamed):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, "say hi", stream=streamed, **more)
    assert refused.value.param == param and message in refused.value.message
    assert refused.value.type == "invalid_request_error"


def test_bad_messages_are_refused(client):
    def refused(*messages):
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(model="scripted", messages=list(messages))
        return refused.value.param, refused.value.message

    asked = {"role": "assistant", "tool_calls": [
        {"id": "call_a", "type": "function", "function": {"name": "lookup", "arguments": "{}"}},
    ]}
    result = {"role": "tool", "tool_call_id": "call_a", "content": "1"}
    param, message = refused(user("hi"), result)
    assert param == "messages.[1].role" and "must be a response to a preceeding message" in message
    param, message = refused(user("hi"), asked, user("go on"))
    assert param == "messages" and message.endswith("call_a")
    assert refused({"role": "robot", "content": ""})[0] == "messages[0].role"
    file = {"type": "file", "file": {"file_id": "file-000000000000000000000000"}}
    assert refused(user([file]))[0] == "messages[0].content[0].file.file_id"


def test_an_unknown_model_is_a_404(client):
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="nobody", messages=[user("hi")])
    assert refused.value.code == "model_not_found" and refused.value.param == "model"


@pytest.mark.parametrize("status, kind", [(400, openai.BadRequestError), (401, openai.InternalServerError)])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_model_that_fails_is_an_error(client, status, kind, streamed):
    with pytest.raises(kind):
        ask(client, f"fail {status} 9", stream=streamed)


def test_a_key_needs_the_scope(server):
    key, _ = server.create_key("--scopes", "api.files.read")
    with pytest.raises(openai.PermissionDeniedError):
        ask(server.client(key), "say hi")
    key, _ = server.create_key("--scopes", "api.responses.write")
    assert said(ask(server.client(key), "say hi")) == "hi"
    with pytest.raises(openai.AuthenticationError):
        ask(server.client("sk-wrong"), "say hi")


# ---- the same request again


def test_a_key_pays_once(server, client):
    body = {"model": "scripted", "messages": [user("say once")]}
    headers = {"Idempotency-Key": "chat-once"}
    status, first = server.json("POST", PATH, body, headers)
    assert (status, server.json("POST", PATH, body, headers)) == (200, (200, first))
    streamed = {**body, "stream": True}
    status, refused = server.json("POST", PATH, streamed, headers)
    assert status == 409 and "Idempotency-Key" in refused["error"]["message"]
    several = {**body, "n": 2}
    status, first = server.json("POST", PATH, several, {"Idempotency-Key": "chat-twice"})
    assert status == 200 and server.json("POST", PATH, several, {"Idempotency-Key": "chat-twice"}) == (200, first)
    assert server.json("POST", PATH, body)[1]["id"] != server.json("POST", PATH, body)[1]["id"]


# ---- with a model server of our own


def model_of(upstream, **more):
    return CONFIG + entry("openai-chat", upstream.base, **more)


def test_what_the_upstream_is_asked(tmp_path):
    def behave(asked, says):
        says.stream(*text(asked, "fine"), *end(asked))

    png = "data:image/png;base64,iVBORw0KGgo="
    form = {"type": "json_schema", "json_schema": {"name": "form", "schema": {"type": "object"}, "strict": False}}
    tool = {"type": "custom", "custom": {"name": "free"}}
    with Liar(behave) as upstream, Server(tmp_path, model_of(upstream)) as server:
        client = server.client()
        uploaded = client.files.create(file=("b.txt", b"two"), purpose="user_data")
        client.chat.completions.create(
            model="liar", temperature=0.7, top_p=0.5, presence_penalty=1, frequency_penalty=-1.5, seed=-5, stop="END",
            max_tokens=9, response_format=form, parallel_tool_calls=False, tools=[LOOKUP, tool], reasoning_effort="low",
            tool_choice={"type": "function", "function": {"name": "lookup"}},
            messages=[
                {"role": "system", "content": "Be brief."},
                user([
                    {"type": "text", "text": "look"},
                    {"type": "image_url", "image_url": {"url": png}},
                    {"type": "file", "file": {"file_data": base64.b64encode(b"one").decode(), "filename": "a.txt"}},
                    {"type": "file", "file": {"file_id": uploaded.id}},
                ]),
                {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "free", "input": "x"}}]},
                {"role": "tool", "tool_call_id": "c", "content": "y"},
            ],
        )
        (asked,) = upstream.asked
    sampling = {key: asked[key] for key in ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "stop")}
    assert sampling == {
        "temperature": 0.7, "top_p": 0.5, "presence_penalty": 1, "frequency_penalty": -1.5, "seed": -5, "stop": ["END"],
    }
    assert asked["max_tokens"] == 9 and asked["response_format"] == form and asked["reasoning_effort"] == "low"
    assert asked["tool_choice"]["function"]["name"] == "lookup" and asked["parallel_tool_calls"] is False
    assert [tool["function"]["name"] for tool in asked["tools"]] == ["lookup", "free"]
    system, look, called, result = asked["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert look["content"][1] == {"type": "image_url", "image_url": {"url": png}}
    one, two = (part["file"] for part in look["content"][2:])
    assert one["filename"] == "a.txt" and base64.b64decode(one["file_data"].split(",")[1]) == b"one"
    assert two["filename"] == "b.txt" and base64.b64decode(two["file_data"].split(",")[1]) == b"two"
    assert json.loads(called["tool_calls"][0]["function"]["arguments"]) == {"input": "x"}
    assert result == {"role": "tool", "tool_call_id": "c", "content": "y"}


def test_probabilities_where_the_upstream_has_them(tmp_path):
    likely = {"token": "hi", "logprob": -0.25, "bytes": [104, 105], "top_logprobs": [
        {"token": "hi", "logprob": -0.25, "bytes": [104, 105]}, {"token": "ho", "logprob": -1.5, "bytes": [104, 111]},
    ]}

    def behave(asked, says):
        assert asked["logprobs"] is True and asked["top_logprobs"] == 2
        word = chunk({"content": "hi"})
        word["choices"][0]["logprobs"] = {"content": [likely]}
        says.stream(word, *end(asked))

    with Liar(behave) as upstream, Server(tmp_path, model_of(upstream)) as server:
        more = {"model": "liar", "messages": [user("hi")], "logprobs": True, "top_logprobs": 2}
        whole = server.client().chat.completions.create(**more)
        assert [token.to_dict() for token in whole.choices[0].logprobs.content] == [likely]
        chunks = list(server.client().chat.completions.create(stream=True, **more))
        told = [token for chunk in chunks if chunk.choices[0].logprobs for token in chunk.choices[0].logprobs.content]
        assert [token.to_dict() for token in told] == [likely] and stream_text(chunks) == "hi"


def test_an_answer_that_breaks_off(tmp_path):
    """Before a word nobody notices; after one there is no way to take it back, and nothing is glued."""
    def behave(asked, says):
        if sum(other["messages"] == asked["messages"] for other in upstream.asked) > 1:
            return says.stream(*text(asked, "whole"), *end(asked))
        says.stream(*text(asked, "ha"))
        says.reset()

    def silent(asked, says):
        if len(upstream.asked) > 1:
            return says.stream(*text(asked, "whole"), *end(asked))
        says.refuse(503)

    with Liar(silent) as upstream, Server(tmp_path / "silent", model_of(upstream)) as server:
        chunks = list(server.client().chat.completions.create(model="liar", messages=[user("hi")], stream=True))
        assert stream_text(chunks) == "whole" and len(upstream.asked) == 2
    with Liar(behave) as upstream, Server(tmp_path / "spoke", model_of(upstream)) as server:
        client = server.client()
        heard = ""
        with pytest.raises(openai.APIError, match="broke off"):
            for piece in client.chat.completions.create(model="liar", messages=[user("spoke")], stream=True):
                heard += piece.choices[0].delta.content or ""
        assert heard == "ha"
        # Who waits for the whole is told the whole.
        assert said(client.chat.completions.create(model="liar", messages=[user("waits")])) == "whole"


@pytest.mark.parametrize("store", [True, False])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_that_goes_away_stops_the_model(tmp_path, store, streamed):
    asked_for, gone = threading.Event(), threading.Event()

    def behave(asked, says):
        says.stream(*text(asked, "never ending"))
        asked_for.set()
        says.hang()
        gone.set()

    with Liar(behave) as upstream, Server(tmp_path, model_of(upstream)) as server:
        body = {"model": "liar", "messages": [user("hi")], "stream": streamed, "store": store}
        if streamed:
            with RawStream(server.port, "POST", PATH, body) as stream:
                next(iter(stream))
        else:
            with pytest.raises(openai.APITimeoutError):
                server.client(timeout=2).chat.completions.create(**body)
        assert asked_for.wait(10)
        assert gone.wait(20), "the upstream was left talking"
        assert len(upstream.asked) == 1


@pytest.mark.soak(120)
def test_a_server_that_is_killed_in_mid_stream(tmp_path):
    """The client has a torn connection, asks again under its key, and the model is not asked for it by two turns."""
    spoke = threading.Event()

    def behave(asked, says):
        if len(upstream.asked) > 1:
            return says.stream(*text(asked, "all ", "of ", "it"), *end(asked))
        says.stream(*text(asked, "half"))
        spoke.set()
        says.hang()

    with Liar(behave) as upstream, Server(tmp_path, model_of(upstream)) as server:
        body = {"model": "liar", "messages": [user("hi")], "stream": True}
        key = {"Idempotency-Key": "in the middle"}
        with RawStream(server.port, "POST", PATH, body, key) as stream:
            first = iter(stream)
            half = [next(first), next(first)]
            assert spoke.wait(10)
            server.kill()
            assert all(frame["choices"][0]["finish_reason"] is None for frame in [*half, *first])
        server.start()

        def again():
            status, _, raw = server.request("POST", PATH, body, key)
            assert status == 200
            return [json.loads(frame[6:]) for frame in raw.decode().split("\n\n") if frame and "[DONE]" not in frame]

        frames = again()
        assert "".join(frame["choices"][0]["delta"].get("content", "") for frame in frames) == "all of it"
        assert {frame["id"] for frame in frames} == {half[0]["id"]}
        assert again()[-1] == frames[-1]
        # Once before the kill, once to go on: a repeat asks nothing.
        assert len(upstream.asked) == 2
