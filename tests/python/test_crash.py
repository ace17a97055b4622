"""The server is killed again and again while ten sessions work; then their clients compare notes.

Each client is an unmodified SDK that does what the contract tells it to: it repeats a request whose answer it did not
get, and takes up its stream at the last event that it saw. It writes down everything that it sees, and never looks at
the server's data.
"""
import collections
import random
import threading
import time

import httpx2
import openai
import pytest

from conversation import IDLE, LOOKUP, TURN_ENDS, begin, items, message, post, result, text_of, turns
from server import Server

SESSIONS = 10
KILLS = 20
# Records of the log, as opposed to text that is still being said: what counts as progress between two kills.
DURABLE = TURN_ENDS | {"agent.session.turn.created", "agent.session.requires_action", IDLE}
GONE = (openai.APIConnectionError, openai.InternalServerError, httpx2.TransportError)


class Worker(threading.Thread):
    """One client with one session. It takes turns until it is told to stop, and ends with a whole turn."""

    def __init__(self, server, number, stop):
        super().__init__(name=f"client {number}")
        self.rng = random.Random(number)
        self.client = server.client(timeout=20)
        self.number, self.stop = number, stop
        self.session, self.seen = begin(self.client, f"say ready {number}", tools=[LOOKUP])
        self.last = self.seen[-1].event_id
        # One entry a turn: what was asked, what must be answered, and the calls that it needs.
        self.plan = []
        self.progress = 0
        self.unanswered = False
        self.speaking = False
        self.repeated = 0
        self.error = None

    def torn(self):
        """Texts that this client saw begin and that a crash threw away."""
        done = (event.item for event in self.seen if event.type == "agent.session.turn.item.done")
        return len([item for item in done if item.status == "incomplete"])

    def run(self):
        try:
            while not self.stop.is_set():
                self.take_turn()
        except BaseException as error:
            self.error = error

    def take_turn(self):
        turn = len(self.plan)
        base = (self.number * 1000 + turn) * 10
        pace = self.rng.randrange(2, 20)
        answer = " ".join(f"s{self.number}t{turn}w{n}" for n in range(14))
        text = f'call lookup {{"n":{base}}} & call lookup {{"n":{base + 1}}}\ncall lookup {{"n":{base + 2}}}\nslow {pace} {answer}'
        self.plan.append((text, answer, [base, base + 1, base + 2]))
        self.insist(lambda: post(self.client, self.session, message(text), idempotency_key=f"{self.session}-{turn}"))
        waiting = []
        for event in self.follow():
            if event.type == "agent.session.turn.item.added" and event.item.type == "function_call":
                waiting.append(event.item)
            # Some answer as soon as they see a call, the others when all are there, the last first.
            if event.type == "agent.session.requires_action" or (waiting and turn % 2):
                for call in reversed(waiting):
                    time.sleep(self.rng.uniform(0, 0.05))  # the work that a tool takes
                    self.insist(lambda: post(self.client, self.session, result(call, f"result {call.arguments['n']}")))
                waiting = []
            if event.type == IDLE:
                return

    def insist(self, request):
        """Repeats a request until the server has said what became of it."""
        self.unanswered = True
        while True:
            try:
                request()
                break
            except GONE:
                self.repeated += 1
                time.sleep(0.02)
        self.unanswered = False

    def follow(self):
        """Events after the last one seen, over as many connections as it takes."""
        while True:
            try:
                with self.client.beta.agents.sessions.events.stream(self.session, extra_query={"after": self.last}) as stream:
                    for event in stream:
                        self.note(event)
                        yield event
                        if event.type == IDLE:
                            return
            except GONE:
                pass
            time.sleep(0.02)

    def note(self, event):
        self.seen.append(event)
        self.last = event.event_id
        if event.type == "agent.session.turn.output_text.delta":
            self.speaking = True
        if event.type == "agent.session.turn.item.done":
            self.speaking = False
        if event.type in DURABLE:
            self.progress += 1


def wait_until(workers, holds, seconds=30):
    """Watches the clients; fails with what stopped one of them."""
    deadline = time.monotonic() + seconds
    while not holds():
        check(workers)
        assert time.monotonic() < deadline, "the clients wait for something that does not come"
        time.sleep(0.0005)


def kill_in_a_text(server, workers, rng):
    """Kills while models speak: clients have begun to read texts, and the server says that their turns run. True if it
    was so."""
    time.sleep(rng.uniform(0, 0.4))
    wait_until(workers, lambda: any(worker.speaking for worker in workers))
    speaking = [worker for worker in workers if worker.speaking]
    status = speaking[0].client.beta.agents.sessions.retrieve(speaking[0].session).status
    still = any(worker.speaking for worker in speaking)
    server.kill()
    return status == "in_progress" and still


def kill_in_a_request(server, workers, rng):
    """Kills while a client waits to hear whether its input was taken. True if it was so."""
    time.sleep(rng.uniform(0, 0.4))
    wait_until(workers, lambda: any(worker.unanswered for worker in workers))
    time.sleep(rng.uniform(0, 0.002))
    waiting = any(worker.unanswered for worker in workers)
    server.kill()
    return waiting


