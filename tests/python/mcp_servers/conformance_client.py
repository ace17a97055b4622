"""What the conformance suite runs as its client: `outcrop mcp try`, with what each scenario wants done.

The suite appends the URL, names the scenario in the environment, and gives some of them a context as JSON.
"""

import json
import os
import sys

CALLS = {
    "tools_call": [("add_numbers", {"a": 2, "b": 3})],
    "elicitation-sep1034-client-defaults": [("test_client_elicitation_defaults", {})],
    "sse-retry": [("test_reconnection", {})],
    "http-standard-headers": [("test_headers", {}), ("my-hyphenated-tool", {})],
    "sep-2322-client-request-state": [
        ("test_mrtr_echo_state", {}),
        ("test_mrtr_unrelated", {}),
        ("test_mrtr_no_state", {}),
        ("test_mrtr_no_result_type", {}),
    ],
}
# The document that the suite's authorization server expects to be named.
DOCUMENT = "https://conformance-test.local/client-metadata.json"


def command(scenario: str, context: dict, url: str) -> list[str]:
    words = [os.environ["OUTCROP_BINARY"], "mcp", "try", "--patience", "20"]
    calls = CALLS.get(scenario, [])
    if scenario == "http-custom-headers":
        calls = [(call["name"], call["arguments"]) for call in context["toolCalls"]]
    if scenario == "http-invalid-tool-headers":
        calls = [("valid_tool", {"region": "us-west1"})]
    if scenario.startswith("auth/"):
        words += ["--authorize", "--headless", "--client-document", DOCUMENT]
        calls = [("test-tool", {})]
        if "client_id" in context:
            words += ["--client-id", context["client_id"]]
            os.environ["OUTCROP_MCP_CLIENT_SECRET"] = context["client_secret"]
    for name, arguments in calls:
        words += ["--call", name, "--arguments", json.dumps(arguments)]
    return [*words, url]


if __name__ == "__main__":
    told = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    line = command(os.environ["MCP_CONFORMANCE_SCENARIO"], told, sys.argv[-1])
    os.execv(line[0], line)
