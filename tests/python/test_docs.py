"""Every fenced example of docs/clients.md, run as it stands there."""
import os
import re
import shutil
import subprocess
import sys

import pytest

from server import KEY, ROOT

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
EXAMPLES = [fence for fence in FENCE.findall((ROOT / "docs/clients.md").read_text()) if fence[0] != "text"]
# What each example must print with the scripted model, in the page's order.
EXPECTED = {
    "python": ["echo: Remember the number 42.\necho: Which number was it?\n", "It rains.\n", "echo: Tell me a story."],
    "typescript": ["echo: Remember the number 42."],
    "bash": ['"type":"agent.session.idle"'],
}
RUNNERS = {"python": [sys.executable, "-"], "bash": ["bash", "-euo", "pipefail", "-s"]}


def test_every_example_is_known():
    counted = {}
    for language, _ in EXAMPLES:
        counted[language] = counted.get(language, 0) + 1
    assert counted == {language: len(outputs) for language, outputs in EXPECTED.items()}


@pytest.mark.parametrize("language, index", [
    (language, index) for language in RUNNERS for index in range(len(EXPECTED[language]))
])
def test_example(server, language, index):
    if language == "bash" and not shutil.which("curl"):
        pytest.skip("no curl on this machine")
    program = [text for found, text in EXAMPLES if found == language][index]
    told = {
        "OPENAI_BASE_URL": server.base, "OPENAI_API_KEY": KEY, "MODEL": "scripted",
        "QUESTION": 'call weather {"city":"Oslo"}\nsay It rains.',
    }
    done = subprocess.run(
        RUNNERS[language], input=program, env={**os.environ, **told}, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert EXPECTED[language][index] in done.stdout.replace('": "', '":"')
