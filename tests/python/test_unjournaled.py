"""What is kept in memory only: `store: false`, and chats where the journal is off. None of it reaches the disk, all of it
is given back, and together it takes no more than was configured."""
import signal
import threading

import openai
import pytest

from server import CONFIG, RawStream, Server

BOUND = '[limits]\nunjournaled = "1MiB"\n'
PATH = "/v1/chat/completions"


def user(content):
    return {"role": "user", "content": content}


def chat(client, content, **more):
    completion = client.chat.completions.create(model="scripted", messages=[user(content)], **more)
    return completion.choices[0].message.content


def on_disk(server, word):
    """Whether any file of the data folder holds the word."""
    return any(word.encode() in path.read_bytes() for path in server.data.rglob("*") if path.is_file())


def in_memory(server):
    _, _, text = server.request("GET", "/metrics")
    (line,) = [line for line in text.decode().splitlines() if line.startswith("outcrop_sessions_active ")]
    return int(line.split()[1])


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("unjournaled"), BOUND + CONFIG) as server:
        yield server


def test_what_is_not_stored_never_touches_the_disk(small):
    client = small.client()
    assert chat(client, "say quartzite", store=True) == "quartzite"
    assert chat(client, "say feldspar", store=False) == "feldspar"
    response = client.responses.create(model="scripted", input="say hornblende", store=False)
    assert response.output_text == "hornblende"
    assert on_disk(small, "quartzite")
    assert not on_disk(small, "feldspar") and not on_disk(small, "hornblende")


def test_what_was_answered_is_given_back(small):
    """Together these are six times what may be kept at one time."""
    client = small.client(retries=5)
    for number in range(60):
        assert chat(client, f"say {number}\n" + "x" * 100_000, store=False) is not None
    for number in range(20):
        asked = f"say {number}\n" + "x" * 100_000
        assert client.responses.create(model="scripted", input=asked, store=False).output_text


def test_too_much_at_one_time_is_refused_for_now(small):
    client = small.client()
    with pytest.raises(openai.InternalServerError) as refused:
        chat(client, "x" * 2_000_000, store=False)
    assert refused.value.status_code == 503
    # What is stored is none of this, and what is small enough fits.
    assert chat(client, "say stored\n" + "x" * 2_000_000, store=True)
    assert chat(client, "say small", store=False) == "small"


def test_without_a_journal_a_chat_says_itself_that_it_is_stored(tmp_path):
    with Server(tmp_path, "[server]\njournal = false\n" + CONFIG) as server:
        client = server.client()
        assert chat(client, "say quartzite") == "quartzite"
        assert chat(client, "say feldspar", store=True) == "feldspar"
        # Responses are stored unless their request says otherwise: they can be fetched.
        response = client.responses.create(model="scripted", input="say hornblende")
        assert client.responses.retrieve(response.id).output_text == "hornblende"
        assert not on_disk(server, "quartzite")
        assert on_disk(server, "feldspar")


def test_a_draining_server_ends_what_is_only_in_memory(tmp_path):
    with Server(tmp_path) as server:
        body = {"model": "scripted", "messages": [user("slow 10 " + "word " * 40)], "stream": True, "store": False}
        with RawStream(server.port, "POST", PATH, body) as stream:
            chunks = iter(stream)
            next(chunk for chunk in chunks if "content" in chunk["choices"][0]["delta"])
            assert in_memory(server) == 1
            server.process.send_signal(signal.SIGTERM)
            rest = []
            reader = threading.Thread(target=lambda: rest.extend(line for line in stream.answer if line.strip()))
            reader.start()
            reader.join(timeout=30)
            assert rest[-1].strip() == b"data: [DONE]"
        assert server.process.wait(timeout=30) == 0
