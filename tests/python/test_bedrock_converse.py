"""Converse and ConverseStream through unmodified boto3 and Strands: what a model is shown, what is answered, frame by frame,
and what goes wrong. Every answer is held against botocore's shapes."""
import base64
import json
import threading
import time

import botocore.exceptions
import botocore.session
import pytest
from botocore.eventstream import EventStreamBuffer

import aws
from liar import Liar, end, text
from server import Server

MODEL = "amazon.nova-lite-v1:0"
PROFILE = "us.amazon.nova-lite-v1:0"
OPENAI = "openai.gpt-oss-20b-1:0"
CONFIG = f"""
[[model]]
name = "scripted"
aliases = ["{MODEL}", "{PROFILE}", "{OPENAI}"]
provider = "script"
attempts = 1
"""
TOOL = {"toolSpec": {"name": "lookup", "description": "Looks up.", "inputSchema": {"json": {
    "type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"],
}}}}
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
def bedrock(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("bedrock"), CONFIG) as server:
        server.key = aws.access_key(server)
        yield server


@pytest.fixture(scope="module")
def runtime(bedrock):
    return aws.client(bedrock, "bedrock-runtime", bedrock.key)


def user(*blocks):
    return {"role": "user", "content": [{"text": one} if isinstance(one, str) else one for one in blocks]}


def converse(client, *messages, model=MODEL, **more):
    return client.converse(modelId=model, messages=list(messages), **more)


def blocks(answer):
    message = answer["output"]["message"]
    assert message["role"] == "assistant"
    return message["content"]


def refused(act, code, status=None):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        act()
    answer = caught.value.response
    assert answer["Error"]["Code"] == code, answer
    if status is not None:
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    return answer["Error"]["Message"]


# ---- answers


@pytest.mark.parametrize("model", [
    "scripted", MODEL, PROFILE,
    f"arn:aws:bedrock:us-east-1::foundation-model/{MODEL}",
    f"arn:aws:bedrock:us-east-1:{aws.ACCOUNT}:inference-profile/{PROFILE}",
])
def test_an_answer_under_every_name_of_a_model(runtime, model):
    answer = converse(runtime, user("say well, hello"), model=model)
    assert blocks(answer) == [{"text": "well, hello"}]
    assert answer["stopReason"] == "end_turn"
    usage = answer["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"] + usage["cacheReadInputTokens"] > 0
    assert isinstance(answer["metrics"]["latencyMs"], int)


@pytest.mark.parametrize("model", [
    "nothing", "eu.amazon.nova-lite-v1:0", "arn:aws:bedrock:us-east-1", "a/b", "ä",
    f"arn:aws:bedrock:eu-west-1::foundation-model/{MODEL}",
    f"arn:aws:bedrock:us-east-1:111111111111:inference-profile/{PROFILE}",
    f"arn:aws:bedrock:us-east-1:{aws.ACCOUNT}:provisioned-model/abcdefghijkl",
])
def test_a_model_that_is_not_there(runtime, model):
    said = refused(lambda: converse(runtime, user("hi"), model=model), "ValidationException", 400)
    assert said == "The provided model identifier is invalid."


def test_a_round_of_calls(runtime):
    asked = user('call lookup {"n": 1} & call lookup {"n": 2}\nsay done')
    config = {"tools": [TOOL, {"cachePoint": {"type": "default"}}]}
    answer = converse(runtime, asked, toolConfig=config)
    assert answer["stopReason"] == "tool_use"
    calls = [block["toolUse"] for block in blocks(answer)]
    assert [(call["name"], call["input"]) for call in calls] == [("lookup", {"n": 1}), ("lookup", {"n": 2})]
    results = [
        {"toolResult": {"toolUseId": calls[1]["toolUseId"], "content": [{"json": {"found": [1, 2.5]}}]}},
        {"toolResult": {"toolUseId": calls[0]["toolUseId"], "content": [{"text": "no"}], "status": "error"}},
    ]
    messages = [asked, answer["output"]["message"], user(*results)]
    answer = converse(runtime, *messages, toolConfig=config)
    assert (answer["stopReason"], blocks(answer)) == ("end_turn", [{"text": "done"}])
    missing = refused(lambda: converse(runtime, *messages[:2], user(results[0]), toolConfig=config), "ValidationException")
    assert "Expected toolResult blocks" in missing and calls[0]["toolUseId"] in missing


