"""InvokeModel in the words of two families, counts of tokens, and what `bedrock` tells of models; and what AWS has beside that
and this server does not. Through unmodified boto3, every answer held against botocore's shapes."""
import json

import botocore.exceptions
import pytest

import aws
from server import CONFIG as PLAIN
from server import Server

NOVA = "amazon.nova-lite-v1:0"
OPENAI = "openai.gpt-oss-20b-1:0"
CONFIG = f"""
[[model]]
name = "scripted"
aliases = ["{NOVA}", "us.{NOVA}", "eu.{NOVA}", "{OPENAI}", "anthropic.claude-sonnet-v1:0"]
provider = "script"
attempts = 1
"""


@pytest.fixture(scope="module")
def bedrock(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("bedrock"), CONFIG) as server:
        server.key = aws.access_key(server)
        yield server


@pytest.fixture(scope="module")
def runtime(bedrock):
    return aws.client(bedrock, "bedrock-runtime", bedrock.key)


@pytest.fixture(scope="module")
def control(bedrock):
    return aws.client(bedrock, "bedrock", bedrock.key)


def refused(act, code, status):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        act()
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, status), answer
    return answer["Error"]["Message"]


def nova(text, **more):
    return {"schemaVersion": "messages-v1", "messages": [{"role": "user", "content": [{"text": text}]}], **more}


def chat(text, **more):
    return {"messages": [{"role": "user", "content": text}], **more}


def invoke(client, model, body, **more):
    answer = client.invoke_model(modelId=model, body=json.dumps(body), **more)
    assert answer["contentType"] == "application/json"
    return json.loads(answer["body"].read())


def chunks(client, model, body):
    answer = client.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))
    assert answer["contentType"] == "application/json"
    return [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]


# ---- InvokeModel


def test_nova(runtime):
    config = {"max_new_tokens": 50, "temperature": 0.1, "topP": 0.9}
    answer = invoke(runtime, NOVA, nova("say hello", system=[{"text": "be brief"}], inferenceConfig=config))
    assert answer["output"]["message"] == {"role": "assistant", "content": [{"text": "hello"}]}
    assert answer["stopReason"] == "end_turn" and answer["usage"]["totalTokens"] > 0
    events = chunks(runtime, f"us.{NOVA}", nova("slow 3 a b c"))
    assert events[0] == {"messageStart": {"role": "assistant"}}
    said = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert "".join(said) == "a b c" and len(said) == 3
    assert events[-2] == {"messageStop": {"stopReason": "end_turn"}}
    metrics = events[-1]["amazon-bedrock-invocationMetrics"]
    assert metrics["outputTokenCount"] == events[-1]["metadata"]["usage"]["outputTokens"] > 0
    assert metrics["firstByteLatency"] <= metrics["invocationLatency"]


def test_openai(runtime):
    answer = invoke(runtime, OPENAI, chat("say hello", max_completion_tokens=50), contentType="application/json")
    assert (answer["object"], answer["model"]) == ("chat.completion", OPENAI)
    assert answer["choices"][0]["message"]["content"] == "hello" and answer["usage"]["total_tokens"] > 0
    two = invoke(runtime, "scripted", chat("say hello", n=2, model="whatever"))
    assert [choice["message"]["content"] for choice in two["choices"]] == ["hello", "hello"]
    events = chunks(runtime, OPENAI, chat("slow 3 a b c", stream_options={"include_usage": True}))
    assert {event["object"] for event in events} == {"chat.completion.chunk"}
    said = [choice["delta"].get("content") or "" for event in events for choice in event["choices"]]
    assert "".join(said) == "a b c"
    assert events[-2]["choices"][0]["finish_reason"] == "stop" and events[-1]["usage"]["completion_tokens"] > 0
    assert events[-1]["amazon-bedrock-invocationMetrics"]["inputTokenCount"] > 0
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    events = chunks(runtime, OPENAI, chat('call f {"a": 1}', tools=tools))
    (call,) = [call for event in events for choice in event["choices"] for call in choice["delta"].get("tool_calls", [])]
    assert json.loads(call["function"]["arguments"]) == {"a": 1}
    assert "amazon-bedrock-invocationMetrics" in events[-1]


