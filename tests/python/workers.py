"""Clients that work while a server is killed under them, and that compare notes afterwards.

Each is an unmodified SDK that does what the contract tells it to: it repeats a request whose answer it did not get, and
takes up its stream at the last event that it saw. It writes down everything that it sees, and never looks at the
server's data.
"""
import random
import threading
import time
from dataclasses import dataclass, field

import httpx2
import openai

from conversation import CANCEL, IDLE, LOOKUP, TURN_ENDS, begin, items, message, post, result, text_of, turns

# Records of the log, as opposed to text that is still being said: what counts as progress between two kills.
DURABLE = TURN_ENDS | {"agent.session.turn.created", "agent.session.requires_action", IDLE}
GONE = (openai.APIConnectionError, openai.InternalServerError, httpx2.TransportError)
# The money that a session on the priced model may spend, in cents: never reached.
PLENTY = 2_000_000_000


@dataclass
class Task:
    """What a client asked for, and what must come of it."""
    asked: list
    # Texts that the model says: once, or where the client got in between, once at most.
    sure: list = field(default_factory=list)
    maybe: list = field(default_factory=list)
    # The numbers of the calls, and how large their results are.
    calls: list = field(default_factory=list)
    padding: int = 0
    # How its turns may end.
    ends: tuple = (["completed"],)


class Worker(threading.Thread):
    """One client with one session. It takes turns until it is told to stop, and ends with a whole turn."""

    def __init__(self, server, number, stop, kinds=("calls",), model="scripted"):
        super().__init__(name=f"client {number}", daemon=True)
        self.rng = random.Random(number)
        self.server, self.client = server, server.client(timeout=20)
        self.number, self.stop, self.kinds = number, stop, kinds
        money = {"spend_control": {"limit": PLENTY}} if model == "priced" else {}
        self.session, self.seen = begin(self.client, f"say ready {number}", tools=[LOOKUP], model=model, **money)
        self.last = self.seen[-1].event_id
        self.plan = [Task(asked=[f"say ready {number}"], sure=[f"ready {number}"])]
        self.progress = 0
        self.posts = 0
        # What it waits for right now.
        self.unanswered = self.speaking = self.working = False
        self.repeated = 0
        self.error = None

    def torn(self):
        """Texts that this client saw begin and that a crash threw away."""
        done = (event.item for event in self.seen if event.type == "agent.session.turn.item.done")
        return len([item for item in done if item.status == "incomplete"])

    def run(self):
        try:
            while not self.stop.is_set():
                getattr(self, f"take_{self.rng.choice(self.kinds)}")(len(self.plan))
        except BaseException as error:
            self.error = error

    def words(self, turn, count=14):
        return " ".join(f"s{self.number}t{turn}w{n}" for n in range(count))

    # ---- kinds of turns

    def take_calls(self, turn):
        """Two calls at once, one alone, then a text."""
        base = (self.number * 10_000 + turn) * 10
        pace, answer = self.rng.randrange(2, 20), self.words(turn)
        text = f'call lookup {{"n":{base}}} & call lookup {{"n":{base + 1}}}\ncall lookup {{"n":{base + 2}}}\nslow {pace} {answer}'
        task = Task(asked=[text], sure=[answer], calls=[base, base + 1, base + 2])
        # Now and then so much that it does not stand in the record itself.
        task.padding = 40_000 if turn % 4 == 0 else 0
        self.plan.append(task)
        self.say(text)
        waiting = []
        for event in self.follow():
            if event.type == "agent.session.turn.item.added" and event.item.type == "function_call":
                waiting.append(event.item)
            # Some answer as soon as they see a call, the others when all are there, the last first.
            if event.type == "agent.session.requires_action" or (waiting and turn % 2):
                for call in reversed(waiting):
                    self.answer(call, task)
                waiting = []

    def take_text(self, turn):
        answer = self.words(turn)
        # The padding makes the message a blob; lines that are no directive are no part of the script.
        padding = "\n" + f"{self.number}.{turn} " * 6_000 if turn % 3 == 0 else ""
        text = f"slow {self.rng.randrange(2, 20)} {answer}{padding}"
        self.plan.append(Task(asked=[text], sure=[answer]))
        self.say(text)
        self.finish()

    def take_steering(self, turn):
        """A second message while the model speaks: the turn goes on with it, or another turn does."""
        first, second = self.words(turn), f"steered {self.number} {turn}"
        texts = [f"slow {self.rng.randrange(6, 20)} {first}", f"say {second}"]
        self.plan.append(Task(asked=texts, sure=[second], maybe=[first], ends=(["completed"], ["completed"] * 2)))
        self.say(texts[0])
        told = done = False
        while not done:
            for event in self.follow():
                if event.type == "agent.session.turn.output_text.delta" and not told:
                    told = True
                    self.say(texts[1])
                if event.type == "agent.session.turn.item.done" and event.item.type == "message":
                    done |= event.item.status == "completed" and text_of(event.item) == second
            if not told:
                told = True
                self.say(texts[1])

    def take_cancel(self, turn):
        answer = self.words(turn)
        text = f"slow {self.rng.randrange(10, 30)} {answer}"
        self.plan.append(Task(asked=[text], maybe=[answer], ends=(["completed"], ["cancelled"])))
        self.say(text)
        asked = False
        for event in self.follow():
            if event.type == "agent.session.turn.output_text.delta" and not asked:
                asked = True
                self.send(CANCEL)

    # ---- one request, one stream

    def say(self, text):
        self.send(message(text))

    def send(self, given):
        self.posts += 1
        key = f"{self.session}-{self.posts}"
        self.insist(lambda: post(self.client, self.session, given, idempotency_key=key))

    def answer(self, call, task):
        self.working = True
        time.sleep(self.rng.uniform(0, 0.05))  # the work that a tool takes
        self.insist(lambda: post(self.client, self.session, result(call, outcome(call.arguments["n"], task.padding))))
        self.working = False

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

    def finish(self):
        for _ in self.follow():
            pass

    def follow(self):
        """Events after the last one seen until the session is idle, over as many connections as it takes."""
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


