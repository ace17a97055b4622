"""The Responses API through the unmodified SDK: made, streamed, continued, resumed across a kill, refused."""
import json
import threading
import time

import openai
import pytest
from pydantic import BaseModel

from server import KEY, RawStream, Server
from upstream import Handler, Local

MODEL = "scripted"
TOOL = {
    "type": "function", "name": "lookup", "strict": False,
    "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}},
}
DELTA = "response.output_text.delta"


class Person(BaseModel):
    name: str
    age: int


def replay(server, identity, after=None):
    """The events of a response as its stream tells them, whole."""
    query = "" if after is None else f"&starting_after={after}"
    with RawStream(server.port, "GET", f"/v1/responses/{identity}?stream=true{query}") as stream:
        return list(stream)


def numbers(events):
    return [event["sequence_number"] for event in events]


def finished(client, identity):
    while (response := client.responses.retrieve(identity)).status in ("queued", "in_progress"):
        time.sleep(0.02)
    return response


def refusal(call, status=400):
    with pytest.raises(openai.APIStatusError) as caught:
        call()
    assert caught.value.status_code == status, caught.value
    return caught.value


# ---- one response

def test_a_response_has_every_field(server, client):
    made = client.responses.create(
        model=MODEL, input="hello", instructions="be brief", metadata={"k": "v"}, temperature=0.7, tools=[TOOL],
        reasoning={"effort": "low"}, max_output_tokens=100, user="u", truncation="auto",
        text={"verbosity": "low"}, parallel_tool_calls=False,
    )
    assert (made.status, made.output_text, made.object) == ("completed", "echo: hello", "response")
    assert (made.instructions, made.metadata, made.temperature, made.user) == ("be brief", {"k": "v"}, 0.7, "u")
    assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens > 0
    status, told = server.json("GET", f"/v1/responses/{made.id}")
    assert status == 200 and told == made.to_dict(mode="json") | {
        key: told[key] for key in ("created_at", "completed_at", "presence_penalty", "frequency_penalty")
    }
    for key in (
        "id object created_at completed_at status incomplete_details model previous_response_id instructions output "
        "error tools tool_choice truncation parallel_tool_calls text top_p presence_penalty frequency_penalty "
        "top_logprobs temperature reasoning usage max_output_tokens max_tool_calls store background service_tier "
        "metadata safety_identifier prompt_cache_key"
    ).split():
        assert key in told, key
    assert isinstance(told["created_at"], int) and isinstance(told["completed_at"], int)
    assert told["tools"] == [{**TOOL, "description": None}]
    assert told["output"][0]["content"][0] == {
        "type": "output_text", "text": "echo: hello", "annotations": [], "logprobs": [],
    }


def test_a_conversation_that_the_client_keeps(client):
    made = client.responses.create(model=MODEL, input=[
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "answer", "phase": "final_answer"},
        {"type": "function_call", "call_id": "c1", "name": "lookup", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {"role": "developer", "content": [{"type": "input_text", "text": "now answer"}]},
        {"role": "user", "content": [
            {"type": "input_text", "text": "second"},
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"},
        ]},
    ])
    assert made.output_text == "echo: second"
    items = client.responses.input_items.list(made.id, order="asc").data
    kinds = [item.type for item in items]
    assert kinds == ["message"] * 3 + ["function_call", "function_call_output"] + ["message"] * 2
    assert [item.role for item in items if item.type == "message"] == ["system", "user", "assistant", "developer", "user"]


def test_what_a_client_was_given_it_may_give_back(client):
    """Clients that keep their own conversation send output items as they came."""
    first = client.responses.create(model=MODEL, input='call lookup {"n":1}\nsay done', tools=[TOOL], store=False)
    (call,) = first.output
    kept = [{"role": "user", "content": 'call lookup {"n":1}\nsay done'}, call.to_dict()]
    kept.append({"type": "function_call_output", "call_id": call.call_id, "output": "one"})
    second = client.responses.create(model=MODEL, input=kept, tools=[TOOL], store=False)
    assert second.output_text == "done"
    third = client.responses.create(
        model=MODEL, input=kept + [item.to_dict() for item in second.output] + [{"role": "user", "content": "hi"}],
    )
    assert third.output_text == "echo: hi"


