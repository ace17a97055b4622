"""The conformance suite at the doors beside the Agents API: a server with any one of these defects does not pass."""
import base64
import copy
import re

import pytest

from crooked import Proxy
from test_conform import Json, Status, Stream, changed, conform, drop, outcomes, put, swapped, twice, whole, without

assert whole  # A fixture, used by its name.


class Bytes:
    """Bends what is no JSON."""

    def __init__(self, path, body):
        self.path, self.body = re.compile(path), body

    def answer(self, method, path, status, headers, body):
        if method == "GET" and self.path.fullmatch(path):
            headers["content-type"] = "application/json"
            return status, self.body
        return status, body


class Socket:
    """Bends what a WebSocket says."""

    def __init__(self, bend):
        self.message = bend


class Absent:
    """A server without these doors."""

    def __init__(self, path):
        self.path = re.compile(path)

    def answer(self, _method, path, status, headers, body):
        if not self.path.match(path):
            return status, body
        headers["content-type"] = "application/json"
        return 404, {"error": {"type": "invalid_request_error", "message": "no such URL", "code": None, "param": None}}


def said(kind, change):
    """One message bent."""
    def bend(message):
        if message["type"] == kind:
            change(message)
        return [message]
    return Socket(bend)


def unsaid(kind):
    return Socket(lambda message: [] if message["type"] == kind else [message])


def renumbered(number):
    def bend(frames):
        for frame in frames:
            if frame.kind.startswith("response."):
                frame.data["sequence_number"] = number(frame.data["sequence_number"])
            yield frame
    return Stream(bend)


def done_at_the_end(frames):
    last = None
    for last in frames:
        yield last
    if last is not None:
        last.lines, last.data = [], "[DONE]"
        yield last


def merged(frames):
    """The last chunk of a chat swallows [DONE]."""
    return (frame for frame in frames if frame.data != "[DONE]")


def replay_lost(path, frames):
    """Forgets one event where it resumes."""
    first = True
    for frame in frames:
        if not (first and "starting_after" in path):
            yield frame
        first = False


class Forgetful:
    events = staticmethod(replay_lost)


def output(change):
    """Of a response, and of no list."""
    def bend(body):
        for item in body.get("output", []):
            change(item)
    return bend


def pieces(change):
    def bend(frames):
        for frame in frames:
            if isinstance(frame.data, dict) and frame.data.get("object") == "chat.completion.chunk":
                change(frame.data)
            yield frame
    return Stream(bend)


def first_choice(change):
    return lambda body: body.get("choices") and change(body["choices"][0])


def vectors(change):
    def bend(body):
        for one in body["data"]:
            one["embedding"] = change(one["embedding"])
    return bend


def scaled(vector):
    return [2 * x for x in vector] if isinstance(vector, list) else vector


def garbled(vector):
    return vector if isinstance(vector, list) else base64.b64encode(base64.b64decode(vector)[::-1]).decode()


def backwards(body):
    if isinstance(body.get("data"), list):
        body["data"].reverse()


def without_usage(body):
    body.get("usage") and body["usage"].update(total_tokens=1)


R, ONE_R, C, ONE_C = "/responses", "/responses/resp_[^/]+", "/conversations", "/conversations/conv_[^/]+"
CHAT, FILES, UPLOADS, EMB = "/chat/completions", "/files", "/uploads", "/embeddings"
DELTA, TEXT_DONE, DONE = "response.output_text.delta", "response.output_text.done", "response.output_item.done"
IN = ONE_R + "/input_items"


