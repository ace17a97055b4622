"""Vectors of texts through the unmodified SDK: the model in the process, and an upstream behind us."""
import base64
import json
import struct
import threading

import openai
import pytest

from conversation import NONE
from server import KEY, ROOT, Server
from upstream import Handler, Local

MODEL = ROOT / ".fixtures/all-MiniLM-L6-v2"
MADE = json.loads((ROOT / "tests/python/embeddings/vectors.json").read_text())["cases"]
CONFIG = f"""
[[model]]
name = "minilm"
provider = "local"
task = "embedding"
source = "file:{MODEL}"

[[model]]
name = "absent"
provider = "local"
task = "embedding"

[[model]]
name = "scripted"
provider = "script"
"""


def unpacked(text):
    data = base64.b64decode(text)
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def sdk(server):
    """As most programs have it. The SDK asks for bytes and decodes them after it has looked at the answer's types, so that
    its strict mode refuses its own way; what asks for numbers is strict below."""
    return openai.OpenAI(base_url=server.base, api_key=KEY, max_retries=0, timeout=50)


def apart(left, right):
    assert len(left) == len(right)
    return max(abs(a - b) for a, b in zip(left, right))


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    assert MODEL.exists(), f"{MODEL} is not there: run `cargo xtask test`, which fetches it"
    with Server(tmp_path_factory.mktemp("embeddings"), config=CONFIG) as server:
        yield server


def test_vectors_are_those_of_sentence_transformers(local):
    texts = [case["text"] for case in MADE]
    made = sdk(local).embeddings.create(model="minilm", input=texts)
    assert [one.index for one in made.data] == list(range(len(texts)))
    assert made.model == "minilm" and made.object == "list"
    for case, one in zip(MADE, made.data):
        assert apart(one.embedding, unpacked(case["vector"])) < 1e-3, case["text"]
    tokens = sum(len(case["tokens"]) for case in MADE)
    assert made.usage.prompt_tokens == made.usage.total_tokens == tokens


def test_numbers_and_bytes_say_the_same(local):
    client, case = sdk(local), MADE[0]
    asked = {"model": "minilm", "input": case["text"]}
    usual = client.embeddings.create(**asked).data[0].embedding
    numbers = local.client().embeddings.create(**asked, encoding_format="float").data[0].embedding
    status, packed = local.json("POST", "/v1/embeddings", {**asked, "encoding_format": "base64"})
    assert status == 200 and isinstance(packed["data"][0]["embedding"], str)
    assert unpacked(packed["data"][0]["embedding"]) == list(usual)
    # Written as short as 32 bits can be told apart.
    assert struct.pack("<384f", *numbers) == struct.pack("<384f", *usual)
    status, plain = local.json("POST", "/v1/embeddings", asked)
    assert status == 200 and len(plain["data"][0]["embedding"]) == 384


def test_tokens_are_the_models_own(local):
    client = sdk(local)
    made = client.embeddings.create(model="minilm", input=[case["tokens"] for case in MADE])
    for case, one in zip(MADE, made.data):
        assert apart(one.embedding, unpacked(case["vector"])) < 1e-3, case["text"]
    single = client.embeddings.create(model="minilm", input=MADE[0]["tokens"][1:-1])
    assert list(single.data[0].embedding) == list(made.data[0].embedding)


def test_dimensions(local):
    client = sdk(local)
    whole = client.embeddings.create(model="minilm", input="cats").data[0].embedding
    short = client.embeddings.create(model="minilm", input="cats", dimensions=64).data[0].embedding
    length = sum(x * x for x in whole[:64]) ** 0.5
    assert apart(short, [x / length for x in whole[:64]]) < 1e-6


def test_what_is_alike_is_near(local):
    texts = ["A man is playing a guitar.", "Someone plays an instrument.", "The stock market fell sharply."]
    one, like, other = (one.embedding for one in sdk(local).embeddings.create(model="minilm", input=texts).data)
    near = sum(a * b for a, b in zip(one, like))
    far = sum(a * b for a, b in zip(one, other))
    assert near > 0.4 > 0.2 > far


