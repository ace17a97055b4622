"""AgentCore memory by AWS's own clients and SDKs, unmodified: boto3 for every operation, `MemoryClient`,
`MemorySessionManager` and the session manager of Strands. Each answer is held against botocore's shape of it."""
import datetime
import re
import threading
import time
import uuid
from urllib.parse import quote

import botocore.exceptions
import pytest
from bedrock_agentcore.memory import MemoryClient
from bedrock_agentcore.memory.constants import ConversationalMessage, MessageRole
from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig
from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager
from bedrock_agentcore.memory.session import MemorySessionManager
from strands import Agent
from strands.models import BedrockModel

import aws
from faults import FaultyServer
from server import Server

DATA, CONTROL = "bedrock-agentcore", "bedrock-agentcore-control"
DAY = 24 * 3600 * 10**9


def name():
    return f"m{uuid.uuid4().hex[:12]}"


def now():
    return datetime.datetime.now(datetime.timezone.utc)


class Clients:
    """Both planes for one key."""

    def __init__(self, server, *options):
        key = aws.access_key(server, *options)
        self.data, self.control = aws.client(server, DATA, key), aws.client(server, CONTROL, key)

    def memory(self, days=90, **more):
        return self.control.create_memory(name=name(), eventExpiryDuration=days, **more)["memory"]["id"]

    def say(self, memory, text, actor="ann", session="s1", **more):
        more.setdefault("eventTimestamp", now())
        payload = [{"conversational": {"content": {"text": text}, "role": "USER"}}]
        made = self.data.create_event(memoryId=memory, actorId=actor, sessionId=session, payload=payload, **more)
        return made["event"]

    def list(self, memory, actor="ann", session="s1", size=100, **more):
        pages = self.data.get_paginator("list_events").paginate(
            memoryId=memory, actorId=actor, sessionId=session, PaginationConfig={"PageSize": size}, **more
        )
        return [event for page in pages for event in page["events"]]

    def texts(self, memory, **more):
        return [event["payload"][0]["conversational"]["content"]["text"] for event in self.list(memory, **more)]


@pytest.fixture(scope="module")
def clients(server):
    return Clients(server)


@pytest.fixture
def memory(clients):
    return clients.memory()


@pytest.fixture
def sdk(server, monkeypatch):
    """Where AWS's SDKs look for the service and for a key."""
    point_at(server, monkeypatch)
    return server