def check(workers):
    for worker in workers:
        if worker.error:
            raise AssertionError(worker.name) from worker.error


@pytest.mark.soak(300)
def test_nothing_is_lost_or_done_twice_when_the_server_is_killed(tmp_path):
    rng = random.Random(20)
    with Server(tmp_path) as server:
        stop = threading.Event()
        workers = [Worker(server, number, stop) for number in range(SESSIONS)]
        for worker in workers:
            worker.start()
        counted = tried = 0
        marks = collections.deque(maxlen=3)
        try:
            while counted < KILLS:
                tried += 1
                assert tried < 5 * KILLS, f"only {counted} of {tried} kills met a busy server"
                # A session that is interrupted again and again without a step forward is given up by design; here each
                # gets a step forward within three kills.
                marks.append([worker.progress for worker in workers])
                if len(marks) == 3:
                    wait_until(workers, lambda: all(worker.progress > mark for worker, mark in zip(workers, marks[0])))
                kill = kill_in_a_request if counted % 2 else kill_in_a_text
                counted += kill(server, workers, rng)
                server.start()
        finally:
            stop.set()
        for worker in workers:
            worker.join(timeout=60)
            assert not worker.is_alive(), f"{worker.name} still waits"
        check(workers)
        for worker in workers:
            check_log(worker)
            check_stream(worker)
        # The kills hit what they were meant to hit: texts broke off in the middle, and requests had to be repeated.
        torn = sum(worker.torn() for worker in workers)
        repeated = sum(worker.repeated for worker in workers)
        turns_taken = sum(len(worker.plan) for worker in workers)
        print(f"{counted} kills of {tried} counted; {turns_taken} turns, {torn} torn texts, {repeated} repeated requests")
        assert torn >= KILLS and repeated > 0


def check_log(worker):
    """The server's account of a session against what its client asked for."""
    session = worker.client.beta.agents.sessions.retrieve(worker.session)
    assert session.status == "idle" and session.required_actions == []
    listed = items(worker.client, worker.session)
    ids = [item.id for item in listed]
    assert len(set(ids)) == len(ids), "an item came twice"

    spoken = [(item.role, text_of(item)) for item in listed if item.type == "message"]
    expected = [("user", f"say ready {worker.number}"), ("assistant", f"ready {worker.number}")]
    for text, answer, _ in worker.plan:
        expected += [("user", text), ("assistant", answer)]
    assert spoken == expected, "an input was lost or doubled, or an answer was torn"

    asked = [item for item in listed if item.type == "function_call"]
    numbers = [item.arguments["n"] for item in asked]
    assert sorted(numbers) == [n for _, _, calls in worker.plan for n in calls], "a call was lost or asked for twice"
    answers = {item.call_id: item for item in listed if item.type == "function_call_output"}
    assert sorted(answers) == sorted(item.call_id for item in asked), "calls and outputs do not pair"
    assert len(answers) == len([item for item in listed if item.type == "function_call_output"])
    for call in asked:
        assert answers[call.call_id].output == f"result {call.arguments['n']}"

    ended = turns(worker.client, worker.session)
    assert [turn.status for turn in ended] == ["completed"] * (len(worker.plan) + 1)
    seen = [event.turn_id for event in worker.seen if event.type in TURN_ENDS]
    assert seen == [turn.id for turn in ended], "a turn ended twice, or another way than its client saw"


def check_stream(worker):
    """What a client pieced together over all its connections against the whole stream in one go."""
    ids = [event.event_id for event in worker.seen]
    assert len(set(ids)) == len(ids), "an event came twice"
    live = told(worker.seen)
    replay = [worker.seen[0]]
    with worker.client.beta.agents.sessions.events.stream(worker.session, extra_query={"after": ids[0]}) as stream:
        for event in stream:
            replay.append(event)
            if event.event_id == ids[-1]:
                break
    assert live == told(replay), f"{worker.name}: the pieces and the whole differ"


def told(events):
    """What events tell, without how texts were cut and without the texts that were thrown away after a crash. Those are
    checked here: each is said to be incomplete, and no item is left open."""
    closed = {}
    begun = set()
    for event in events:
        if event.type == "agent.session.turn.item.added" and event.output_index is not None:
            begun.add(event.item.id)
        if event.type == "agent.session.turn.item.done":
            assert event.item.id not in closed, "an item was closed twice"
            closed[event.item.id] = event.item.status
    assert begun == set(closed), "an item was left open"
    story = []
    for event in events:
        item = getattr(event, "item", None)
        owner = item.id if item else getattr(event, "item_id", None)
        if closed.get(owner) == "incomplete":
            continue
        kind = event.type.removeprefix("agent.session.")
        text = getattr(event, "delta", None)
        if text is not None and story and story[-1][:2] == [kind, owner]:
            story[-1][2] += text
        elif text is not None:
            story.append([kind, owner, text])
        else:
            turn = getattr(event, "turn", None)
            story.append([kind, owner, item.to_dict() if item else turn and (turn.id, turn.status)])
    return story
