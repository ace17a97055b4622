"""The model inside the process, on its real weights, through the unmodified SDK."""
import threading
from typing import Literal

import pydantic
import pytest

from conversation import IDLE, LOOKUP, NONE, settings
from server import ROOT, Server

WEIGHTS = ROOT / ".fixtures/SmolLM2-135M-Instruct.Q4_1.gguf"
CONFIG = f"""
[[model]]
name = "small"
provider = "local"
source = "file:{WEIGHTS}"
"""
QUESTION = "My cat is called Tom. Why do cats purr?"


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    assert WEIGHTS.exists(), f"{WEIGHTS} is not there: run `cargo xtask test`, which fetches it"
    with Server(tmp_path_factory.mktemp("local"), config=CONFIG) as server:
        yield server


def test_two_turns(local):
    """What the model makes of the first turn is its own affair; that it is shown it is ours."""
    client = local.client()
    with client.beta.agents.sessions.create(**settings(QUESTION, model="small"), stream=True) as stream:
        session = next(stream).session.id
        for _ in stream:
            pass
    with client.beta.agents.sessions.stream(session, input="What is my cat called?") as stream:
        assert stream.get_final_result().output_text
    second, first = client.beta.agents.sessions.turns.list(session).data
    assert second.usage.input_tokens > first.usage.input_tokens + first.usage.output_tokens


def test_eight_sessions_at_once(local):
    client, answers = local.client(timeout=50), []

    def one(number):
        text = f"Say something about the number {number}."
        with client.beta.agents.sessions.create(**settings(text, model="small"), stream=True) as stream:
            answers.append(stream.get_final_result().output_text)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8 and all(answers)


def test_a_schema_is_kept(local):
    class Verdict(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="forbid")
        animal: Literal["cat", "dog"]
        legs: int

    wanted = {"agent": {"model": "small"}, "environment": NONE, "input": "Describe a cat as JSON.", "stream": True}
    with local.client().beta.agents.sessions.create(**wanted, output_type=Verdict) as stream:
        assert isinstance(stream.get_final_result().output_parsed, Verdict)


def test_what_it_calls_fits_the_parameters(local):
    """Whether it calls is the model's own choice; what it calls with is not."""
    asked = []

    def lookup(arguments):
        asked.append(arguments)
        return "42"

    wanted = settings("Call the function lookup with n = 7.", model="small", tools=[LOOKUP])
    with local.client().beta.agents.sessions.create(**wanted, stream=True, tool_handlers={"lookup": lookup}) as stream:
        for _ in stream:
            pass
    assert all(set(arguments) == {"n"} and isinstance(arguments["n"], int) for arguments in asked)


def test_a_schema_that_cannot_be_kept_is_refused_with_its_place(local):
    tool = {**LOOKUP, "parameters": {"type": "object", "properties": {"n": {"not": {"type": "string"}}}}}
    with pytest.raises(Exception) as refused:
        local.client().beta.agents.sessions.create(**settings("hi", model="small", tools=[tool]))
    assert refused.value.status_code == 400
    assert refused.value.param.startswith("agent.tools[0].parameters.properties.n")


def test_a_kill_in_the_middle_of_a_sentence(tmp_path):
    with Server(tmp_path, config=CONFIG) as server:
        client = server.client()
        session = client.beta.agents.sessions.create(**settings(QUESTION, model="small")).id
        seen = []
        with server.events(session) as stream:
            for event in stream:
                seen.append(event)
                if sum(event["type"].endswith("output_text.delta") for event in seen) > 5:
                    break
        server.kill()
        server.start()
        last = seen[-1]["event_id"]
        with server.events(session, query=f"&after={last}") as stream:
            for event in stream:
                seen.append(event)
                if event["type"] == IDLE:
                    break
        ids = [event["event_id"] for event in seen]
        assert len(ids) == len(set(ids))
        ended = [event["turn"]["status"] for event in seen if event["type"].startswith("agent.session.turn.c") and "turn" in event]
        assert ended[-1:] == ["completed"], [event['error'] for event in seen if event['type'] == 'error']
        (answer,) = [item for item in client.beta.agents.sessions.items.list(session) if getattr(item, "role", "") == "assistant"]
        told = "".join(event["delta"] for event in seen if event.get("item_id") == answer.id and "delta" in event)
        assert told == answer.content[0].text
        torn = [event["item"] for event in seen if event["type"].endswith("item.done") and event["item"]["status"] == "incomplete"]
        assert len(torn) == 1 and torn[0]["id"] != answer.id