def point_at(server, monkeypatch):
    key, secret = aws.access_key(server)
    for variable, value in {
        "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE": server.origin, "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL": server.origin,
        "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_DEFAULT_REGION": aws.REGION,
        "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(variable, value)


def watched(*made):
    """The same clients, each answer checked."""
    for one in made:
        one.answers = []
        one.meta.events.register_last(f"before-parse.{one.meta.service_model.service_id.hyphenize()}", aws.checks(one))


def refused(code, call, **arguments):
    """What is said with it."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code, caught.value.response
    return caught.value.response


def test_memories(clients):
    control, called = clients.control, name()
    new = {
        "name": called, "eventExpiryDuration": 7, "clientToken": uuid.uuid4().hex, "description": "What Ann says",
        "memoryExecutionRoleArn": f"arn:aws:iam::{aws.ACCOUNT}:role/memory", "memoryStrategies": [],
        "indexedKeys": [{"key": "priority", "type": "NUMBER"}], "tags": {"team": "a"},
    }
    made = control.create_memory(**new)["memory"]
    assert re.fullmatch(called + "-[A-Za-z0-9]{10}", made["id"])
    assert made["arn"] == f"arn:aws:bedrock-agentcore:{aws.REGION}:{aws.ACCOUNT}:memory/{made['id']}"
    assert (made["status"], made["strategies"], made["eventExpiryDuration"]) == ("ACTIVE", [], 7)
    assert (made["name"], made["description"], made["indexedKeys"]) == (called, new["description"], new["indexedKeys"])
    assert control.create_memory(**new)["memory"] == made, "the same request makes no second memory"
    said = refused("ValidationException", control.create_memory, **{**new, "eventExpiryDuration": 8})
    assert said["reason"] == "IdempotentParameterMismatchException"
    said = refused("ValidationException", control.create_memory, name=called, eventExpiryDuration=7)
    assert "already exists" in said["Error"]["Message"]

    assert control.get_memory(memoryId=made["id"])["memory"] == made
    assert control.get_memory(memoryId=made["id"], view="without_decryption")["memory"] == made
    changed = control.update_memory(
        memoryId=made["id"], description="More", eventExpiryDuration=30, addIndexedKeys=[{"key": "k", "type": "STRING"}]
    )["memory"]
    assert (changed["description"], changed["eventExpiryDuration"]) == ("More", 30)
    assert [key["key"] for key in changed["indexedKeys"]] == ["priority", "k"]
    assert changed["createdAt"] == made["createdAt"] and changed["updatedAt"] >= made["updatedAt"]
    assert control.update_memory(memoryId=made["id"])["memory"]["description"] == "More"

    others = [clients.memory() for _ in range(3)]
    pages = control.get_paginator("list_memories").paginate(PaginationConfig={"PageSize": 2})
    listed = [entry["id"] for page in pages for entry in page["memories"]]
    assert [entry for entry in listed if entry in [made["id"], *others]] == [*reversed(others), made["id"]]
    assert len(set(listed)) == len(listed)

    gone = control.delete_memory(memoryId=made["id"])
    assert (gone["memoryId"], gone["status"]) == (made["id"], "DELETING")
    for call in (control.get_memory, control.delete_memory, control.update_memory):
        refused("ResourceNotFoundException", call, memoryId=made["id"])
    again = control.create_memory(name=called, eventExpiryDuration=7)["memory"]
    assert again["id"] != made["id"], "the name is free again"


def test_what_is_not_served_says_so(clients, memory):
    strategy = {"semanticMemoryStrategy": {"name": "facts"}}
    for wrong in (
        {"memoryStrategies": [strategy]}, {"encryptionKeyArn": f"arn:aws:kms:{aws.REGION}:{aws.ACCOUNT}:key/a"},
        {"namespaceKeys": [{"key": "team"}]},
    ):
        said = refused("ValidationException", clients.control.create_memory, name=name(), eventExpiryDuration=7, **wrong)
        assert "not supported" in said["Error"]["Message"] and said["fieldList"][0]["name"] in wrong
    wrong = {"memoryStrategies": {"addMemoryStrategies": [strategy]}}
    refused("ValidationException", clients.control.update_memory, memoryId=memory, **wrong)
    record, data = "mem-" + "0" * 40, clients.data
    for call, arguments in (
        (data.retrieve_memory_records, {"namespace": "/", "searchCriteria": {"searchQuery": "x"}}),
        (data.list_memory_records, {"namespace": "/"}),
        (data.batch_delete_memory_records, {"records": [{"memoryRecordId": record}]}),
        (data.list_memory_extraction_jobs, {}),
    ):
        assert "long-term" in refused("ValidationException", call, memoryId=memory, **arguments)["Error"]["Message"]
        refused("ResourceNotFoundException", call, memoryId="none-0123456789", **arguments)
    for call in (data.get_memory_record, data.delete_memory_record):
        refused("ResourceNotFoundException", call, memoryId=memory, memoryRecordId=record)


def test_an_event(clients, memory):
    at = now()
    payload = [
        {"conversational": {"content": {"text": "Where? \u00fc"}, "role": "USER"}},
        {"blob": {"state": [1, 2.5, None, {"deep": "\u00e9"}]}}, {"blob": "text"}, {"json": {"content": [None, True]}},
    ]
    made = clients.data.create_event(
        memoryId=memory, actorId="team/a:ann-1", sessionId="s_1", eventTimestamp=at, payload=payload,
        metadata={"stateType": {"stringValue": "SESSION"}}, extractionMode="SKIP",
    )["event"]
    assert re.fullmatch("[0-9]+#[0-9a-f]+", made["eventId"])
    assert (made["payload"], made["metadata"]) == (payload, {"stateType": {"stringValue": "SESSION"}})
    assert (made["memoryId"], made["actorId"], made["sessionId"]) == (memory, "team/a:ann-1", "s_1")
    assert abs(made["eventTimestamp"] - at) < datetime.timedelta(seconds=1)
    whose = {"memoryId": memory, "actorId": "team/a:ann-1", "sessionId": "s_1"}
    named = {**whose, "eventId": made["eventId"]}
    assert clients.data.get_event(**named)["event"] == made
    by_arn = f"arn:aws:bedrock-agentcore:{aws.REGION}:{aws.ACCOUNT}:memory/{memory}"
    assert clients.data.get_event(**{**named, "memoryId": by_arn})["event"] == made
    assert clients.data.list_events(**whose)["events"] == [made]
    assert clients.data.list_events(**whose, includePayloads=False)["events"] == [{**made, "payload": []}]
    assert clients.data.delete_event(**named)["eventId"] == made["eventId"]
    assert clients.data.list_events(**whose)["events"] == []
    for call in (clients.data.get_event, clients.data.delete_event):
        refused("ResourceNotFoundException", call, **named)
    # Of a session that never was there is nothing, and that is no error: so do clients find out.
    assert clients.list(memory, session="never") == []
    unnamed = clients.data.create_event(memoryId=memory, actorId="ann", eventTimestamp=at, payload=[])["event"]
    assert clients.list(memory, session=unnamed["sessionId"]) == [unnamed]


def test_a_repeated_request_writes_one_event(clients, memory):
    again = {"clientToken": uuid.uuid4().hex, "eventTimestamp": now()}
    first = clients.say(memory, "one", **again)
    assert clients.say(memory, "one", **again) == first
    said = refused("ValidationException", clients.say, memory=memory, text="two", **again)
    assert said["reason"] == "IdempotentParameterMismatchException"
    assert clients.texts(memory) == ["one"]


def test_lists_page_by_page(clients, memory):
    at = now()
    written = [f"{number}" for number in range(23)]
    for text in written:
        # All of one second: only the order of writing tells them apart.
        clients.say(memory, text, eventTimestamp=at)
    for size in (1, 7, 22, 23, 100):
        assert clients.texts(memory, size=size) == written[::-1]
    first = clients.data.list_events(memoryId=memory, actorId="ann", sessionId="s1")
    assert len(first["events"]) == 20
    for wrong in ({"nextToken": "x"}, {"nextToken": first["nextToken"], "sessionId": "s2"}):
        arguments = {"memoryId": memory, "actorId": "ann", "sessionId": "s1", **wrong}
        assert refused("ValidationException", clients.data.list_events, **arguments)["reason"] == "FieldValidationFailed"
    # What was written at an earlier time stands there, whenever it comes.
    clients.say(memory, "before", eventTimestamp=at - datetime.timedelta(seconds=5))
    assert clients.texts(memory)[-1] == "before"


def condition(key, operator, value=None):
    right = {} if value is None else {"right": {"metadataValue": {"stringValue": value}}}
    return {"left": {"metadataKey": key}, "operator": operator, **right}


def test_filters(clients, memory):
    for text, metadata in {"a": {"kind": "x", "n": "1"}, "b": {"kind": "y"}, "c": {}, "d": {"kind": "x"}}.items():
        clients.say(memory, text, metadata={key: {"stringValue": value} for key, value in metadata.items()})
    for conditions, found in (
        ([condition("kind", "EQUALS_TO", "x")], ["d", "a"]), ([condition("kind", "EQUALS_TO", "z")], []),
        ([condition("kind", "EXISTS")], ["d", "b", "a"]), ([condition("kind", "NOT_EXISTS")], ["c"]),
        ([condition("kind", "EQUALS_TO", "x"), condition("n", "EXISTS")], ["a"]),
        ([condition("kind", "EXISTS"), condition("n", "NOT_EXISTS")], ["d", "b"]),
    ):
        for size in (1, 100):
            assert clients.texts(memory, size=size, filter={"eventMetadata": conditions}) == found, conditions


def test_branches(clients, memory):
    first = clients.say(memory, "m1")
    clients.say(memory, "m2")
    root = {"name": "other", "rootEventId": first["eventId"]}
    begun = clients.say(memory, "o1", branch=root)
    assert begun["branch"] == root
    assert clients.say(memory, "o2", branch={"name": "other"})["branch"] == root
    clients.say(memory, "t1", branch={"name": "third", "rootEventId": begun["eventId"]})
    for branch, found in (
        ({"name": "other"}, ["o2", "o1"]), ({"name": "other", "includeParentBranches": True}, ["o2", "o1", "m1"]),
        ({"name": "third", "includeParentBranches": True}, ["t1", "o1", "m1"]), ({"name": "main"}, ["m2", "m1"]),
        ({"name": "none"}, []),
    ):
        for size in (1, 100):
            assert clients.texts(memory, size=size, filter={"branch": branch}) == found
    assert clients.texts(memory) == ["t1", "o2", "o1", "m2", "m1"]
    say = {"memory": memory, "text": "x"}
    refused("ValidationException", clients.say, **say, branch={"name": "fourth"})
    said = refused("ValidationException", clients.say, **say, branch={"name": "fourth", "rootEventId": "0#0"})
    assert said["reason"] == "EventInOtherSession"
    said = refused("ValidationException", clients.say, **say, branch={**root, "rootEventId": begun["eventId"]})
    assert said["reason"] == "ResourceConflict"


def test_actors_and_sessions(clients, memory):
    for number in range(5):
        last = clients.say(memory, "x", session=f"s{number}")
        clients.say(memory, "x", actor=f"a{number}")
    pages = clients.data.get_paginator("list_actors").paginate(memoryId=memory, PaginationConfig={"PageSize": 4})
    assert [one["actorId"] for page in pages for one in page["actorSummaries"]] == ["a4", "a3", "a2", "a1", "a0", "ann"]

    def sessions(**more):
        pages = clients.data.get_paginator("list_sessions").paginate(
            memoryId=memory, actorId="ann", PaginationConfig={"PageSize": 2}, **more
        )
        return [(one["sessionId"], one["actorId"]) for page in pages for one in page["sessionSummaries"]]

    assert sessions() == [(f"s{number}", "ann") for number in (4, 3, 2, 1, 0)]
    clients.data.delete_event(memoryId=memory, actorId="ann", sessionId="s4", eventId=last["eventId"])
    assert sessions(filter={"eventFilter": "HAS_EVENTS"}) == [(f"s{number}", "ann") for number in (3, 2, 1, 0)]
    assert clients.data.list_sessions(memoryId=memory, actorId="nobody")["sessionSummaries"] == []


def test_another_project_sees_nothing(server, clients, memory):
    event = clients.say(memory, "secret")
    theirs = Clients(server, "--project", "elsewhere")
    assert theirs.control.list_memories()["memories"] == []
    answers = []
    for where in (memory, memory[:-10] + "0123456789"):
        whose = {"memoryId": where, "actorId": "ann", "sessionId": "s1"}
        said = [
            refused("ResourceNotFoundException", call, **arguments)["Error"]["Message"].replace(where, "ID")
            for call, arguments in (
                (theirs.data.list_events, whose), (theirs.data.get_event, {**whose, "eventId": event["eventId"]}),
                (theirs.data.delete_event, {**whose, "eventId": event["eventId"]}),
                (theirs.data.create_event, {**whose, "eventTimestamp": now(), "payload": []}),
                (theirs.data.list_sessions, {"memoryId": where, "actorId": "ann"}),
                (theirs.data.list_actors, {"memoryId": where}), (theirs.control.get_memory, {"memoryId": where}),
                (theirs.control.update_memory, {"memoryId": where}), (theirs.control.delete_memory, {"memoryId": where}),
            )
        ]
        answers.append(said)
    assert answers[0] == answers[1]
    other = f"arn:aws:bedrock-agentcore:{aws.REGION}:000000000001:memory/{memory}"
    refused("ResourceNotFoundException", clients.data.list_actors, memoryId=other)
    assert clients.texts(memory) == ["secret"]


def test_bad_input(server, clients, memory):
    """What boto3 would not send."""
    event = {"actorId": "a", "sessionId": "s", "eventTimestamp": time.time(), "payload": []}
    events, session = f"/memories/{memory}/events", f"/memories/{memory}/actor/a/sessions/s"
    pairs = {f"k{number}": {"stringValue": "v"} for number in range(16)}
    text = {"conversational": {"role": "USER", "content": {"text": "x" * 100_001}}}
    for method, path, body, at in (
        ("POST", events, {**event, "actorId": None}, "actorId"), ("POST", events, {**event, "actorId": "a::b"}, "actorId"),
        ("POST", events, {**event, "sessionId": "a" * 101}, "sessionId"),
        ("POST", events, {**event, "eventTimestamp": "now"}, "eventTimestamp"),
        ("POST", events, {**event, "eventTimestamp": 1e18}, "eventTimestamp"),
        ("POST", events, {**event, "payload": [{}]}, "payload[0]"),
        ("POST", events, {**event, "payload": [{"blob": 1}] * 101}, "payload"),
        ("POST", events, {**event, "payload": [text]}, "payload[0].conversational.content.text"),
        ("POST", events, {**event, "payload": [{"blob": "x" * (10 << 20)}]}, "payload"),
        ("POST", events, {**event, "metadata": pairs}, "metadata"),
        ("POST", events, {**event, "metadata": {"k": {"stringValue": "\u2028"}}}, "metadata.k.stringValue"),
        ("POST", events, {**event, "extractionConfig": {"namespaceVariables": {"a": "b"}}}, "extractionConfig"),
        ("POST", events, {**event, "colour": "red"}, "colour"), ("POST", events, b"[]", None), ("POST", events, b"{", None),
        ("POST", session, {"maxResults": 101}, "maxResults"), ("POST", session, {"filter": {"eventMetadata": []}}, None),
        ("POST", "/memories/mine/events", event, "memoryId"), ("GET", f"{session}/events/1-2", None, "eventId"),
        ("POST", f"/memories/{memory}/actor/%FF/sessions", {}, None),
        ("POST", f"/memories/{memory}/actor/{quote('a b', safe='')}/sessions", {}, "actorId"),
        ("POST", "/memories/create", {"name": "1", "eventExpiryDuration": 7}, "name"),
        ("POST", "/memories/create", {"name": "a", "eventExpiryDuration": 0}, "eventExpiryDuration"),
        ("GET", f"/memories/{memory}/details?view=none", None, "view"),
    ):
        status, headers, said = server.request(method, path, body)
        assert status in (400, 404), (path, body if len(str(body)) < 500 else "long", status, said)
        expected = "ValidationException" if status == 400 else "ResourceNotFoundException"
        assert headers["x-amzn-errortype"] == expected and headers["x-amzn-requestid"]
        if at is not None:
            assert f'"name":"{at}"'.encode() in said and b'"reason":"FieldValidationFailed"' in said, said
    assert clients.data.list_actors(memoryId=memory)["actorSummaries"] == []
    status, headers, _ = server.request("POST", events, event, key="sk-wrong")
    assert (status, headers["x-amzn-errortype"]) == (403, "AccessDeniedException")


def test_two_writers_keep_their_order_and_lose_nothing(clients, memory):
    def write(who):
        for number in range(40):
            clients.say(memory, f"{who}{number:02}")

    writers = [threading.Thread(target=write, args=(who,)) for who in "xy"]
    [writer.start() for writer in writers]
    [writer.join() for writer in writers]
    texts = clients.texts(memory, size=9)
    assert len(texts) == 80
    for who in "xy":
        assert [text for text in texts if text.startswith(who)] == [f"{who}{number:02}" for number in reversed(range(40))]


def test_what_was_answered_outlives_a_kill(tmp_path):
    with Server(tmp_path) as server:
        clients = Clients(server)
        memory, answered, enough = clients.memory(), {"x": [], "y": []}, threading.Event()

        def write(who):
            number = 0
            while True:
                try:
                    clients.say(memory, f"{who}{number:05}")
                except (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError):
                    return
                answered[who].append(f"{who}{number:05}")
                number += 1
                if number == 30:
                    enough.set()

        writers = [threading.Thread(target=write, args=(who,)) for who in answered]
        for writer in writers:
            writer.start()
        assert enough.wait(30)
        server.kill()
        for writer in writers:
            writer.join()
        server.start()
        texts = clients.texts(memory)[::-1]
        for who, own in answered.items():
            found = [text for text in texts if text.startswith(who)]
            # The last one may be there although nobody heard so.
            assert found[:len(own)] == own and len(found) - len(own) in (0, 1)
            assert found == [f"{who}{number:05}" for number in range(len(found))]


def test_the_memory_client(sdk):
    client = MemoryClient(region_name=aws.REGION)
    watched(client.gmcp_client, client.gmdp_client)
    called = name()
    made = client.create_memory_and_wait(name=called, strategies=[], description="d", event_expiry_days=7, poll_interval=1)
    memory = made["memoryId"]
    assert client.create_or_get_memory(name=called)["id"] == memory
    assert client.get_memory_strategies(memory) == [] and client.get_memory_status(memory) == "ACTIVE"
    for question, answer in (("one?", "1"), ("two?", "2")):
        last = client.create_event(memory, "ann", "s", [(question, "USER"), (answer, "ASSISTANT")])
    client.create_blob_event(memory, "ann", "s", {"state": "kept"})
    turns = client.get_last_k_turns(memory, "ann", "s", k=2)
    assert [[part["content"]["text"] for part in turn] for turn in turns] == [["two?", "2"], ["one?", "1"]]
    client.fork_conversation(memory, "ann", "s", last["eventId"], "other", [("three?", "USER")])
    branches = {branch["name"]: branch["eventCount"] for branch in client.list_branches(memory, "ann", "s")}
    assert branches == {"main": 3, "other": 1}
    assert len(client.list_branch_events(memory, "ann", "s")) == 3
    assert len(client.list_branch_events(memory, "ann", "s", "other", include_parent_branches=True)) == 3
    assert client.retrieve_memories(memory, namespace="/", query="x") == []
    assert memory in [entry["memoryId"] for entry in client.list_memories()]
    client.delete_memory_and_wait(memory, poll_interval=1)


def test_the_session_manager(sdk):
    memory = MemoryClient(region_name=aws.REGION).create_memory(name=name())["memoryId"]
    manager = MemorySessionManager(memory_id=memory, region_name=aws.REGION)
    watched(manager._data_plane_client)
    session = manager.create_memory_session(actor_id="ann", session_id="s")
    for text in ("first", "second"):
        turn = [ConversationalMessage(text, MessageRole.USER), ConversationalMessage(f"re {text}", MessageRole.ASSISTANT)]
        event = session.add_turns(turn)
    branched = [ConversationalMessage("branched", MessageRole.USER)]
    session.fork_conversation(messages=branched, root_event_id=event["eventId"], branch_name="other")
    turns = session.get_last_k_turns(k=1)
    assert [part["content"]["text"] for part in turns[0]] == ["branched"]
    assert [branch["name"] for branch in session.list_branches()] == ["main", "other"]
    assert session.get_event(event["eventId"])["eventId"] == event["eventId"]
    assert [actor["actorId"] for actor in session.list_actors()] == ["ann"]
    assert [one["sessionId"] for one in session.get_actor().list_sessions()] == ["s"]
    session.delete_event(event["eventId"])
    assert len(session.list_events()) == 2


def agent(server, memory, **more):
    model = BedrockModel(model_id="scripted", endpoint_url=server.origin, region_name=aws.REGION)
    config = AgentCoreMemoryConfig(memory_id=memory, actor_id="ann", session_id="talk", **more)
    manager = AgentCoreMemorySessionManager(config, region_name=aws.REGION)
    watched(manager.memory_client.gmdp_client)
    return Agent(model=model, agent_id="helper", session_manager=manager, callback_handler=None)


def said(agent):
    return [(message["role"], message["content"][0]["text"]) for message in agent.messages]


def test_a_strands_conversation_goes_on_after_a_kill(tmp_path, monkeypatch):
    with Server(tmp_path) as server:
        point_at(server, monkeypatch)
        memory = Clients(server).memory()
        first = agent(server, memory)
        first.state.set("colour", "red")
        first("say one")
        first("say two")
        told = said(first)
        assert told == [("user", "say one"), ("assistant", "one"), ("user", "say two"), ("assistant", "two")]
        # Nothing was flushed, closed or waited for.
        server.kill()
        server.start()
        second = agent(server, memory)
        assert said(second) == told and second.state.get("colour") == "red"
        second("say three")
        assert said(agent(server, memory)) == [*told, ("user", "say three"), ("assistant", "three")]


def test_events_go_when_their_time_is_over(tmp_path):
    with FaultyServer(tmp_path) as server:
        clients = Clients(server)
        memory = clients.memory(days=3)
        clients.say(memory, "old", metadata={"k": {"stringValue": "v"}})
        path = f"/memories/{memory}/actor/ann/sessions/s1"

        def texts(body):
            status, said = server.json("POST", path, body)
            assert status == 200, said
            return [event["payload"][0]["conversational"]["content"]["text"] for event in said["events"]]

        # By a key that is sent: a signature is as old as the clock says.
        by_key = {"filter": {"eventMetadata": [condition("k", "EQUALS_TO", "v")]}}
        server.control.clock_offset = 3 * DAY - 60 * 10**9
        assert texts({}) == texts(by_key) == ["old"]
        server.control.clock_offset = 3 * DAY + 60 * 10**9
        assert texts({}) == texts(by_key) == []
        server.kill()
        server.start()
        assert texts({}) == texts(by_key) == []
        # Swept at the start, and not only hidden: with the old time nothing comes back.
        sessions = f"/memories/{memory}/actor/ann/sessions"
        deadline = time.monotonic() + 30
        while server.json("POST", sessions, {})[1]["sessionSummaries"]:
            assert time.monotonic() < deadline
        server.control.clock_offset = 0
        assert texts({}) == []
