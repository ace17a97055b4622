"""Wall time jumps and stands still under a server that works. What waits, waits by a clock that cannot jump."""
import time

import pytest

from conversation import begin, items, message, messages, of_type, post, say, turns, until
from faults import FaultyServer, progress, talk, wait_for

pytestmark = pytest.mark.soak(60)

HOUR = 3600 * 10**9
DAY = 24 * HOUR
TURN_ENDS = ("agent.session.turn.completed", "agent.session.turn.failed")
JUMPS = {"an hour on": HOUR, "an hour back": -HOUR, "a day on": DAY, "a day back": -DAY, "frozen": None}
SHORT = """
[[model]]
name = "scripted"
provider = "script"

[limits]
turn_time = "2s"
"""


def jump(server, offset):
    """Moves the server's wall clock, or lets it stand still."""
    if offset is None:
        server.control.clock_frozen = time.time_ns()
    else:
        server.control.clock_offset = offset
    reads = server.control.clock_reads
    server.request("GET", "/v1/agents/sessions")
    wait_for(lambda: server.control.clock_reads > reads, "the server to look at its clock")


@pytest.mark.parametrize("offset", JUMPS.values(), ids=JUMPS.keys())
def test_f08_turns_and_keys_do_not_notice_that_the_clock_jumps(tmp_path, offset):
    with FaultyServer(tmp_path) as server:
        client = server.client()
        session, _ = begin(client, "say hello")
        repeated, _ = begin(client, "say hello")
        post(client, repeated, message("say taken"), idempotency_key="key")
        with client.beta.agents.sessions.events.stream(session) as stream:
            # Spoken across the jump, and a pause before a second try that ends after it.
            post(client, session, message("fail 503\nslow 60 an answer that takes its time"))
            seen = until(stream, "agent.session.turn.output_text.delta")
            jump(server, offset)
            seen += until(stream, *TURN_ENDS)
        assert seen[-1].type == "agent.session.turn.completed"
        seen = say(client, session, "fail 503\nsay after the jump")
        assert of_type(seen, "turn.completed")
        # The same request again is the same request.
        post(client, repeated, message("say taken"), idempotency_key="key")
        say(client, repeated, "say new")
        assert [text for role, text in messages(client, repeated) if role == "assistant"] == ["hello", "taken", "new"]
        with talk(server, 2) as talkers:
            progress(talkers, 2)
        # Back again: what was written meanwhile is older or newer than now, and stays where it stands.
        server.control.clock_frozen = server.control.clock_offset = 0
        say(client, session, "say back")
        said = [text for role, text in messages(client, session) if role == "assistant"]
        assert said == ["hello", "an answer that takes its time", "after the jump", "back"]
        assert [turn.status for turn in turns(client, session)] == ["completed"] * 4
        ids = [item.id for item in items(client, session)]
        assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("offset", [-HOUR, None], ids=["an hour back", "frozen"])
def test_f08_a_turn_that_is_too_long_ends_although_the_clock_does_not_say_so(tmp_path, offset):
    with FaultyServer(tmp_path, config=SHORT) as server:
        client = server.client()
        session, _ = begin(client, "say hello")
        with client.beta.agents.sessions.events.stream(session) as stream:
            post(client, session, message("slow 1000 an answer that takes too long"))
            until(stream, "agent.session.turn.output_text.delta")
            jump(server, offset)
            ended = until(stream, *TURN_ENDS)[-1]
        assert ended.type == "agent.session.turn.failed" and ended.turn.error.code == "request_timeout"
        say(client, session, "say on")
        assert messages(client, session)[-1] == ("assistant", "on")


def test_f08_a_restart_after_a_jump_loses_no_turn(tmp_path):
    """Deadlines are written in wall time. After a restart nobody knows that it has jumped; the session stays usable."""
    with FaultyServer(tmp_path) as server:
        client = server.client()
        session, _ = begin(client, "say hello")
        post(client, session, message("slow 50 an answer"))
        server.kill()
        server.control.clock_offset = -DAY
        server.start()
        wait_for(lambda: client.beta.agents.sessions.retrieve(session).status == "idle", "the turn")
        assert messages(client, session)[-1] == ("assistant", "an answer")
