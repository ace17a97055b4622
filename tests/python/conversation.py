"""What tests do with sessions, through the SDK: begin one, send, answer calls, wait for an event, read what was said."""
NONE = {"type": "none"}
IDLE = "agent.session.idle"
TURN_ENDS = {f"agent.session.turn.{how}" for how in ("completed", "failed", "cancelled")}


def function(name):
    """A function tool with one whole number."""
    parameters = {
        "type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False,
    }
    return {"type": "function", "name": name, "description": f"Does {name}.", "parameters": parameters}


LOOKUP = function("lookup")


def settings(text, model="scripted", tools=(), **more):
    return {"agent": {"model": model, "tools": list(tools)}, "environment": NONE, "input": text, **more}


def begin(client, text, **more):
    """A new session whose first turn has ended or waits; the session's id and all events so far."""
    seen = []
    with client.beta.agents.sessions.create(**settings(text, **more), stream=True) as stream:
        for event in stream:
            seen.append(event)
            if event.type == "agent.session.requires_action":
                break
    return seen[0].session.id, seen


def message(text):
    return {
        "type": "agent.session.input.message",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": text}]}],
    }


CANCEL = {"type": "agent.session.input.cancel"}


def result(call, output="ok", **more):
    """An answer to a function call (an item, or a required action)."""
    return {
        "type": "agent.session.input.tool_result",
        "turn_id": call.turn_id, "call_id": call.call_id, "success": True, "output": output, **more,
    }


def failure(call, error):
    return {**result(call), "success": False, "output": None, "error": error}


def post(client, session, *inputs, **more):
    client.beta.agents.sessions.events.create(session, events=list(inputs), **more)


def until(stream, *types):
    """Events up to the first of one of these types, that one included."""
    seen = []
    for event in stream:
        seen.append(event)
        if event.type in types:
            return seen
    raise AssertionError(f"the stream ended without {types}: {[event.type for event in seen]}")


def say(client, session, text, stop=(IDLE, "agent.session.requires_action", "agent.session.budget_reached")):
    """Sends a message to an idle session; the events of its turn."""
    with client.beta.agents.sessions.events.stream(session) as stream:
        post(client, session, message(text))
        return until(stream, *stop)


def settle(client, session, *statuses):
    """Waits until the session has one of these statuses; the session."""
    with client.beta.agents.sessions.events.stream(session) as stream:
        found = client.beta.agents.sessions.retrieve(session)
        if found.status in statuses:
            return found
        until(stream, *(f"agent.session.{status}" for status in statuses))
    return client.beta.agents.sessions.retrieve(session)


def items(client, session, **more):
    return list(client.beta.agents.sessions.items.list(session, limit=100, order="asc", **more))


def turns(client, session):
    return list(client.beta.agents.sessions.turns.list(session, limit=100, order="asc"))


def text_of(item):
    return "".join(part.text for part in item.content)


def messages(client, session):
    """The conversation: (role, text), oldest first."""
    return [(item.role, text_of(item)) for item in items(client, session) if item.type == "message"]


def calls(events):
    """The function calls that a stream showed."""
    added = (event for event in events if event.type == "agent.session.turn.item.added")
    return [event.item for event in added if event.item.type == "function_call"]


def of_type(events, name):
    return [event for event in events if event.type == f"agent.session.{name}"]