@pytest.mark.parametrize("model, body, words", [
    ("anthropic.claude-sonnet-v1:0", chat("a"), "Use Converse"),
    (OPENAI, chat("a", anthropic_version="bedrock-2023-05-31"), "Use Converse"),
    (NOVA, nova("a", inferenceConfig={"topK": 5}), "inferenceConfig.topK"),
    (NOVA, {"inputText": "a"}, "messages"),
    (NOVA, nova("a", schemaVersion="messages-v2"), "messages-v1"),
    (OPENAI, {"prompt": "a"}, "messages"),
    ("nothing", chat("a"), "model identifier"),
])
def test_bodies_that_are_not_served(runtime, model, body, words):
    assert words in refused(lambda: invoke(runtime, model, body), "ValidationException", 400)
    assert words in refused(lambda: chunks(runtime, model, body), "ValidationException", 400)


def test_what_headers_say(runtime):
    body = json.dumps(nova("say a"))
    answer = runtime.invoke_model(modelId=NOVA, body=body, performanceConfigLatency="standard", serviceTier="flex")
    assert (answer["performanceConfigLatency"], answer["serviceTier"]) == ("standard", "flex")
    for more, words in (
        ({"performanceConfigLatency": "optimized"}, "performanceConfigLatency"), ({"serviceTier": "reserved"}, "serviceTier"),
        ({"guardrailIdentifier": "abc", "guardrailVersion": "1"}, "guardrail"),
    ):
        said = refused(lambda more=more: runtime.invoke_model(modelId=NOVA, body=body, **more), "ValidationException", 400)
        assert words in said


def test_a_model_that_fails(runtime):
    refused(lambda: invoke(runtime, OPENAI, chat("fail 500 9")), "ModelErrorException", 424)
    refused(lambda: chunks(runtime, NOVA, nova("fail 429 9")), "ThrottlingException", 429)
    for model, body in ((OPENAI, chat), (NOVA, nova)):
        stream = runtime.invoke_model_with_response_stream(modelId=model, body=json.dumps(body("cut 4 one two three four")))
        with pytest.raises(botocore.exceptions.EventStreamError) as caught:
            list(stream["body"])
        assert caught.value.response["Error"]["Code"] == "modelStreamErrorException"


# ---- counts


def test_tokens_are_counted(runtime):
    def count(text):
        converse = {"messages": [{"role": "user", "content": [{"text": text}]}], "system": [{"text": "be brief"}]}
        return runtime.count_tokens(modelId=NOVA, input={"converse": converse})["inputTokens"]

    assert 0 < count("a") < count("a" * 400) <= count("a") + 100
    for model, body in ((OPENAI, chat("abc")), (NOVA, nova("abc"))):
        assert runtime.count_tokens(modelId=model, input={"invokeModel": {"body": json.dumps(body)}})["inputTokens"] > 0
    bad = {"invokeModel": {"body": b"no json"}}
    refused(lambda: runtime.count_tokens(modelId=NOVA, input=bad), "ValidationException", 400)


# ---- bedrock