def test_limits_end_an_answer(runtime):
    long = converse(runtime, user("say " + "word " * 40), inferenceConfig={"maxTokens": 3})
    assert long["stopReason"] == "max_tokens" and len(blocks(long)[0]["text"]) <= 12
    stopped = converse(runtime, user("say one STOP two"), inferenceConfig={"stopSequences": ["STOP"]})
    assert (stopped["stopReason"], blocks(stopped)) == ("end_turn", [{"text": "one "}])


def test_how_it_is_served_is_said_back(runtime):
    answer = converse(runtime, user("say a"), performanceConfig={"latency": "standard"}, serviceTier={"type": "flex"})
    assert answer["performanceConfig"] == {"latency": "standard"} and answer["serviceTier"] == {"type": "flex"}


def test_what_a_model_is_shown(tmp_path, upstream):
    config = f'[[model]]\nname = "up"\nprovider = "openai-chat"\nbase_url = "{upstream.base}"\naliases = ["{MODEL}"]\n'
    with Server(tmp_path, config) as server:
        client = aws.client(server, "bedrock-runtime", aws.access_key(server))
        schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
        answer = client.converse(
            modelId=MODEL,
            system=[{"text": "be brief"}, {"cachePoint": {"type": "default"}}],
            messages=[
                user("look", {"image": {"format": "png", "source": {"bytes": PIXEL}}}),
                {"role": "assistant", "content": [{"text": "I see"}, {"reasoningContent": {"reasoningText": {"text": "hm"}}}]},
                user(
                    {"document": {"name": "notes", "format": "md", "source": {"bytes": b"# One"}}},
                    {"document": {"name": "table", "format": "csv", "source": {"text": "a,b"}}},
                    {"document": {"name": "paper", "format": "pdf", "source": {"bytes": b"%PDF-1"}}},
                    "and now?",
                ),
            ],
            inferenceConfig={"maxTokens": 50, "temperature": 0.5, "topP": 0.25, "stopSequences": ["x"]},
            toolConfig={"tools": [TOOL], "toolChoice": {"tool": {"name": "lookup"}}},
            additionalModelRequestFields={"reasoning_effort": "low", "seed": 7},
            requestMetadata={"team": "stones"},
            outputConfig={"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
                "schema": json.dumps(schema), "name": "answer",
            }}}},
        )
        assert answer["usage"]["inputTokens"] == 11
    (asked,) = upstream.asked
    body = asked["body"]
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert "be brief" in json.dumps(body["messages"][0])
    image = body["messages"][1]["content"][1]["image_url"]["url"]
    assert image == "data:image/png;base64," + base64.b64encode(PIXEL).decode()
    shown = body["messages"][3]["content"]
    assert [part["type"] for part in shown] == ["text", "text", "file", "text"]
    assert shown[0]["text"] == '<document name="notes" format="md">\n# One\n</document>'
    assert shown[2]["file"]["filename"] == "paper.pdf"
    assert shown[2]["file"]["file_data"] == "data:application/pdf;base64," + base64.b64encode(b"%PDF-1").decode()
    assert (body["temperature"], body["top_p"], body["stop"], body["seed"]) == (0.5, 0.25, ["x"], 7)
    assert 50 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert body["tool_choice"] == {"type": "function", "function": {"name": "lookup"}}
    assert body["response_format"]["json_schema"]["schema"] == schema
    assert body["reasoning_effort"] == "low"


def test_nothing_is_kept_without_a_journal(tmp_path):
    with Server(tmp_path, "[server]\njournal = false\n" + CONFIG) as server:
        client = aws.client(server, "bedrock-runtime", aws.access_key(server))
        assert blocks(converse(client, user("say a"))) == [{"text": "a"}]
        assert "".join(said(converse_stream(client, user("say b")))) == "b"


# ---- streams