MUTANTS = {
    "response: no completed_at": ("responses", Json(R, drop("completed_at")), "responses.resource"),
    "response: no service_tier": ("responses", Json(R, drop("service_tier")), "responses.resource"),
    "response: no penalties": ("responses", Json(R, drop("presence_penalty")), "responses.resource"),
    "response: nullable key left out": ("responses", Json(R, drop("max_tool_calls")), "shapes.nulls"),
    "response: instructions as a list": ("responses", Json(R, put("instructions", [])), "responses.resource"),
    "response: times in milliseconds and parts": ("responses", Json(R, put("created_at", 1.5)), "responses.resource"),
    "response: text without annotations": ("responses", Json(R, output(lambda item: [p.pop("annotations") for p in item.get("content", [])])), "responses.output"),
    "response: an item of its own kind": ("responses", Json(R, output(lambda item: item.update(type="monologue"))), "responses.output"),
    "response: queued for ever": ("responses", Json(R, put("status", "in_progress")), "responses.completed"),
    "response: nothing said": ("responses", Json(R, put("output", [])), "responses.completed"),
    "response: wrong sum": ("responses", Json(R, without_usage), "responses.usage"),
    "response: metadata lost": ("responses", Json(R, put("metadata", {})), "responses.echo"),
    "response: temperature lost": ("responses", Json(R, put("temperature", 1.0)), "responses.echo"),
    "response: stored although it is not": ("responses", Json(R, put("store", True)), "responses.store-false"),
    "response: a tool without its description": ("responses", Json(R, lambda b: [t.pop("description", 0) for t in b.get("tools", [])]), "responses.tool-shown"),
    "response: arguments as an object": ("responses", Json(R, output(lambda item: "arguments" in item and item.update(arguments={}))), "responses.call"),
    "response: GET says something else": ("responses", Json(ONE_R, put("model", "another"), "GET"), "responses.retrieve"),
    "response: 200 for 404": ("responses", Status("GET", ONE_R, 404, 200), "responses.delete"),
    "response: unknown ones can be deleted": ("responses", Status("DELETE", ONE_R, 404, 200), "responses.unknown"),
    "response: a deletion fails": ("responses", Status("DELETE", ONE_R, 200, 500), "responses.delete"),
    "response: 500 for 400": ("responses", Status("POST", R, 400, 500), "responses.types"),
    "response: an unfinished one is cancelled": ("responses", Json(ONE_R + "/cancel", put("status", "completed")), "responses.cancel"),
    "response: all can be cancelled": ("responses", Status("POST", ONE_R + "/cancel", 400, 200), "responses.cancel-synchronous"),
    "response: one token for all": ("responses", Json(R + "/input_tokens", put("input_tokens", 1)), "responses.input-tokens"),
    "stream: created and in_progress swapped": ("telling", swapped("response.created", "response.in_progress"), "telling.starts"),
    "stream: no created": ("telling", without("response.created"), "telling.starts"),
    "stream: numbers from 1": ("telling", renumbered(lambda n: n + 1), "telling.numbers"),
    "stream: a number twice": ("telling", renumbered(lambda n: min(n, 3)), "telling.numbers"),
    "stream: a number skipped on resume alone": ("telling", Forgetful(), "telling.after"),
    "stream: no terminal event": ("telling", without("response.completed"), "telling.terminal"),
    "stream: two terminal events": ("telling", twice("response.completed"), "telling.terminal"),
    "stream: another id at the end": ("telling", changed("response.completed", lambda e: e["response"].update(id="resp_x")), "telling.terminal"),
    "stream: item done before its part": ("telling", swapped("response.content_part.done", DONE), "telling.items"),
    "stream: an item never done": ("telling", without(DONE), "telling.items"),
    "stream: an item added twice": ("telling", twice("response.output_item.added"), "telling.items"),
    "stream: another item's id": ("telling", changed(DELTA, lambda e: e.update(item_id="msg_x")), "telling.items"),
    "stream: places from 1": ("telling", changed(DELTA, lambda e: e.update(output_index=1)), "telling.items"),
    "stream: no content part": ("telling", without("response.content_part.added"), "telling.parts"),
    "stream: a part with text at its beginning": ("telling", changed("response.content_part.added", lambda e: e["part"].update(text="a")), "telling.parts"),
    "stream: a delta twice": ("telling", twice(DELTA), "telling.deltas"),
    "stream: a wrong delta": ("telling", changed(DELTA, lambda e: e.update(delta=e["delta"].upper())), "telling.deltas"),
    "stream: no text done": ("telling", without(TEXT_DONE), "telling.text"),
    "stream: other arguments at the end": ("telling", changed("response.function_call_arguments.done", lambda e: e.update(arguments="{}")), "telling.deltas"),
    "stream: no arguments": ("telling", without("response.function_call_arguments.delta"), "telling.call"),
    "stream: the whole differs": ("telling", changed("response.completed", lambda e: e["response"].update(output=[])), "telling.final"),
    "stream: the whole is not what is stored": ("telling", changed("response.completed", lambda e: e["response"].update(model="x")), "telling.stored"),
    "stream: [DONE]": ("telling", Stream(done_at_the_end), "telling.no-done"),
    "stream: no event lines": ("telling", Stream(lambda fs: (setattr(f, "lines", []) or f for f in fs)), "telling.event-line"),
    "stream: padded": ("telling", changed(DELTA, lambda e: e.update(obfuscation="x")), "telling.padding"),
    "stream: a delta without its item": ("telling", changed(DELTA, lambda e: e.pop("item_id")), "shapes.event." + DELTA),
    "stream: no logprobs": ("telling", changed(DELTA, lambda e: e.pop("logprobs")), "shapes.event." + DELTA),
    "chains: the parent is not named": ("chains", Json(R, put("previous_response_id", None)), "chains.continued"),
    "chains: instructions carried over": ("chains", Json(R, put("instructions", "Be brief.")), "chains.settings"),
    "chains: stray results are taken": ("chains", Status("POST", R, 400, 200), "chains.stray-output"),
    "chains: one id for all": ("chains", Json(R, put("id", "resp_1")), "chains.tree"),
    "listings: no has_more": ("listings", Json(IN, lambda b: b.pop("has_more")), "shapes.responses.input_items.list"),
    "listings: has_more always false": ("listings", Json(IN, lambda b: b.update(has_more=False)), "listings.has-more"),
    "listings: the other order": ("listings", Json(IN, backwards), "listings.items"),
    "listings: no ids": ("listings", Json(IN, drop("id")), "listings.ids"),
    "listings: every limit is taken": ("listings", Status("GET", IN, 400, 200), "listings.limit"),
    "compaction: another object": ("compaction", Json(R + "/compact", put("object", "response")), "compaction.object"),
    "compaction: nothing to go on from": ("compaction", Json(R + "/compact", output(lambda item: item.pop("encrypted_content", 0))), "compaction.item"),
    "compaction: no model is needed": ("compaction", Status("POST", R + "/compact", 400, 200), "compaction.model-missing"),
    "socket: no created": ("websocket", unsaid("response.created"), "websocket.rules"),
    "socket: a delta lost": ("websocket", unsaid(DELTA), "websocket.rules"),
    "socket: a number twice": ("websocket", said(DELTA, lambda m: m.update(sequence_number=0)), "websocket.rules"),
    "socket: a message twice": ("websocket", Socket(lambda m: [m, m] if m["type"] == DONE else [m]), "websocket.rules"),
    "socket: a resource without store": ("websocket", said("response.completed", lambda m: m["response"].pop("store")), "websocket.resource"),
    "socket: no terminal event": ("websocket", unsaid("response.completed"), "websocket.turn"),
    "socket: errors by another code": ("websocket", said("error", lambda m: m["error"].update(code="oops")), "websocket.reconnect"),
    "socket: errors without a status": ("websocket", said("error", lambda m: m.pop("status")), "websocket.error"),
    "socket: flat errors": ("websocket", said("error", lambda m: m.update(m.pop("error"), type="error")), "websocket.error"),
    "socket: the parent is not named": ("websocket", said("response.completed", lambda m: m["response"].update(previous_response_id=None)), "websocket.continuation"),
    "socket: lanes without names": ("websocket", Socket(lambda m: [m.pop("stream_id", 0) and m or m]), "websocket.lanes"),
    "conversation: no metadata": ("conversations", Json(C + "|" + ONE_C, drop("metadata")), "conversations.shown"),
    "conversation: another object": ("conversations", Json(C, put("object", "thread")), "conversations.create"),
    "conversation: 200 for 404": ("conversations", Status("GET", ONE_C, 404, 200), "conversations.unknown"),
    "conversation: items in the other order": ("conversations", Json(ONE_C + "/items", backwards), "conversations.items"),
    "conversation: items without status": ("conversations", Json(ONE_C + "/items", drop("status")), "shapes.conversations.items.list"),
    "conversation: has_more always false": ("conversations", Json(ONE_C + "/items", lambda b: b.update(has_more=False)), "conversations.walk"),
    "conversation: deleted items stay": ("conversations", Status("GET", ONE_C + "/items/[^/]+", 404, 200), "conversations.item-delete"),
    "conversation: not named by its response": ("conversations", Json(R, put("conversation", None)), "conversations.response"),
    "conversation: deleted is false": ("conversations", Json(ONE_C, put("deleted", False), "DELETE"), "conversations.delete"),
    "chat: no role": ("chat", Json(CHAT, first_choice(lambda c: c["message"].pop("role"))), "chat.answer"),
    "chat: ends with nothing": ("chat", Json(CHAT, first_choice(lambda c: c.update(finish_reason=None))), "chat.finish"),
    "chat: no index": ("chat", Json(CHAT, first_choice(lambda c: c.pop("index"))), "chat.choices"),
    "chat: one choice for three": ("chat", Json(CHAT, lambda b: b.update(choices=b["choices"][:1])), "chat.choices"),
    "chat: wrong sum": ("chat", Json(CHAT, without_usage), "chat.usage"),
    "chat: no time": ("chat", Json(CHAT, drop("created")), "shapes.chat.completions.create"),
    "chat: arguments as an object": ("chat", Json(CHAT, first_choice(lambda c: [t["function"].update(arguments={}) for t in c["message"].get("tool_calls") or []])), "chat.call"),
    "chat: calls that end with stop": ("chat", Json(CHAT, first_choice(lambda c: c.update(finish_reason="stop"))), "chat.call"),
    "chat: 200 for 400": ("chat", Status("POST", CHAT, 400, 200), "chat.types"),
    "chat stream: no [DONE]": ("chat", Stream(merged), "chat.stream-done"),
    "chat stream: a piece lost": ("chat", pieces(lambda c: [x["delta"].update(content="") for x in c["choices"] if "two" in (x["delta"].get("content") or "")]), "chat.stream-text"),
    "chat stream: every piece in capitals": ("chat", pieces(lambda c: [x["delta"].update(content=x["delta"]["content"].upper()) for x in c["choices"] if x["delta"].get("content")]), "chat.stream-text"),
    "chat stream: no role": ("chat", pieces(lambda c: [x["delta"].pop("role", 0) for x in c["choices"]]), "chat.stream-role"),
    "chat stream: ids that change": ("chat", pieces(lambda c: c.update(id=f"chatcmpl-{id(c)}")), "chat.stream-ids"),
    "chat stream: no end": ("chat", pieces(lambda c: [x.update(finish_reason=None) for x in c["choices"]]), "chat.stream-finish"),
    "chat stream: no usage": ("chat", pieces(lambda c: c.update(usage=None)), "chat.stream-usage"),
    "chat stream: usage for all": ("chat", pieces(lambda c: c.update(usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2})), "chat.stream-no-usage"),
    "chat stream: all choices are the first": ("chat", pieces(lambda c: [x.update(index=0) for x in c["choices"]]), "chat.stream-choices"),
    "chat stream: calls without an index": ("chat", pieces(lambda c: [t.pop("index") for x in c["choices"] for t in x["delta"].get("tool_calls") or []]), "chat.stream-call"),
    "vectors: too long": ("embeddings", Json(EMB, vectors(scaled)), "embeddings.unit"),
    "vectors: one for all": ("embeddings", Json(EMB, lambda b: [one.update(embedding=b["data"][0]["embedding"]) for one in b["data"]]), "embeddings.equal"),
    "vectors: base64 of something else": ("embeddings", Json(EMB, vectors(garbled)), "embeddings.base64"),
    "vectors: in the other order": ("embeddings", Json(EMB, backwards), "embeddings.list"),
    "vectors: always whole": ("embeddings", Json(EMB, vectors(lambda v: v + [0.0] if isinstance(v, list) and len(v) < 300 else v)), "embeddings.dimensions"),
    "vectors: of different lengths": ("embeddings", Json(EMB, lambda b: isinstance(b["data"][0]["embedding"], list) and b["data"][0]["embedding"].append(0.0)), "embeddings.length"),
    "vectors: usage lost": ("embeddings", Json(EMB, lambda b: b["usage"].update(prompt_tokens=0)), "embeddings.usage"),
    "files: other bytes": ("files", Bytes(FILES + "/[^/]+/content", {}), "files.content"),
    "files: another size": ("files", Json(FILES, lambda b: "bytes" in b and b.update(bytes=b["bytes"] + 1), "POST"), "files.create"),
    "files: another name": ("files", Json(FILES, put("filename", "x"), "POST"), "files.create"),
    "files: no purpose": ("files", Json(FILES + "(/[^/]+)?", drop("purpose")), "shapes.files.create"),
    "files: the other order": ("files", Json(FILES, backwards, "GET"), "files.listed"),
    "files: deleted ones stay": ("files", Status("GET", FILES + "/[^/]+", 404, 200), "files.delete"),
    "files: never expire": ("files", Json(FILES, put("expires_at", None), "POST"), "files.expires"),
    "uploads: parts in the order of their coming": ("uploads", Bytes(FILES + "/[^/]+/content", []), "uploads.order"),
    "uploads: completed at once": ("uploads", Json(UPLOADS, put("status", "completed")), "uploads.create"),
    "uploads: any size": ("uploads", Status("POST", UPLOADS + "/[^/]+/complete", 400, 200), "uploads.size"),
    "uploads: parts of nobody": ("uploads", Json(UPLOADS + "/[^/]+/parts", put("upload_id", "upload_x")), "uploads.part"),
    "models: none": ("models", Json("/models", lambda b: b.update(data=[])), "models.listed"),
    "models: one twice": ("models", Json("/models", lambda b: b["data"].append(b["data"][0])), "models.unique"),
    "models: 400 for 404": ("models", Status("GET", "/models/[^/]+", 404, 400), "models.unknown"),
    "fork: 200 for 201": ("fork", Status("POST", "/agents/sessions/[^/]+/fork", 201, 200), "fork.created"),
    "fork: of somebody else": ("fork", Json("/agents/sessions/[^/]+/fork", put("id", "sess_of_nobody")), "fork.items"),
    "stream: incomplete without a reason": ("telling", changed("response.incomplete", lambda e: e["response"].update(incomplete_details=None)), "telling.incomplete"),
    "stream: failed without an error": ("telling", changed("response.failed", lambda e: e["response"].update(error=None)), "telling.failed"),
    "stream: another input of a custom tool": ("telling", changed("response.custom_tool_call_input.done", lambda e: e.update(input="x")), "telling.custom"),
    "fork: usage kept": ("fork", Json("/agents/sessions/[^/]+/fork", lambda b: b.update(usage={"total_tokens": 9})), "fork.fresh"),
}


