"""Clients of the newer doors that behave badly: they do not read, they send far too much, they build on what is not theirs."""
import json
import re
import socket
import threading
from pathlib import Path

import openai
import pytest

from server import KEY, Server

MODEL = "scripted"
TOOL = {"type": "function", "name": "lookup", "strict": False, "parameters": {"type": "object"}}
READERS = 16
WORDS = 60_000


def user(content):
    return {"role": "user", "content": content}


def resident(server):
    """MiB of memory that the server holds."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) / 1024


def open_stream(server, identity):
    """A reader with the smallest window, which has asked and read nothing yet."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    reader.settimeout(30)
    reader.connect(("127.0.0.1", server.port))
    reader.sendall((
        f"GET /v1/responses/{identity}?stream=true&include_obfuscation=false HTTP/1.0\r\nHost: x\r\n"
        f"Authorization: Bearer {KEY}\r\n\r\n"
    ).encode())
    return reader


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc on this machine")
def test_readers_that_hardly_read_cost_nothing(tmp_path):
    """Each stream is some ten megabytes; a server that queued them would hold all of them."""
    with Server(tmp_path) as server:
        client = server.client()
        text = " ".join(str(number) for number in range(WORDS))
        identity = client.responses.create(model=MODEL, input=f"say {text}").id
        before = resident(server)
        readers = [open_stream(server, identity) for _ in range(READERS)]
        try:
            for _ in range(40):
                assert [len(reader.recv(1)) for reader in readers] == [1] * READERS
            # Others are served as ever, and what was asked for meanwhile is done.
            assert client.responses.create(model=MODEL, input="say hi").output_text == "hi"
            assert client.responses.retrieve(identity).output_text == text
            assert resident(server) - before < 80
            told = b"".join(iter(lambda: readers[0].recv(1 << 16), b""))
        finally:
            for reader in readers:
                reader.close()
    events = [json.loads(line[6:]) for line in told.split(b"\n") if line.startswith(b"data: ")]
    assert len(told) > 8 << 20
    deltas = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert "".join(deltas) == text and events[-1]["type"] == "response.completed"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/responses/compact", "/v1/responses/input_tokens",
                                  "/v1/chat/completions", "/v1/embeddings"])
@pytest.mark.parametrize("announced", [True, False])
def test_a_hundred_megabytes_are_refused(server, path, announced):
    length = f"Content-Length: {100 << 20}" if announced else "Transfer-Encoding: chunked"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as sender:
        sender.sendall((
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
            f"{length}\r\n\r\n"
        ).encode())
        if not announced:
            piece = b"%x\r\n%s\r\n" % (1 << 20, b" " * (1 << 20))
            try:
                for _ in range(100):
                    sender.sendall(piece)
            except OSError:
                pass  # it did not wait for the rest
        answer = sender.makefile("rb")
        try:
            status = answer.readline()
        except ConnectionResetError:
            # The refusal was lost with what nobody read; that nothing came of it is what counts.
            assert not announced
        else:
            assert b" 413 " in status, status
    assert server.request("GET", "/v1/models")[0] == 200


def test_many_continuations_of_one_response_at_once(client):
    root = client.responses.create(model=MODEL, input="say root")
    made = {}

    def go(place):
        made[place] = client.responses.create(model=MODEL, input=f"slow 3 {place} it is", previous_response_id=root.id)

    threads = [threading.Thread(target=go, args=(place,)) for place in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {place: one.output_text for place, one in made.items()} == {place: f"{place} it is" for place in range(12)}
    assert len({one.id for one in made.values()}) == 12
    assert {one.previous_response_id for one in made.values()} == {root.id}


def test_what_is_continued_while_it_is_deleted_is_there_or_is_not(client):
    for _ in range(8):
        root = client.responses.create(model=MODEL, input="say root")
        told = []

        def go():
            try:
                told.append(client.responses.create(model=MODEL, input="say on", previous_response_id=root.id).output_text)
            except openai.BadRequestError as refused:
                told.append(refused.code)

        threads = [threading.Thread(target=go) for _ in range(3)]
        for thread in threads:
            thread.start()
        client.responses.delete(root.id)
        for thread in threads:
            thread.join()
        assert len(told) == 3 and set(told) <= {"on", "previous_response_not_found"}
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(model=MODEL, input="x", previous_response_id=root.id)
        assert refused.value.code == "previous_response_not_found"


def test_chains_that_are_wrong(client):
    def called():
        return client.responses.create(model=MODEL, input='call lookup {"n":1} & call lookup {"n":2}\nsay done', tools=[TOOL])

    def output(call_id):
        return {"type": "function_call_output", "call_id": call_id, "output": "x"}

    def refused(parent, *items):
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(model=MODEL, input=list(items), previous_response_id=parent, tools=[TOOL])
        assert refused.value.param == "input"
        return refused.value.message

    root, sibling = called(), called()
    mine, foreign = ([item.call_id for item in one.output] for one in (root, sibling))
    assert mine[1] in refused(root.id, output(mine[0]))
    assert foreign[0] in refused(root.id, output(mine[0]), output(mine[1]), output(foreign[0]))
    assert mine[0] in refused(root.id, output(mine[0]), output(mine[1]), output(mine[0]))
    unheard = refused(root.id, {"role": "user", "content": "never mind"})
    assert any(call in unheard for call in mine)
    # None of it left anything behind.
    done = client.responses.create(
        model=MODEL, input=[output(mine[1]), output(mine[0])], previous_response_id=root.id, tools=[TOOL]
    )
    assert done.output_text == "done"
    assert mine[0] in refused(done.id, output(mine[0]))
    with pytest.raises(openai.BadRequestError) as wrong:
        client.responses.create(model=MODEL, input="x", previous_response_id=root.id, conversation="conv_x")
    assert wrong.value.status_code == 400


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc on this machine")
def test_a_short_request_cannot_name_more_than_it_could_bring(tmp_path):
    with Server(tmp_path) as server:
        client = server.client()
        file = client.files.create(file=("large.bin", b"x" * (15 << 20)), purpose="user_data")
        said = client.responses.create(model=MODEL, input="say " + "x" * (2 << 20)).output[0].id
        before = resident(server)
        for path, many in (
            ("[3].file_id", [user([{"type": "input_file", "file_id": file.id}] * 40)]),
            ("[32].id", [{"type": "item_reference", "id": said}] * 400),
        ):
            with pytest.raises(openai.BadRequestError) as refused:
                client.responses.create(model=MODEL, input=many)
            assert refused.value.param.endswith(path)
        parts = [{"type": "file", "file": {"file_id": file.id}}] * 40
        for asks in (
            lambda: client.chat.completions.create(model=MODEL, messages=[user(parts)]),
            lambda: client.conversations.create(items=[user([{"type": "input_file", "file_id": file.id}] * 40)]),
        ):
            with pytest.raises(openai.BadRequestError, match="names by ids"):
                asks()
        assert resident(server) - before < 300
        assert client.responses.create(model=MODEL, input=[user("say fine")]).output_text == "fine"