def test_foundation_models(control):
    def ids(**more):
        return [model["modelId"] for model in control.list_foundation_models(**more)["modelSummaries"]]

    assert ids() == [NOVA, "anthropic.claude-sonnet-v1:0", OPENAI]
    assert ids(byProvider="amazon") == [NOVA]
    assert ids(byProvider="Cohere") == ids(byOutputModality="IMAGE") == ids(byInferenceType="PROVISIONED") == []
    assert ids(byCustomizationType="FINE_TUNING") == []
    assert len(ids(byOutputModality="TEXT", byInferenceType="ON_DEMAND")) == 3
    refused(lambda: ids(byOutputModality="SMELL"), "ValidationException", 400)
    arn = f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}"
    for identifier in (NOVA, arn):
        details = control.get_foundation_model(modelIdentifier=identifier)["modelDetails"]
        assert (details["modelArn"], details["providerName"]) == (arn, "Amazon")
        assert details["responseStreamingSupported"] is True and details["modelLifecycle"] == {"status": "ACTIVE"}
    for identifier in ("scripted", f"us.{NOVA}", "amazon.nothing-v1:0", arn.replace("us-east-1", "eu-west-1"), "no/thing"):
        refused(lambda: control.get_foundation_model(modelIdentifier=identifier), "ResourceNotFoundException", 404)


def test_inference_profiles(control):
    def ids(**more):
        pages = control.get_paginator("list_inference_profiles").paginate(**more)
        return [profile["inferenceProfileId"] for page in pages for profile in page["inferenceProfileSummaries"]]

    both = [f"eu.{NOVA}", f"us.{NOVA}"]
    assert ids() == ids(typeEquals="SYSTEM_DEFINED") == ids(PaginationConfig={"PageSize": 1}) == both
    assert ids(typeEquals="APPLICATION") == []
    refused(lambda: control.list_inference_profiles(nextToken="elsewhere"), "ValidationException", 400)
    profile = control.get_inference_profile(inferenceProfileIdentifier=both[1])
    arn = f"arn:aws:bedrock:us-east-1:{aws.ACCOUNT}:inference-profile/{both[1]}"
    assert profile["inferenceProfileArn"] == arn
    assert profile["models"] == [{"modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}"}]
    assert control.get_inference_profile(inferenceProfileIdentifier=arn)["inferenceProfileId"] == both[1]
    for identifier in (NOVA, f"apac.{NOVA}", arn.replace(aws.ACCOUNT, "111111111111")):
        refused(
            lambda: control.get_inference_profile(inferenceProfileIdentifier=identifier), "ResourceNotFoundException", 404
        )


def test_a_server_whose_models_have_no_such_names(tmp_path):
    with Server(tmp_path, PLAIN) as server:
        key = aws.access_key(server)
        assert aws.client(server, "bedrock", key).list_foundation_models()["modelSummaries"] == []
        said = aws.client(server, "bedrock-runtime", key).converse(
            modelId="scripted", messages=[{"role": "user", "content": [{"text": "say a"}]}]
        )
        assert said["output"]["message"]["content"] == [{"text": "a"}]


# ---- what is not there


def test_guardrails_are_not_there(runtime):
    content = [{"text": {"text": "a"}}]
    said = refused(
        lambda: runtime.apply_guardrail(guardrailIdentifier="abc", guardrailVersion="1", source="INPUT", content=content),
        "ResourceNotFoundException", 404,
    )
    assert "guardrail" in said


def test_other_operations_are_unknown(runtime, control):
    for act in (
        runtime.list_async_invokes,
        lambda: runtime.get_async_invoke(invocationArn=f"arn:aws:bedrock:us-east-1:{aws.ACCOUNT}:async-invoke/abcdefghijkl"),
        control.list_guardrails,
        control.list_custom_models,
        lambda: control.delete_inference_profile(inferenceProfileIdentifier="abc"),
        lambda: control.create_guardrail(name="g", blockedInputMessaging="a", blockedOutputsMessaging="b"),
        lambda: control.get_foundation_model_availability(modelId=NOVA),
        lambda: control.list_tags_for_resource(resourceARN=f"arn:aws:bedrock:us-east-1:{aws.ACCOUNT}:guardrail/abc"),
    ):
        refused(act, "UnknownOperationException", 404)


def test_a_stream_both_ways_is_unknown(bedrock):
    status, headers, _ = bedrock.request("POST", "/model/scripted/invoke-with-bidirectional-stream", b"\0\0\0\x10")
    assert (status, headers["x-amzn-errortype"]) == (404, "UnknownOperationException")
