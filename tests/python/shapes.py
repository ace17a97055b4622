"""Writes the shapes that `outcrop conform` checks answers against: structure alone, one line a type.

    .venv/bin/python tests/python/shapes.py > crates/conform/src/shapes.txt

They are read off the types of the SDK that requirements.txt pins; `test_conform.py` holds the file to it. The notation
is explained at the top of the file itself.
"""
import importlib

import pydantic

HEAD = """\
# The shapes of answers and events, one line a type; written by tests/python/shapes.py, never by hand.
#   str int num bool null any     what JSON has; `int` is a whole number
#   "word"                        this text and no other
#   A | B                         one of these; objects are told apart by their `type`
#   [A]                           a list        {A}  a map with any keys
#   {a: A, b~: A, c?: A}          an object: `a` is there, `b` is there though it may be null, `c` may be left out;
#                                 more keys are allowed
"""

# The module under `openai.types` and the type, for every answer of the 57 endpoints and for the stream's events.
ROOTS = [
    ("beta.agent", "Agent"), ("beta.agent_deleted", "AgentDeleted"), ("beta.agent_session", "AgentSession"),
    ("beta.agent_session_deleted", "AgentSessionDeleted"), ("beta.agent_session_event", "AgentSessionEvent"),
    ("beta.agent_session_item", "AgentSessionItem"), ("beta.agents.automation", "Automation"),
    ("beta.agents.automation_deleted", "AutomationDeleted"),
    ("beta.agents.automations.automation_invocation", "AutomationInvocation"),
    ("beta.agents.environment_info", "EnvironmentInfo"),
    ("beta.agents.environments.environment_file", "EnvironmentFile"),
    ("beta.agents.environments.environment_template", "EnvironmentTemplate"),
    ("beta.agents.environments.environment_template_deleted", "EnvironmentTemplateDeleted"),
    ("beta.agents.sessions.session_artifact", "SessionArtifact"),
    ("beta.agents.sessions.session_artifact_deleted", "SessionArtifactDeleted"),
    ("beta.agents.sessions.session_trace", "SessionTrace"), ("beta.agents.sessions.turn", "Turn"),
    ("beta.agents.vault", "Vault"), ("beta.agents.vault_deleted", "VaultDeleted"),
    ("beta.agents.vaults.credential", "Credential"),
    ("beta.agents.vaults.credential_deleted", "CredentialDeleted"), ("beta.subagent", "Subagent"),
]

# The same for the other doors; a compaction's type leaves out the user's messages, which stay. Their nullable keys may be left out, save those in KEPT.
DOORS = [
    ("responses.response", "Response"), ("responses.response_stream_event", "ResponseStreamEvent"),
    ("responses.response_item", "ResponseItem"),
    ("responses.input_token_count_response", "InputTokenCountResponse"),
    ("conversations.conversation", "Conversation"),
    ("conversations.conversation_deleted_resource", "ConversationDeletedResource"),
    ("conversations.conversation_item", "ConversationItem"), ("chat.chat_completion", "ChatCompletion"),
    ("chat.chat_completion_chunk", "ChatCompletionChunk"),
    ("create_embedding_response", "CreateEmbeddingResponse"), ("file_object", "FileObject"),
    ("file_deleted", "FileDeleted"), ("upload", "Upload"), ("uploads.upload_part", "UploadPart"), ("model", "Model"),
]

# What the Open Responses specification wants of every response, also where it is null.
KEPT = {("Response", key) for key in (
    "completed_at error incomplete_details instructions max_output_tokens max_tool_calls metadata previous_response_id "
    "prompt_cache_key reasoning safety_identifier service_tier temperature top_logprobs top_p truncation background"
).split()} | {("Choice", "finish_reason")}

# Nullable keys that an answer may leave out; all others are sent with null.
OMITTED = {
    ("*", "obfuscation"), ("AgentSession", "review"), ("AgentSession", "spend_control"),
    ("AgentSessionTurnReasoningSummaryPartDoneEvent", "status"), ("WebSearchActionResourceSearch", "query"),
    ("WebSearchActionResourceSearch", "queries"), ("*", "async"), ("*", "credential_id"),
}

SIMPLE = {"string": "str", "integer": "int", "number": "num", "boolean": "bool", "null": "null"}


class Shapes:
    """Collects types under names of their own: a name that two structures share is prefixed by who uses it."""

    def __init__(self):
        self.lines = {}
        self.kept = None

    def add(self, root, schema):
        names = {}
        for name, definition in schema.get("$defs", {}).items():
            # Where two modules of the SDK have a type of one name, pydantic spells the module out.
            short = name.rsplit("__", 1)[-1]
            names[name] = self.place(root, short, self.text(definition, short, names))
        assert self.place(root, root, self.text(schema, root, names)) == root

    def place(self, root, name, line):
        same = [known for known in self.lines if known.rsplit(".", 1)[-1] == name and self.lines[known] == line]
        taken = name in self.lines or (name != root and name in {other for _, other in DOORS})
        own = same[0] if same and (name != root or root in same) else f"{root}.{name}" if taken else name
        assert self.lines.setdefault(own, line) == line, own
        return own

    def text(self, schema, owner, names):
        if "$ref" in schema:
            return names[schema["$ref"].rsplit("/", 1)[1]]
        if "const" in schema:
            return f'"{schema["const"]}"'
        if "enum" in schema:
            return " | ".join(f'"{word}"' for word in schema["enum"])
        if "anyOf" in schema:
            branches = [self.text(branch, owner, names) for branch in schema["anyOf"]]
            # Beside any text, words say nothing.
            return " | ".join(branch for branch in branches if not ("str" in branches and branch.startswith('"')))
        kind = schema.get("type")
        if kind == "array":
            return f"[{self.text(schema['items'], owner, names)}]"
        if kind == "object" and "properties" in schema:
            return "{" + ", ".join(self.field(owner, name, inner, schema, names) for name, inner in schema["properties"].items()) + "}"
        if kind == "object":
            values = schema.get("additionalProperties")
            return "{" + (self.text(values, owner, names) if isinstance(values, dict) else "any") + "}"
        return SIMPLE[kind] if kind else "any"

    def field(self, owner, name, inner, schema, names):
        nullable = {"type": "null"} in inner.get("anyOf", ())
        if name in schema.get("required", ()):
            mark = ""
        else:
            left = (owner, name) not in self.kept if self.kept else {(owner, name), ("*", name)} & OMITTED
            mark = "?" if left or not nullable else "~"
        return f"{name}{mark}: {self.text(inner, owner, names)}"


def resolve_order(schema):
    """Definitions before those who use them, so that a name that had to change is known to them."""
    definitions, ordered = schema.get("$defs", {}), {}

    def visit(name):
        if name not in ordered:
            for other in references(definitions[name]):
                visit(other)
            ordered[name] = definitions[name]

    for name in definitions:
        visit(name)
    return {**schema, "$defs": ordered}


def references(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value.rsplit("/", 1)[1]
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def shapes():
    found = Shapes()
    for module, name in ROOTS + DOORS:
        found.kept = KEPT if (module, name) in DOORS else None
        type_ = getattr(importlib.import_module(f"openai.types.{module}"), name)
        schema = resolve_order(pydantic.TypeAdapter(type_).json_schema())
        if list(schema) == ["$defs", "$ref"] or "$ref" in schema:
            schema = {**schema, **schema["$defs"].pop(schema.pop("$ref").rsplit("/", 1)[1])}
        found.add(name, schema)
    return HEAD + "".join(f"{name} = {line}\n" for name, line in sorted(found.lines.items()))


if __name__ == "__main__":
    print(shapes(), end="")