def converse_stream(client, *messages, model=MODEL, **more):
    return list(client.converse_stream(modelId=model, messages=list(messages), **more)["stream"])


def said(events):
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    return [delta["text"] for delta in deltas if "text" in delta]


def test_a_stream_says_the_same_piece_by_piece(runtime):
    events = converse_stream(runtime, user("slow 5 one two three four five"))
    names = [name for event in events for name in event]
    assert names[0] == "messageStart" and names[-3:] == ["contentBlockStop", "messageStop", "metadata"]
    assert set(names[1:-3]) == {"contentBlockDelta"} and len(names) > 5
    assert "".join(said(events)) == "one two three four five"
    assert events[-2]["messageStop"]["stopReason"] == "end_turn"
    assert events[-1]["metadata"]["usage"]["outputTokens"] > 0
    assert isinstance(events[-1]["metadata"]["metrics"]["latencyMs"], int)


def test_a_stream_with_calls(runtime):
    events = converse_stream(
        runtime, user('call lookup {"n": 1} & call lookup {"n": 22}'), toolConfig={"tools": [TOOL]},
    )
    starts = [event["contentBlockStart"] for event in events if "contentBlockStart" in event]
    assert [start["contentBlockIndex"] for start in starts] == [0, 1]
    assert {start["start"]["toolUse"]["name"] for start in starts} == {"lookup"}
    inputs = {0: "", 1: ""}
    for event in events:
        if "contentBlockDelta" in event:
            delta = event["contentBlockDelta"]
            inputs[delta["contentBlockIndex"]] += delta["delta"]["toolUse"]["input"]
    assert [json.loads(text) for text in inputs.values()] == [{"n": 1}, {"n": 22}]
    assert [event["contentBlockStop"]["contentBlockIndex"] for event in events if "contentBlockStop" in event] == [0, 1]
    assert next(event["messageStop"]["stopReason"] for event in events if "messageStop" in event) == "tool_use"


EVENTS = {"ConverseStream": "stream", "InvokeModelWithResponseStream": "body"}


def frames(bedrock, operation, model, asked):
    """The frames of a stream, by name; each is held against the shape of its name."""
    service = botocore.session.get_session().get_service_model("bedrock-runtime")
    output = service.operation_model(operation).output_shape
    stream = output.members[EVENTS[operation]]
    path = {"ConverseStream": "converse-stream", "InvokeModelWithResponseStream": "invoke-with-response-stream"}[operation]
    status, headers, raw = bedrock.request("POST", f"/model/{model.replace(':', '%3A')}/{path}", asked)
    assert status == 200 and headers["content-type"] == "application/vnd.amazon.eventstream"
    assert aws.UUID.fullmatch(headers["x-amzn-requestid"])
    buffer = EventStreamBuffer()
    buffer.add_data(raw)
    names = []
    for frame in buffer:
        kind = frame.headers[":message-type"]
        name = frame.headers[f":{kind}-type"]
        assert kind in ("event", "exception") and frame.headers[":content-type"] == "application/json"
        assert (kind == "exception") == stream.members[name].metadata.get("exception", False)
        aws.shaped(stream.members[name], json.loads(frame.payload), name)
        names.append(name)
    return names


def test_every_frame_is_of_its_shape(bedrock):
    body = {
        "messages": [user('call lookup {"n": 1}')], "toolConfig": {"tools": [TOOL]},
        "performanceConfig": {"latency": "standard"}, "serviceTier": {"type": "default"},
    }
    for asked in (body, {"messages": [user("slow 3 a b c")]}):
        names = frames(bedrock, "ConverseStream", MODEL, asked)
        assert len(names) >= 5 and names[-1] == "metadata"
    torn = "cut 4 one two three four"
    assert frames(bedrock, "ConverseStream", MODEL, {"messages": [user(torn)]})[-1] == "modelStreamErrorException"
    for model, words in ((MODEL, lambda said: [user(said)]), (OPENAI, lambda said: [{"role": "user", "content": said}])):
        invoked = lambda said: frames(bedrock, "InvokeModelWithResponseStream", model, {"messages": words(said)})
        assert set(invoked("slow 3 a b c")) == {"chunk"}
        assert invoked(torn)[-1] == "modelStreamErrorException"


