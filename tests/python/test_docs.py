"""Every fenced example of the pages on clients, responses, files and tools, run as it stands there."""
import os
import re
import shutil
import subprocess
import sys

import pytest

from server import CONFIG, KEY, ROOT, Server
from test_mcp_environment import SOURCE
from toolserver import ToolServer, tool

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
# What each example must print with the scripted model, in the page's order.
EXPECTED = {
    "clients.md": {
        "python": [
            "echo: Remember the number 42.\necho: Which number was it?\n", "It rains.\n", "echo: Tell me a story.",
            "echo: Which number was it?\necho: Say hello.\n", "It rains.\n", "echo: Say hello.",
            "echo: Say hello.\necho: Say hello.\n",
        ],
        "typescript": ["echo: Remember the number 42.", "echo: Say hello."],
        "bash": ['"type":"agent.session.idle"', '"status":"completed"'],
    },
    "responses.md": {
        "python": [
            "response.completed 11\n", "echo: Tell me a story.\n",
            "user: I like green.\nuser: Which colour do I like?\nassistant: echo: Which colour do I like?\n",
            "response.output_item.done\nresponse.completed\n",
        ],
    },
    "files.md": {"python": ["b'%PDF'\n"]},
    "toolbox.md": {"python": ["notes add completed\n", "notes look completed\n"]},
}
RUNNERS = {"python": [sys.executable, "-"], "bash": ["bash", "-euo", "pipefail", "-s"]}


def examples(page):
    return [fence for fence in FENCE.findall((ROOT / "docs" / page).read_text()) if fence[0] != "text"]


# What the page on tools speaks with: a server here, and one that is a program in an environment.
QUESTIONS = ['call notes__add {"n":1}\nsay done', "call notes__look {}\nsay done"]


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    config = CONFIG + '\n[mcp]\nallowed_hosts = ["127.0.0.1"]\n'
    with ToolServer(tool("add")) as asked, Server(tmp_path_factory.mktemp("toolbox"), config) as own:
        yield own, asked
        own.stop()


@pytest.mark.parametrize("page", EXPECTED)
def test_every_example_is_known(page):
    counted = {}
    for language, _ in examples(page):
        counted[language] = counted.get(language, 0) + 1
    assert counted == {language: len(outputs) for language, outputs in EXPECTED[page].items()}


@pytest.mark.parametrize("page, language, index", [
    (page, language, index)
    for page, expected in EXPECTED.items() for language in RUNNERS for index in range(len(expected.get(language, [])))
])
def test_example(request, server, tmp_path, page, language, index):
    if language == "bash" and not shutil.which("curl"):
        pytest.skip("no curl on this machine")
    program = [text for found, text in examples(page) if found == language][index]
    if "import litellm" in program:
        pytest.importorskip("litellm")
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.7")
    told = {
        "OPENAI_BASE_URL": server.base, "OPENAI_API_KEY": KEY, "MODEL": "scripted",
        "QUESTION": 'call weather {"city":"Oslo"}\nsay It rains.',
    }
    if page == "toolbox.md":
        own, asked = request.getfixturevalue("tools")
        (tmp_path / "server.py").write_text(SOURCE.replace("sys.argv[1]", '"notes"'))
        told |= {"OPENAI_BASE_URL": own.base, "MCP_URL": asked.url, "QUESTION": QUESTIONS[index]}
    done = subprocess.run(
        RUNNERS[language], input=program, env={**os.environ, **told}, cwd=tmp_path, capture_output=True, text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert EXPECTED[page][language][index] in done.stdout.replace('": "', '":"')
