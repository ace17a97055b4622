"""The binary as an operator meets it: it starts, says where it is, drains, and refuses what would be unsafe."""
import subprocess

import pytest

from conversation import IDLE, begin, messages, settings, until
from server import CONFIG, Server


def test_it_says_where_it_listens(tmp_path):
    with Server(tmp_path, port=0) as server:
        assert server.port != 0
        for path in ("/healthz", "/readyz"):
            assert server.request("GET", path, headers={"Authorization": None, "OpenAI-Beta": None})[0] == 200
        assert {model.id for model in server.client().models.list()} == {"scripted", "priced"}
        status, headers, text = server.request("GET", "/metrics", headers={"Authorization": None, "OpenAI-Beta": None})
        assert status == 200 and headers["content-type"].startswith("text/plain") and b"# TYPE " in text


def test_it_drains_when_told_to(tmp_path):
    """A model call that runs may end; the stream ends after it; nothing is lost."""
    with Server(tmp_path) as server:
        client = server.client()
        with client.beta.agents.sessions.create(**settings("slow 10 a b c d e"), stream=True) as stream:
            seen = until(stream, "agent.session.turn.output_text.delta")
            assert server.stop() == 0
        session = seen[0].session.id
        server.start()
        with client.beta.agents.sessions.events.stream(session, extra_query={"after": seen[-1].event_id}) as stream:
            until(stream, IDLE)
        assert messages(client, session)[-1] == ("assistant", "a b c d e")


def test_two_servers_never_share_data(tmp_path):
    with Server(tmp_path) as server:
        second = subprocess.run(
            server.command("serve", "--listen", "127.0.0.1:0"), env=server.environment, capture_output=True, text=True, timeout=30
        )
        assert second.returncode != 0 and "listening on" not in second.stdout
        assert begin(server.client(), "hello")


def test_the_world_is_not_served_without_a_key(tmp_path):
    server = Server(tmp_path)
    del server.environment["OUTCROP_API_KEY"]
    refused = subprocess.run(
        server.command("serve", "--listen", "0.0.0.0:0"), env=server.environment, capture_output=True, text=True, timeout=30
    )
    assert refused.returncode != 0 and "listening on" not in refused.stdout


def test_a_first_start_makes_a_key(tmp_path):
    server = Server(tmp_path)
    del server.environment["OUTCROP_API_KEY"]
    with server:
        file = server.data / "api-key"
        assert file.stat().st_mode & 0o777 == 0o600
        assert begin(server.client(file.read_text().strip()), "hello")


@pytest.mark.parametrize("wrong, named", [
    (CONFIG.replace("provider", "provder", 1), "provder"), (CONFIG + "[limits]\nstreems = 1\n", "streems"),
    (CONFIG.replace('"script"', '"scirpt"', 1), "scirpt"), ("[[model]\n", "outcrop.toml:1:"),
])
def test_a_wrong_configuration_is_explained(tmp_path, wrong, named):
    server = Server(tmp_path, wrong)
    refused = subprocess.run(
        server.command("serve", "--listen", "127.0.0.1:0"), env=server.environment, capture_output=True, text=True, timeout=30
    )
    assert refused.returncode != 0 and "listening on" not in refused.stdout
    assert named in refused.stderr


def test_sessions_are_seen_from_a_terminal(tmp_path):
    with Server(tmp_path) as server:
        session, _ = begin(server.client(), "say visible")
        assert session in server.run("session", "list")
        assert "visible" in server.run("session", "show", session)
        assert server.run("doctor")


def test_one_stream_too_many_is_told_to_come_back(tmp_path):
    with Server(tmp_path, config=CONFIG + "\n[limits]\nstreams = 3\n") as server:
        session = server.client().beta.agents.sessions.create(**settings("hello")).id
        streams = [server.events(session) for _ in range(3)]
        assert [stream.status for stream in streams] == [200] * 3
        with server.events(session) as refused:
            assert refused.status == 429
            assert int(refused.answer.headers["retry-after"]) > 0
            assert refused.error()["message"]
        # A place that was given back is there again, once the server has noticed.
        streams.pop().__exit__()
        for _ in range(1000):
            with server.events(session) as again:
                if again.status == 200:
                    break
        assert again.status == 200
        for stream in streams:
            stream.__exit__()