def test_a_long_text_comes_in_frames_that_clients_take(runtime):
    long = "word " * 200_000
    answer = converse(runtime, user("say " + long))
    events = converse_stream(runtime, user("say " + long))
    assert len(said(events)) > 1
    assert "".join(said(events)) == blocks(answer)[0]["text"]


# ---- what goes wrong


@pytest.mark.parametrize("status, code, answered", [
    (400, "ValidationException", 400), (401, "ModelErrorException", 424), (429, "ThrottlingException", 429),
    (500, "ModelErrorException", 424), (503, "ServiceUnavailableException", 503),
])
def test_a_model_that_fails(runtime, status, code, answered):
    refused(lambda: converse(runtime, user(f"fail {status} 9")), code, answered)
    # Nothing was said, so that the stream has a status of its own.
    refused(lambda: converse_stream(runtime, user(f"fail {status} 9")), code, answered)


def test_boto3_asks_again_by_itself(bedrock):
    client = aws.client(bedrock, "bedrock-runtime", bedrock.key, retries=2)
    config = {"tools": [TOOL]}
    # Each request is a session of its own: the script fails in each, and the client gives up after three.
    refused(lambda: converse(client, user("fail 503 9"), toolConfig=config), "ServiceUnavailableException")
    assert [answer.status for answer in client.answers] == [503, 503, 503]


def test_a_model_that_breaks_off_in_mid_stream(runtime):
    stream = runtime.converse_stream(modelId=MODEL, messages=[user("cut 4 one two three four five")])["stream"]
    events = []
    with pytest.raises(botocore.exceptions.EventStreamError) as caught:
        for event in stream:
            events.append(event)
    assert caught.value.response["Error"]["Code"] == "modelStreamErrorException"
    assert said(events) and "metadata" not in events[-1]


@pytest.mark.parametrize("more, words", [
    ({"guardrailConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "1"}}, "guardrail"),
    ({"performanceConfig": {"latency": "optimized"}}, "performanceConfig.latency"),
    ({"serviceTier": {"type": "reserved"}}, "serviceTier.type"),
    ({"additionalModelRequestFields": {"top_k": 5}}, "additionalModelRequestFields.top_k"),
    ({"additionalModelRequestFields": {"thinking": {"type": "enabled"}}}, "additionalModelRequestFields.thinking"),
    ({"inferenceConfig": {"temperature": 1.5}}, "inferenceConfig.temperature"),
    ({"toolConfig": {"tools": [TOOL, TOOL]}}, "already defined"),
    ({"toolConfig": {"tools": [TOOL], "toolChoice": {"tool": {"name": "other"}}}}, "toolConfig.toolChoice.tool.name"),
    ({"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}}, "systemTool"),
    ({"system": [{"guardContent": {"text": {"text": "a"}}}]}, "guardContent"),
    ({"messages": [user({"video": {"format": "mp4", "source": {"bytes": b"x"}}})]}, "video"),
    ({"messages": [user({"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/a"}}}})]}, "s3Location"),
    ({"messages": [user({"document": {"name": "a_b", "format": "txt", "source": {"text": "x"}}})]}, "document file name"),
    ({"messages": [user(" ")]}, "is blank"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "assistant", "content": [{"text": "a"}]}]}, "must start with a user message"),
    ({"messages": [user("a"), {"role": "assistant", "content": [{"text": "a"}]}]}, "user message"),
])
def test_what_is_refused_is_named(runtime, more, words):
    asked = {"messages": [user("hi")], **more}
    assert words in refused(lambda: runtime.converse(modelId=MODEL, **asked), "ValidationException", 400)
    assert words in refused(lambda: runtime.converse_stream(modelId=MODEL, **asked), "ValidationException", 400)