def test_a_pydantic_model_is_parsed(client):
    made = client.responses.parse(model=MODEL, input='json {"name":"Ada","age":36}', text_format=Person)
    assert made.output_parsed == Person(name="Ada", age=36)
    assert made.text.format.type == "json_schema" and made.text.format.name == "Person"


# ---- streams

def test_the_streaming_helper_tells_a_response_as_it_comes(server, client):
    with client.responses.stream(model=MODEL, input="slow 5 the quick brown fox jumps") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == "the quick brown fox jumps"
    assert [event.delta for event in events if event.type == DELTA] == ["the ", "quick ", "brown ", "fox ", "jumps"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events if event.type != DELTA] == [f"response.{name}" for name in (
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.done", "content_part.done",
        "output_item.done", "completed",
    )]
    raw = replay(server, final.id)
    assert [(event["type"], event["sequence_number"]) for event in raw] == [
        (event.type, event.sequence_number) for event in events
    ]
    assert raw[-1]["response"] == server.json("GET", f"/v1/responses/{final.id}")[1]


def test_a_stream_resumes_after_any_event(server, client):
    identity = client.responses.create(model=MODEL, input="slow 3 one two three four").id
    whole = replay(server, identity)
    for after in numbers(whole):
        assert replay(server, identity, after) == [e for e in whole if e["sequence_number"] > after]
    told = [event.sequence_number for event in client.responses.retrieve(identity, stream=True, starting_after=3)]
    assert told == [number for number in numbers(whole) if number > 3]


def test_a_call_is_streamed(server, client):
    with client.responses.stream(model=MODEL, input='call lookup {"n":1}', tools=[TOOL]) as stream:
        kinds = [event.type for event in stream]
        (call,) = stream.get_final_response().output
    assert (call.name, json.loads(call.arguments)) == ("lookup", {"n": 1})
    assert kinds[2:6] == [
        "response.output_item.added", "response.function_call_arguments.delta", "response.function_call_arguments.done",
        "response.output_item.done",
    ]


def test_deltas_are_padded_unless_they_should_not_be(client):
    def deltas(**options):
        made = client.responses.create(model=MODEL, input="say one two", stream=True, **options)
        return [event.to_dict() for event in made if event.type == DELTA]

    assert all("obfuscation" in delta for delta in deltas())
    assert not any("obfuscation" in delta for delta in deltas(stream_options={"include_obfuscation": False}))


def test_an_attempt_that_broke_off_is_closed_and_told_anew(server, client):
    """The upstream's answer is torn in the middle: what was shown of it stays incomplete, and the helper goes on."""
    with client.responses.stream(model=MODEL, input="cut 3 one two three four five six") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == "one two three four five six"
    told = [event.sequence_number for event in events]
    assert told == sorted(set(told)) and told[-1] >> 24 == 1
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert [item.status for item in done] == ["incomplete", "completed"]
    whole = replay(server, final.id)
    assert numbers(whole)[:3] == [0, 1, 1 << 24 | 2]


# ---- continuing

def test_a_function_call_round_trip(client):
    first = client.responses.create(model=MODEL, input='call lookup {"n":1} & call lookup {"n":2}\nsay done', tools=[TOOL])
    assert [item.type for item in first.output] == ["function_call"] * 2
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": "fine"} for call in first.output
    ]
    missing = refusal(lambda: client.responses.create(model=MODEL, input=results[:1], previous_response_id=first.id))
    assert missing.body["message"] == f"No tool output found for function call {first.output[1].call_id}."
    assert missing.param == "input"
    second = client.responses.create(model=MODEL, input=results, tools=[TOOL], previous_response_id=first.id)
    assert (second.output_text, second.previous_response_id) == ("done", first.id)
    items = client.responses.input_items.list(second.id, order="asc").data
    assert [item.type for item in items] == ["function_call_output"] * 2


def test_an_output_needs_its_call(client):
    made = client.responses.create(model=MODEL, input="hi")
    stray = [{"type": "function_call_output", "call_id": "call_x", "output": ""}]
    for previous in ({}, {"previous_response_id": made.id}):
        wrong = refusal(lambda: client.responses.create(model=MODEL, input=stray, **previous))
        assert wrong.body["message"] == "No tool call found for function call output with call_id call_x."
        assert wrong.param == "input"