@pytest.mark.soak(60)
@pytest.mark.parametrize("defect", MUTANTS)
def test_a_defect_is_reported(whole, tmp_path, defect):
    area, bend, check = MUTANTS[defect]
    with Proxy(whole.port, copy.copy(bend)) as proxy:
        options = ["--only", area, "--embedding", "minilm"]
        status, report, printed = conform(proxy.base, *options, folder=tmp_path, patience=2)
    assert status == 1, printed
    assert check in outcomes(report, "failed"), printed


@pytest.mark.parametrize("part", ["responses", "conversations", "chat", "embeddings", "files", "models", "fork", "environments"])
def test_a_part_alone(whole, tmp_path, part):
    status, report, printed = conform(whole.base, "--part", part, "--embedding", "minilm", folder=tmp_path)
    assert status == 0 and not report["absent"], printed
    areas = {check["area"] for check in report["checks"]}
    assert "shapes" in areas and "agents" not in areas and "coverage" not in areas


def test_a_door_that_is_absent_is_named_and_an_error_only_where_it_is_asked_for(whole, tmp_path):
    with Proxy(whole.port, Absent("/embeddings|/uploads|/chat|/conversations")) as proxy:
        doors = ["--part", "models,chat"]
        status, report, printed = conform(proxy.base, *doors, folder=tmp_path)
        assert status == 1 and not report["absent"] and "chat.answer" in outcomes(report, "failed"), printed
        status, report, printed = conform(proxy.base, "--embedding", "minilm", folder=tmp_path)
    assert report["absent"] == ["conversations", "chat", "embeddings"], printed
    assert "chat          not served" in printed
    assert not [name for name in outcomes(report, "failed") if name.startswith(("chat.", "embeddings."))], printed