@pytest.mark.parametrize("body", [
    b"", b"{", b"[1]", b'{"messages": 1}', b'{"messages": [{"role": "user"}]}', b'{"messages": [{"role": "user", "content": [{}]}]}',
    b'{"a": ' * 5000, b'{"messages": [], "messages": []}', b"\xff", b'{"unknown": 1, "messages": [{"role": "user", "content": [{"text": "a"}]}]}',
])
def test_bodies_that_are_none(bedrock, body):
    for operation in ("converse", "converse-stream", "invoke", "invoke-with-response-stream", "count-tokens"):
        status, headers, raw = bedrock.request("POST", f"/model/scripted/{operation}", body)
        assert (status, headers["x-amzn-errortype"]) == (400, "ValidationException"), (operation, raw)
        assert json.loads(raw)["message"]


def test_who_may_ask(bedrock):
    body = {"messages": [user("say a")]}
    reader, _ = bedrock.create_key("--scopes", "api.responses.read")
    for key, status, code in ((reader, 403, "AccessDeniedException"), ("sk-nobody-at-all", 403, None)):
        answered, headers, _ = bedrock.request("POST", "/model/scripted/converse", body, key=key)
        assert answered == status and code in (None, headers["x-amzn-errortype"])


@pytest.mark.soak(120)
def test_a_server_that_is_killed_in_mid_stream(tmp_path):
    """The client gets an error that it may answer by asking again; asked again, the model answers, and no turn runs on."""
    spoke = threading.Event()

    def behave(asked, says):
        if "first" in json.dumps(asked) and len(upstream.asked) == 1:
            says.stream(*text(asked, "half"))
            spoke.set()
            says.hang()
        return says.stream(*text(asked, "all ", "of ", "it"), *end(asked))

    with Liar(behave) as upstream:
        config = f'[[model]]\nname = "liar"\nprovider = "openai-chat"\nbase_url = "{upstream.base}"\n'
        with Server(tmp_path, config) as server:
            key = aws.access_key(server)
            client = aws.client(server, "bedrock-runtime", key)
            stream = iter(client.converse_stream(modelId="liar", messages=[user("first")])["stream"])
            assert next(stream) == {"messageStart": {"role": "assistant"}}
            assert next(stream)["contentBlockDelta"]["delta"] == {"text": "half"}
            assert spoke.wait(10)
            server.kill()
            with pytest.raises(Exception) as caught:
                list(stream)
            assert is_retryable(caught.value), repr(caught.value)
            server.start()
            events = converse_stream(client, user("first"), model="liar")
            assert "".join(said(events)) == "all of it"
            # What was cut off is taken to its end in the log, once, and is not glued to what had been said.
            wait_for(lambda: len(upstream.asked) == 3)
            assert [asked["messages"] for asked in upstream.asked] == [upstream.asked[0]["messages"]] * 3
            server.stop()
            server.start()
            assert blocks(converse(client, user("second"), model="liar")) == [{"text": "all of it"}]
            assert len(upstream.asked) == 4


def wait_for(holds):
    """Until it holds; the watchdog ends what never does."""
    while not holds():
        time.sleep(0.01)


def is_retryable(error):
    """What retries of Bedrock's clients take for a connection that broke, not for an answer."""
    import urllib3.exceptions
    torn = (
        urllib3.exceptions.ProtocolError, botocore.exceptions.ResponseStreamingError,
        botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError, botocore.exceptions.IncompleteReadError,
    )
    return isinstance(error, torn)


# ---- Strands


def test_an_agent_of_strands(bedrock):
    import boto3
    from strands import Agent, tool
    from strands.models import BedrockModel

    @tool
    def lookup(n: int) -> str:
        """Looks something up.

        Args:
            n: what
        """
        asked.append(n)
        return f"found {n}"

    for streaming in (True, False):
        asked = []
        identity, secret = bedrock.key
        session = boto3.Session(identity, secret, region_name=aws.REGION)
        model = BedrockModel(
            model_id=MODEL, endpoint_url=bedrock.origin, boto_session=session, streaming=streaming, temperature=0.5,
        )
        agent = Agent(model=model, tools=[lookup], system_prompt="be brief", callback_handler=None)
        result = agent('call lookup {"n": 7}\nsay it was found')
        assert asked == [7]
        assert str(result).strip() == "it was found" and result.stop_reason == "end_turn"
        assert "echo: again" in str(agent("again"))