def test_a_custom_tool_gets_free_text(client):
    tool = {"type": "custom", "name": "run", "description": "runs it"}
    first = client.responses.create(model=MODEL, input='call run {"input":"print(1)"}\nsay done', tools=[tool])
    (call,) = first.output
    assert (call.type, call.name) == ("custom_tool_call", "run")
    result = [{"type": "custom_tool_call_output", "call_id": call.call_id, "output": "1"}]
    second = client.responses.create(model=MODEL, input=result, tools=[tool], previous_response_id=first.id)
    assert second.output_text == "done"


def test_instructions_are_not_carried_over(client):
    first = client.responses.create(model=MODEL, input="one", instructions="a", tools=[TOOL])
    second = client.responses.create(model=MODEL, input="two", previous_response_id=first.id)
    assert (second.instructions, second.tools) == (None, [])
    assert client.responses.retrieve(first.id).instructions == "a"


def test_two_continuations_of_one_response(client):
    """Responses are a tree: each goes on from the same place, and neither sees the other."""
    root = client.responses.create(model=MODEL, input='call lookup {"n":1}\nsay done', tools=[TOOL])
    result = [{"type": "function_call_output", "call_id": root.output[0].call_id, "output": "x"}]
    made = [None, None]

    def go(place):
        made[place] = client.responses.create(
            model=MODEL, input=result, previous_response_id=root.id, tools=[TOOL], metadata={"place": str(place)}
        )

    threads = [threading.Thread(target=go, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [response.output_text for response in made] == ["done", "done"]
    assert made[0].id != made[1].id
    for place, response in enumerate(made):
        told = client.responses.retrieve(response.id)
        assert (told.previous_response_id, told.metadata) == (root.id, {"place": str(place)})
        later = client.responses.create(model=MODEL, input="more", previous_response_id=response.id)
        assert later.output_text == "echo: more"
    assert client.responses.retrieve(root.id).output[0].type == "function_call"


def test_a_response_that_runs_cannot_be_continued(client):
    made = client.responses.create(model=MODEL, input="slow 500 a b c", background=True)
    wrong = refusal(lambda: client.responses.create(model=MODEL, input="hi", previous_response_id=made.id))
    assert wrong.param == "previous_response_id"
    client.responses.cancel(made.id)


# ---- background

def test_a_background_response_is_polled(client):
    made = client.responses.create(model=MODEL, input="slow 3 a b c", background=True)
    assert made.status in ("queued", "in_progress") and made.background and made.output == []
    assert finished(client, made.id).output_text == "a b c"


def test_a_background_response_is_cancelled(server, client):
    made = client.responses.create(model=MODEL, input="slow 500 a b c", background=True)
    assert client.responses.cancel(made.id).status == "cancelled"
    assert client.responses.cancel(made.id).status == "cancelled"
    assert client.responses.retrieve(made.id).status == "cancelled"
    assert replay(server, made.id)[-1]["response"]["status"] == "cancelled"
    sync = client.responses.create(model=MODEL, input="hi")
    wrong = refusal(lambda: client.responses.cancel(sync.id))
    assert wrong.body["message"] == "Cannot cancel a synchronous response."


def test_a_response_goes_on_when_its_client_goes_away(server, client):
    body = {"model": MODEL, "input": "slow 5 one two three", "stream": True}
    with RawStream(server.port, "POST", "/v1/responses", body) as stream:
        identity = next(iter(stream))["response"]["id"]
    assert finished(client, identity).output_text == "one two three"


@pytest.mark.soak(240)
def test_a_background_stream_resumes_across_a_kill(tmp_path):
    """Killed after each of its events in turn: what was read before and what is read after are one stream."""
    with Server(tmp_path / "killed") as server:
        body = {"model": MODEL, "input": "slow 3 one two three", "stream": True, "background": True}
        with RawStream(server.port, "POST", "/v1/responses", body) as stream:
            total = len(list(stream))
        for count in range(1, total + 1):
            read = []
            with RawStream(server.port, "POST", "/v1/responses", body) as stream:
                for event in stream:
                    read.append(event)
                    if len(read) == count:
                        break
                server.kill()
            server.start()
            identity, last = read[0]["response"]["id"], read[-1]["sequence_number"]
            rest = replay(server, identity, last)
            whole = replay(server, identity)
            assert rest == [event for event in whole if event["sequence_number"] > last], count
            durable = {event["sequence_number"]: event for event in whole}
            known = [event for event in read if event["sequence_number"] in durable]
            assert known == [durable[event["sequence_number"]] for event in known], count
            assert len(known) >= 2 or count < 2
            assert whole[-1]["response"]["output"][0]["content"][0]["text"] == "one two three"
            # Nobody's number stands twice, and what came later stands behind.
            assert numbers(read + rest) == sorted(set(numbers(read + rest)))


# ---- the rest of the routes

def test_a_deleted_response_is_unknown(server, client):
    first = client.responses.create(model=MODEL, input="one")
    second = client.responses.create(model=MODEL, input="two", previous_response_id=first.id)
    client.responses.delete(first.id)
    unknown = server.request("GET", "/v1/responses/resp_000000000000000000000000t2")
    gone = server.request("GET", f"/v1/responses/{first.id}")
    assert gone[0] == 404
    assert gone[2].replace(first.id.encode(), b"X") == unknown[2].replace(b"resp_000000000000000000000000t2", b"X")
    for call in (
        lambda: client.responses.delete(first.id),
        lambda: client.responses.cancel(first.id),
        lambda: client.responses.input_items.list(first.id),
    ):
        assert refusal(call, 404).body["message"] == f"Response with id '{first.id}' not found."
    wrong = refusal(lambda: client.responses.create(model=MODEL, input="x", previous_response_id=first.id))
    assert (wrong.code, wrong.param) == ("previous_response_not_found", "previous_response_id")
    later = client.responses.create(model=MODEL, input="three", previous_response_id=second.id)
    assert later.output_text == "echo: three"
    # Nor is what it said to be had by the item's name.
    named = [{"type": "item_reference", "id": first.output[0].id}]
    assert refusal(lambda: client.responses.create(model=MODEL, input=named), 404).param == "input[0].id"


def test_input_items_are_paged(client):
    made = client.responses.create(model=MODEL, input=[{"role": "user", "content": str(n)} for n in range(7)])
    texts = [item.content[0].text for item in client.responses.input_items.list(made.id, limit=3)]
    assert texts == [str(n) for n in reversed(range(7))]
    page = client.responses.input_items.list(made.id, limit=3, order="asc")
    assert [item.content[0].text for item in page.data] == ["0", "1", "2"] and page.has_more
    after = client.responses.input_items.list(made.id, order="asc", after=page.data[-1].id)
    assert [item.content[0].text for item in after.data] == ["3", "4", "5", "6"] and not after.has_more


def test_tokens_are_counted(client):
    short = client.responses.input_tokens.count(model=MODEL, input="hello")
    long = client.responses.input_tokens.count(model=MODEL, input="hello " * 100, instructions="be brief", tools=[TOOL])
    assert short.object == "response.input_tokens" and 0 < short.input_tokens < long.input_tokens
    made = client.responses.create(model=MODEL, input="hello " * 100)
    chained = client.responses.input_tokens.count(model=MODEL, input="hello", previous_response_id=made.id)
    assert chained.input_tokens > short.input_tokens


def test_a_conversation_is_compacted_and_goes_on(server, client):
    kept = [
        {"role": "user", "content": "first"}, {"role": "assistant", "content": "a long answer"},
        {"role": "user", "content": "say it came to this"},
    ]
    # The SDK's type of the output has no place for user messages, which the original sends: so not strictly.
    loose = openai.OpenAI(base_url=server.base, api_key=KEY, max_retries=0)
    compacted = loose.responses.compact(model=MODEL, input=kept)
    assert [item.type for item in compacted.output] == ["message", "message", "compaction"]
    assert compacted.usage.total_tokens > 0 and compacted.object == "response.compaction"
    chain = [item.to_dict() for item in compacted.output] + [{"role": "user", "content": "hi"}]
    made = client.responses.create(model=MODEL, input=chain)
    assert made.output_text == "echo: hi"
    items = client.responses.input_items.list(made.id, order="asc").data
    assert [item.type for item in items] == ["message", "message", "compaction", "message"]
    made = client.responses.create(model=MODEL, input="say fine")
    assert loose.responses.compact(model=MODEL, previous_response_id=made.id).output[-1].type == "compaction"
    status, body = server.json("POST", "/v1/responses/compact", {"input": "x"})
    assert (status, body["error"]["param"]) == (400, "model")


def test_what_is_not_stored_is_gone(client):
    made = client.responses.create(model=MODEL, input="hi", store=False)
    assert (made.output_text, made.store) == ("echo: hi", False)
    refusal(lambda: client.responses.retrieve(made.id), 404)
    wrong = refusal(lambda: client.responses.create(model=MODEL, input="x", previous_response_id=made.id))
    assert wrong.code == "previous_response_not_found"
    with client.responses.stream(model=MODEL, input="slow 3 a b c", store=False) as stream:
        assert stream.get_final_response().output_text == "a b c"


def test_a_key_makes_a_response_once(server, client):
    def create(text, key):
        return client.responses.create(model=MODEL, input=text, extra_headers={"Idempotency-Key": key})

    first = create("slow 3 a b c", "one")
    assert create("slow 3 a b c", "one").id == first.id
    assert create("slow 3 a b c", "two").id != first.id
    refusal(lambda: create("other", "one"), 409)
    stream = client.responses.create(
        model=MODEL, input="slow 3 x y z", stream=True, extra_headers={"Idempotency-Key": "three"}
    )
    told = list(stream)
    again = client.responses.create(
        model=MODEL, input="slow 3 x y z", stream=True, extra_headers={"Idempotency-Key": "three"}
    )
    assert [event.to_dict() for event in again] == [event.to_dict() for event in told]


def test_a_file_is_named_by_its_id(client):
    file = client.files.create(file=("note.txt", b"what the file says"), purpose="user_data")
    image = client.files.create(file=("dot.png", b"\x89PNG"), purpose="vision")
    made = client.responses.create(model=MODEL, input=[{"role": "user", "content": [
        {"type": "input_file", "file_id": file.id},
        {"type": "input_image", "file_id": image.id, "detail": "auto"},
        {"type": "input_text", "text": "say seen"},
    ]}])
    assert made.output_text == "seen"
    (item,) = client.responses.input_items.list(made.id).data
    assert item.content[0].filename == "note.txt"
    assert item.content[1].image_url.startswith("data:image/png;base64,")
    wrong = refusal(lambda: client.responses.create(model=MODEL, input=[
        {"role": "user", "content": [{"type": "input_file", "file_id": "file-none"}]},
    ]))
    assert wrong.param == "input[0].content[0].file_id"


# ---- what goes wrong

def test_bad_requests_are_named(server, client):
    good = {"model": MODEL, "input": "hi"}
    for change, param in [
        ({"model": None}, "model"), ({"model": ""}, "model"), ({"input": None}, "input"), ({"input": 7}, "input"),
        ({"x": 1}, "x"), ({"temperature": 3}, "temperature"), ({"top_p": -1}, "top_p"),
        ({"max_output_tokens": 1}, "max_output_tokens"), ({"top_logprobs": 21}, "top_logprobs"),
        ({"truncation": "x"}, "truncation"), ({"include": ["x"]}, "include[0]"), ({"prompt": {"id": "p"}}, "prompt"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"), ({"tools": [{"type": "mcp"}]}, "tools[0].type"),
        ({"tool_choice": "required"}, "tool_choice"), ({"text": {"format": {"type": "x"}}}, "text.format.type"),
        ({"metadata": {"k": 1}}, "metadata.k"), ({"previous_response_id": "resp_x"}, "previous_response_id"),
        ({"previous_response_id": "x", "conversation": "y"}, "previous_response_id"),
        ({"input": [{"role": "x", "content": ""}]}, "input[0].role"),
        ({"input": [{"type": "computer_call"}]}, "input[0].type"),
        ({"background": True, "store": False}, "background"), ({"stream": "yes"}, "stream"),
    ]:
        status, body = server.json("POST", "/v1/responses", {**good, **change})
        assert status == 400 and set(body["error"]) == {"message", "type", "code", "param"}, (change, status, body)
        assert body["error"]["param"] == param, (change, body)
    unknown = refusal(lambda: client.responses.create(model="nobody", input="hi"), 404)
    assert unknown.code == "model_not_found" and unknown.param == "model"


def test_queries_are_read_strictly(server, client):
    identity = client.responses.create(model=MODEL, input="hi").id
    for query in ("stream=maybe", "stream=true&starting_after=x", "stream=true&starting_after=-1", "starting_after=1"):
        status, body = server.json("GET", f"/v1/responses/{identity}?{query}")
        assert status == 400, (query, body)
    for wrong in ("resp_", "x", "resp_..", f"{identity}0", identity.upper(), "resp_" + "9" * 200):
        assert server.json("GET", f"/v1/responses/{wrong}")[0] == 404, wrong


def test_a_model_that_fails_is_an_error_of_the_request(server, client):
    for script, status in (("fail 400", 400), ("fail 429 99", 429), ("fail 503 99", 503)):
        assert refusal(lambda: client.responses.create(model=MODEL, input=script), status).body["message"]
    made = client.responses.create(model=MODEL, input="fail 400", background=True)
    failed = finished(client, made.id)
    assert (failed.status, failed.error.code) == ("failed", "invalid_prompt")
    last = list(client.responses.create(model=MODEL, input="fail 400", stream=True))[-1]
    assert (last.type, last.response.status) == ("response.failed", "failed")
    assert client.responses.retrieve(last.response.id).error.message == last.response.error.message


def test_foreign_responses_are_unknown(server, client):
    key, _ = server.create_key("--project", "elsewhere")
    identity = client.responses.create(model=MODEL, input="hi").id
    foreign = server.request("GET", f"/v1/responses/{identity}", key=key)
    assert foreign[0] == 404
    assert refusal(lambda: server.client(key).responses.create(
        model=MODEL, input="x", previous_response_id=identity)).code == "previous_response_not_found"


def test_a_key_does_what_its_scopes_say(server, client):
    reader = server.client(server.create_key("--scopes", "api.responses.read")[0])
    identity = client.responses.create(model=MODEL, input="hi").id
    assert reader.responses.retrieve(identity).id == identity
    refusal(lambda: reader.responses.create(model=MODEL, input="hi"), 403)
    other = server.client(server.create_key("--scopes", "api.agents.read,api.agents.write")[0])
    refusal(lambda: other.responses.retrieve(identity), 403)
    assert server.request("GET", f"/v1/responses/{identity}", headers={"Authorization": f"Bearer {KEY}x"})[0] == 401


def test_what_stands_behind_other_doors_is_no_response(server, client):
    key, _ = server.create_key("--scopes", "api.responses.read,api.responses.write")
    narrow = server.client(key)
    chat = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "say garnet"}])
    digits = chat.id.removeprefix("chatcmpl-")
    refusal(lambda: narrow.responses.retrieve(f"resp_{digits}t2"), 404)
    follows = {"model": MODEL, "input": "x", "previous_response_id": f"resp_{digits}t2"}
    for more in ({}, {"store": False}):
        wrong = refusal(lambda: narrow.responses.create(**follows, **more))
        assert wrong.code == "previous_response_not_found"
    asked = {"agent": {"model": MODEL}, "environment": {"type": "none"}, "input": "say garnet", "stream": True}
    with client.beta.agents.sessions.create(**asked) as stream:
        session = next(stream).session.id
        for _ in stream:
            pass
    page = client.beta.agents.sessions.items.list(session).data
    assert len(page) == 2
    for named in [f"msg_{digits}e1a1i0", *(item.id for item in page)]:
        items = [{"type": "item_reference", "id": named}]
        assert refusal(lambda: narrow.responses.create(model=MODEL, input=items), 404).param == "input[0].id"