def test_many_at_once(local):
    """Whoever asks for one is not behind those who ask for many."""
    client, failed = sdk(local), []
    usual = client.embeddings.create(model="minilm", input=["word 7"]).data[0].embedding

    def one(number):
        made = client.embeddings.create(model="minilm", input=[f"word {n}" for n in range(7, 7 + number)])
        if len(made.data) != number or list(made.data[0].embedding) != list(usual):
            failed.append(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in (100, 1, 30, 1, 2, 60, 1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


@pytest.mark.parametrize("wanted,param,said", [
    ({"input": ""}, "input", "input cannot be an empty string"),
    ({"input": ["a", ""]}, "input[1]", "input cannot be an empty string"),
    ({"input": []}, "input", "empty array"),
    ({"input": ["a"] * 2049}, "input", "maximum length 2048"),
    ({"input": [[1], []]}, "input[1]", "empty array"),
    ({"input": [30522]}, "input", "token 30522"),
    ({"input": [-1]}, "input[0]", "below minimum"),
    ({"input": {}}, "input", "Invalid type"),
    ({"input": [[1000] * 300] * 1200}, "input", "Requested 307200 tokens, max 300000 tokens per request"),
    ({"input": "a", "dimensions": 385}, "dimensions", "384"),
    ({"input": "a", "dimensions": 0}, "dimensions", "minimum"),
    ({"input": "a", "encoding_format": "int8"}, "encoding_format", "'float' and 'base64'"),
    ({"input": "a", "model": "scripted"}, "model", "makes no embeddings"),
    ({"input": "a", "truncate": True}, "truncate", "Unknown parameter"),
])
def test_refusals(local, wanted, param, said):
    status, answer = local.json("POST", "/v1/embeddings", {"model": "minilm", **wanted})
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error"), answer
    assert answer["error"]["param"] == param and said in answer["error"]["message"], answer


def test_models_that_are_not_there(local):
    client = sdk(local)
    with pytest.raises(openai.NotFoundError) as unknown:
        client.embeddings.create(model="nowhere", input="a")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.InternalServerError) as absent:
        client.embeddings.create(model="absent", input="a")
    assert absent.value.status_code == 503 and "outcrop model pull absent" in absent.value.message
    status, _, _ = local.request("POST", "/v1/embeddings", {"model": "minilm", "input": "a"}, key="sk-wrong")
    assert status == 401
    other, _ = local.create_key("--scopes", "api.agents.read,api.agents.write")
    status, answer = local.json("POST", "/v1/embeddings", {"model": "minilm", "input": "a"}, key=other)
    assert status == 403 and "api.embeddings.write" in answer["error"]["message"]
    own, _ = local.create_key("--scopes", "api.embeddings.write")
    status, _, _ = local.request("POST", "/v1/embeddings", {"model": "minilm", "input": "a"}, key=own)
    assert status == 200


def test_an_embedding_model_answers_no_conversation(local):
    with pytest.raises(openai.BadRequestError) as refused:
        sdk(local).beta.agents.sessions.create(agent={"model": "minilm"}, environment=NONE, input="hi")
    assert refused.value.param == "agent.model" and "makes embeddings" in refused.value.message


def test_it_is_listed_and_counted(local):
    client = sdk(local)
    assert "minilm" in {model.id for model in client.models.list()}

    def counted():
        _, _, text = local.request("GET", "/metrics")
        lines = dict(line.rsplit(" ", 1) for line in text.decode().splitlines() if not line.startswith("#"))
        calls = lines.get('outcrop_model_calls_total{model="minilm",outcome="answered"}', "0")
        tokens = lines.get('outcrop_model_tokens_total{model="minilm",kind="input"}', "0")
        return int(calls), int(tokens)

    before = counted()
    client.embeddings.create(model="minilm", input=["one", "two"])
    assert counted() == (before[0] + 1, before[1] + 6)


def test_the_shelfs_own_words(local):
    assert "absent" in local.run("model", "list") and "all-MiniLM-L6-v2.zip" in local.run("model", "list")
    assert "sha256" in local.run("model", "pull", "minilm")


class Vectors(Local):
    """An upstream that makes vectors of three numbers; fails first, as often as it is told to."""

    def __init__(self):
        self.asked, self.failures = [], []
        owner = self

        class Made(Handler):
            def do_POST(self):
                body = self.posted()
                owner.asked.append((self.path, self.headers.get("Authorization"), body))
                if owner.failures:
                    self.answer(owner.failures.pop(0), {"error": {"message": "not now", "type": "server_error"}})
                    return
                packed = body.get("encoding_format") == "base64"
                data = [
                    {"object": "embedding", "index": index,
                     "embedding": base64.b64encode(struct.pack("<3f", *self.vector(index))).decode() if packed else self.vector(index)}
                    for index in range(len(body["input"]))
                ]
                usage = {"prompt_tokens": 11, "total_tokens": 12}
                self.answer(200, {"object": "list", "model": "theirs", "data": data[::-1], "usage": usage})

            def vector(self, index):
                return [0.5, -1.0, float(index)]

            def answer(self, status, body):
                body = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        super().__init__(Made)


@pytest.fixture(scope="module")
def vectors():
    with Vectors() as vectors:
        yield vectors


@pytest.fixture(scope="module")
def behind(vectors, tmp_path_factory):
    config = f"""
[[model]]
name = "far"
provider = "openai-chat"
task = "embedding"
base_url = "{vectors.base}"
upstream_model = "theirs"
api_key_env = "UPSTREAM_KEY"

[[model]]
name = "talks"
provider = "openai-chat"
base_url = "{vectors.base}"

[[model]]
name = "*"
provider = "openai-responses"
base_url = "{vectors.base}"
"""
    with Server(tmp_path_factory.mktemp("behind"), config=config, environment={"UPSTREAM_KEY": "k-far"}) as server:
        yield server


def test_an_upstream_is_asked_as_the_client_asked(behind, vectors):
    del vectors.asked[:]
    client = sdk(behind)
    made = client.embeddings.create(model="far", input=["a", "b"], dimensions=3, user="u")
    assert [list(one.embedding) for one in made.data] == [[0.5, -1.0, 0.0], [0.5, -1.0, 1.0]]
    assert (made.model, made.usage.prompt_tokens, made.usage.total_tokens) == ("far", 11, 12)
    made = client.embeddings.create(model="far", input=[[1, 2]], encoding_format="float")
    assert list(made.data[0].embedding) == [0.5, -1.0, 0.0]
    assert vectors.asked == [
        ("/v1/embeddings", "Bearer k-far",
         {"model": "theirs", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 3, "user": "u"}),
        ("/v1/embeddings", "Bearer k-far", {"model": "theirs", "input": [[1, 2]], "encoding_format": "float"}),
    ]


def test_an_upstream_that_fails_is_asked_again(behind, vectors):
    del vectors.asked[:]
    vectors.failures[:] = [500, 503]
    made = sdk(behind).embeddings.create(model="far", input="a")
    assert len(made.data) == 1 and len(vectors.asked) == 3
    for status, expected in [(400, 400), (404, 404), (401, 503)]:
        del vectors.asked[:]
        vectors.failures[:] = [status]
        with pytest.raises(openai.APIStatusError) as refused:
            sdk(behind).embeddings.create(model="far", input="a")
        assert (refused.value.status_code, len(vectors.asked)) == (expected, 1)
        assert "k-far" not in str(refused.value)


def test_the_entry_for_every_name_makes_vectors_too(behind, vectors):
    del vectors.asked[:]
    sdk(behind).embeddings.create(model="text-embedding-3-small", input="a")
    assert vectors.asked[0][2]["model"] == "text-embedding-3-small"
    with pytest.raises(openai.BadRequestError) as refused:
        sdk(behind).embeddings.create(model="talks", input="a")
    assert refused.value.param == "model" and len(vectors.asked) == 1