def outcome(number, padding=0):
    return f"result {number}" + f" {number}" * (padding // 6)


def wait_until(workers, holds, what="the clients wait for something that does not come", seconds=60):
    """Watches the clients; fails with what stopped one of them."""
    deadline = time.monotonic() + seconds
    while not holds():
        check(workers)
        assert time.monotonic() < deadline, what
        time.sleep(0.001)


def check(workers):
    for worker in workers:
        if worker.error:
            raise AssertionError(worker.name) from worker.error


def finish(workers, stop, seconds=90):
    """Lets every client end its turn, and checks what each of them was told against what the server holds."""
    stop.set()
    for worker in workers:
        worker.join(timeout=seconds)
        assert not worker.is_alive(), f"{worker.name} still waits"
    check(workers)
    for worker in workers:
        check_log(worker)
        check_ledger(worker)
        check_stream(worker)


def check_log(worker):
    """The server's account of a session against what its client asked for."""
    session = worker.client.beta.agents.sessions.retrieve(worker.session)
    assert session.status == "idle" and session.required_actions == []
    listed = items(worker.client, worker.session)
    ids = [item.id for item in listed]
    assert len(set(ids)) == len(ids), "an item came twice"
    check_messages(worker, [(item.role, text_of(item)) for item in listed if item.type == "message"])
    check_calls(worker, listed)
    ended = turns(worker.client, worker.session)
    check_ends([turn.status for turn in ended], [task.ends for task in worker.plan])
    seen = [event.turn_id for event in worker.seen if event.type in TURN_ENDS]
    assert seen == [turn.id for turn in ended], "a turn ended twice, or another way than its client saw"


def check_messages(worker, spoken):
    asked = [text for role, text in spoken if role == "user"]
    assert asked == [text for task in worker.plan for text in task.asked], "an input was lost or doubled"
    said = [text for role, text in spoken if role == "assistant"]
    sure = [text for task in worker.plan for text in task.sure]
    maybe = {text for task in worker.plan for text in task.maybe}
    assert [text for text in said if text not in maybe] == sure, "an answer was lost, doubled or torn"
    assert len(set(said)) == len(said), "an answer was given twice"


def check_calls(worker, listed):
    expected = {n: outcome(n, task.padding) for task in worker.plan for n in task.calls}
    asked = [item for item in listed if item.type == "function_call"]
    numbers = [item.arguments["n"] for item in asked]
    assert sorted(numbers) == sorted(expected), "a call was lost or asked for twice"
    answers = {item.call_id: item for item in listed if item.type == "function_call_output"}
    assert sorted(answers) == sorted(item.call_id for item in asked), "calls and outputs do not pair"
    assert len(answers) == len([item for item in listed if item.type == "function_call_output"])
    for call in asked:
        assert answers[call.call_id].output == expected[call.arguments["n"]]


def check_ends(statuses, allowed):
    """Whether the ends of all turns can be made of what each task allows, in order."""
    places = {0}
    for ends in allowed:
        places = {at + len(way) for at in places for way in ends if statuses[at : at + len(way)] == way}
    assert len(statuses) in places, f"turns ended {statuses}"


def check_ledger(worker):
    """The server's account of what it did: nothing has two outcomes, nothing is open, and the money adds up."""
    effects, after = [], ""
    while True:
        status, page = worker.server.json("GET", f"/v1/agents/sessions/{worker.session}/ledger?order=asc&limit=100{after}")
        assert status == 200, page
        effects += page["data"]
        if not page["has_more"]:
            break
        after = f"&after={effects[-1]['id']}"
    assert len({effect["id"] for effect in effects}) == len(effects)
    for effect in effects:
        states = [attempt["state"] for attempt in effect["attempts"]]
        assert states.count("committed") == (1 if effect["state"] == "committed" and states else 0), effect
        assert set(states[:-1]) <= {"abandoned"}, effect
        assert effect["state"] in ("committed", "failed"), effect
    answered = [effect for effect in effects if effect["kind"] == "function_call"]
    assert len(answered) == sum(len(task.calls) for task in worker.plan)
    assert all(effect["state"] == "committed" for effect in answered)
    charged = sum(attempt["charged"] for effect in effects for attempt in effect["attempts"])
    consumed = worker.client.beta.agents.sessions.retrieve(worker.session).spend_control.consumed
    assert abs(charged - consumed) <= 1, "the money does not add up"


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
    # What belongs to no item, in order; and item by item, for a message that steers may come while another is said.
    story, told_of = [], {}
    for event in events:
        item = getattr(event, "item", None)
        owner = item.id if item else getattr(event, "item_id", None)
        if closed.get(owner) == "incomplete":
            continue
        kind = event.type.removeprefix("agent.session.")
        if owner is None:
            turn = getattr(event, "turn", None)
            story.append([kind, turn and (turn.id, turn.status)])
            continue
        said = told_of.setdefault(owner, [])
        text = getattr(event, "delta", None)
        if text is not None and said[-1][0] == kind:
            said[-1][1] += text
        else:
            said.append([kind, text if text is not None else item and item.to_dict()])
    return story, told_of