def test_sessions_of_responses_are_in_no_list_of_agents(client):
    made = client.responses.create(model=MODEL, input="hi", metadata={"where": "responses"})
    digits = made.id.removeprefix("resp_").split("t")[0]
    assert not any(digits in session.id for session in client.beta.agents.sessions.list(limit=100).data)


# ---- an upstream that thinks

class Thinker(Local):
    """A model server of the same wire: it thinks in the open and in secret, then answers, or is cut off."""

    def __init__(self):
        self.asked = []
        owner = self

        class Thought(Handler):
            def do_POST(self):
                body = self.posted()
                owner.asked.append(body)
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                for event in owner.events(body):
                    self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())

        super().__init__(Thought)

    def events(self, body):
        cut = body.get("max_output_tokens") == 16
        thought = {"type": "reasoning", "id": "rs_up", "summary": [], "encrypted_content": "secret of the upstream"}
        answer = {"type": "message", "id": "msg_up", "role": "assistant", "status": "completed", "content": []}
        yield {"type": "response.created", "response": {"id": "resp_up", "status": "in_progress", "output": []}}
        yield {"type": "response.output_item.added", "output_index": 0, "item": {**thought, "encrypted_content": None}}
        for part, text in enumerate(["First I look. ", "Then I leap."]):
            for word in text.split(" "):
                yield {"type": "response.reasoning_summary_text.delta", "item_id": "rs_up", "output_index": 0,
                       "summary_index": part, "delta": word + " "}
        yield {"type": "response.output_item.done", "output_index": 0, "item": thought}
        yield {"type": "response.output_item.added", "output_index": 1, "item": answer}
        for delta in ("All ", "is w", "ell"):
            yield {"type": "response.output_text.delta", "item_id": "msg_up", "output_index": 1, "content_index": 0,
                   "delta": delta}
        yield {"type": "response.output_item.done", "output_index": 1, "item": answer}
        usage = {"input_tokens": 7, "input_tokens_details": {"cached_tokens": 3}, "output_tokens": 9,
                 "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 16}
        ended = {"id": "resp_up", "output": [], "usage": usage, "error": None}
        if cut:
            details = {"reason": "max_output_tokens"}
            ended = {**ended, "status": "incomplete", "incomplete_details": details}
            yield {"type": "response.incomplete", "response": ended}
        else:
            yield {"type": "response.completed", "response": {**ended, "status": "completed"}}


@pytest.fixture(scope="module")
def thinker(tmp_path_factory):
    with Thinker() as upstream:
        config = f"""
[[model]]
name = "thinker"
provider = "openai-responses"
base_url = "{upstream.base}"
"""
        with Server(tmp_path_factory.mktemp("thinker"), config=config) as upstream.door:
            yield upstream


def test_reasoning_is_streamed_kept_and_given_back(thinker):
    server, client = thinker.door, thinker.door.client()
    wanted = {"model": "thinker", "reasoning": {"effort": "low", "summary": "auto"}}
    with client.responses.stream(input="hm", include=["reasoning.encrypted_content"], **wanted) as stream:
        kinds = [event.type.removeprefix("response.") for event in stream]
        final = stream.get_final_response()
    part = ["reasoning_summary_part.added"], ["reasoning_summary_text.done", "reasoning_summary_part.done"]
    delta = ["reasoning_summary_text.delta"]
    assert kinds == [
        "created", "in_progress", "output_item.added", *part[0], *delta * 3, *part[1], *part[0], *delta * 3, *part[1],
        "output_item.added", "content_part.added", *["output_text.delta"] * 3, "output_item.done",
        "output_text.done", "content_part.done", "output_item.done", "completed",
    ]
    thought, answer = final.output
    assert [part.text for part in thought.summary] == ["First I look.  ", "Then I leap. "]
    assert thought.encrypted_content and final.output_text == "All is well"
    assert (final.usage.input_tokens_details.cached_tokens, final.usage.output_tokens_details.reasoning_tokens) == (3, 5)
    assert [e["type"].removeprefix("response.") for e in replay(server, final.id)] == kinds
    # Who does not ask is not given it, and may ask later.
    plain = client.responses.create(input="hm", **wanted)
    assert plain.output[0].encrypted_content is None
    asked = client.responses.retrieve(plain.id, include=["reasoning.encrypted_content"])
    assert asked.output[0].encrypted_content
    items = [item.to_dict() for item in client.responses.retrieve(final.id, include=["reasoning.encrypted_content"]).output]
    # Kept here or by the client, the upstream gets its own word back.
    for more in (
        {"input": "more", "previous_response_id": final.id},
        {"input": items + [{"role": "user", "content": "more"}], "store": False},
        {"input": "more", "previous_response_id": final.id, "store": False},
    ):
        client.responses.create(**wanted, **more)
        given = [item for item in thinker.asked[-1]["input"] if item["type"] == "reasoning"]
        assert [item["encrypted_content"] for item in given] == ["secret of the upstream"]


def test_an_answer_that_was_cut_off_is_incomplete(thinker):
    client = thinker.door.client()
    made = client.responses.create(model="thinker", input="hm", max_output_tokens=16)
    assert (made.status, made.incomplete_details.reason, made.error) == ("incomplete", "max_output_tokens", None)
    assert made.output_text == "All is well" and made.output[-1].status == "incomplete"
    assert client.responses.retrieve(made.id).to_dict() == made.to_dict()
    last = list(client.responses.create(model="thinker", input="hm", max_output_tokens=16, stream=True))[-1]
    assert (last.type, last.response.status) == ("response.incomplete", "incomplete")
