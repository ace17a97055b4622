"""Vaults whose root key a key service keeps: credentials work after a restart, while the service is away nothing is lost and
errors are clear, its lies are not believed, and no data key stands in any file or line of the log."""
import subprocess
import time

import openai
import pytest

from kms import ACCESS, Kms, arn, broken, cut, of_another_key, refused, throttled
from server import Server
from test_vaults import OPEN, bearer, call
from toolserver import ToolServer, tool

pytestmark = pytest.mark.soak(180)


def config(kms, *keys, more=""):
    names = ", ".join(f'"{key}"' for key in keys)
    return f'{OPEN}\n[vaults.kms]\nkeys = [{names}]\nendpoint = "{kms.endpoint}"\n{more}\n'


def again(server, config=None):
    """Nothing that was opened is in memory any more."""
    server.kill()
    if config is not None:
        server.config.write_text(config)
    server.start()


def made(client, target):
    vault = client.beta.agents.vaults.create()
    client.beta.agents.vaults.credentials.create(vault.id, name="c", auth=bearer(target.url, "token"))
    return vault


def works(client, target, vault):
    return [one.status for one in call(client, target, vault)[1]] == ["completed"]


def recovers(client, target, vault):
    """A server that could not be shown a token is asked again after a while, each time a longer one."""
    deadline = time.monotonic() + 60
    while not works(client, target, vault):
        assert time.monotonic() < deadline
    return True


def closed(ask):
    """The message of the 503 that `ask` ends with."""
    with pytest.raises(openai.InternalServerError) as error:
        ask()
    assert error.value.status_code == 503
    return error.value.body["message"]


def doctor(server):
    """What it says of the vaults."""
    done = subprocess.run(server.command("doctor"), capture_output=True, text=True, env=server.environment, timeout=60)
    (line,) = [line for line in done.stdout.splitlines() if line.split()[1] == "vaults"]
    return line


def holds_no_data_key(server, kms):
    found = [
        path.name for path in server.folder.rglob("*") if path.is_file()
        for secret in kms.secrets() if secret in path.read_bytes()
    ]
    assert kms.secrets() and found == []


def test_f28_a_key_service_that_is_away_costs_time_and_nothing_else(tmp_path):
    kms, environment = Kms("one", token="a token/of=tests"), {**ACCESS, "AWS_SESSION_TOKEN": "a token/of=tests", "OUTCROP_LOG": "trace"}
    with kms, Server(tmp_path / "server", config(kms, arn("one")), environment) as server, ToolServer(tool("add"), token="token") as target:
        client = server.client()
        assert "the root key aws-kms:one is there" in doctor(server)
        kms.came()
        vault = made(client, target)
        context = {"outcrop:project": "default", "outcrop:vault": vault.id}
        called = kms.came()
        assert {asked[1:] == (arn("one"), context) for asked in called} == {True}, called
        assert [action for action, *_ in called] == ["Encrypt", "Decrypt", "Decrypt"]
        assert works(client, target, vault) and kms.came() == [], "what is open is not asked for again"
        again(server)
        assert works(client, target, vault) and [action for action, *_ in kms.came()] == ["Decrypt"]
        again(server)
        kms.stop()
        session, calls = call(client, target, vault)
        (turn,) = client.beta.agents.sessions.turns.list(session)
        assert (calls, turn.status) == ([], "failed") and "cannot be opened" in turn.error.message, turn
        before = client.beta.agents.vaults.list().data
        for refusing in (lambda: client.beta.agents.vaults.create(),
                         lambda: client.beta.agents.vaults.credentials.create(vault.id, name="d", auth=bearer(target.url, "x"))):
            assert "the service that keeps their root key gives no answer" in closed(refusing)
        assert client.beta.agents.vaults.list().data == before == [client.beta.agents.vaults.retrieve(vault.id)]
        assert doctor(server).startswith("fail") and "aws-kms:one" in doctor(server)
        kms.start()
        assert recovers(client, target, vault) and doctor(server).startswith("ok")
        assert kms.unsigned == [] and not (server.data / "root.key").exists()
        server.stop()
        holds_no_data_key(server, kms)


def test_f28_a_key_service_is_asked_again_where_it_says_so_and_not_believed_where_it_lies(tmp_path):
    with (
        Kms("one") as kms, Server(tmp_path / "server", config(kms, "one"), {**ACCESS, "OUTCROP_LOG": "trace"}) as server,
        ToolServer(tool("add"), token="token") as target,
    ):
        client = server.client()
        create = lambda: client.beta.agents.vaults.create()
        kms.next = [throttled, broken, throttled]
        vault = made(client, target)
        assert [action for action, *_ in kms.came()] == ["Encrypt"] * 4 + ["Decrypt"] * 2
        kms.always = broken
        assert "gives no answer. Try again shortly." in closed(create) and len(kms.came()) == 4
        kms.always = refused
        assert "does not serve it" in closed(create) and len(kms.came()) == 1
        assert "not authorized to perform: kms:Decrypt" in doctor(server)
        for lie in (of_another_key, cut):
            kms.always = lie
            assert "does not serve it" in closed(create)
        again(server)
        kms.always = of_another_key
        assert call(client, target, vault)[1] == []
        kms.always = None
        assert recovers(client, target, vault)
        assert [one.id for one in client.beta.agents.vaults.list()] == [vault.id]
        assert kms.unsigned == []
        holds_no_data_key(server, kms)


def test_f28_root_keys_go_to_a_key_service_and_back(tmp_path):
    with (
        Kms("one", "two") as kms, Server(tmp_path / "server", OPEN, {**ACCESS, "OUTCROP_LOG": "trace"}) as server,
        ToolServer(tool("add"), token="token") as target,
    ):
        client = server.client()
        vaults = [made(client, target), made(client, target)]
        work = lambda: [works(client, target, vault) for vault in vaults] == [True] * len(vaults)
        kept = (server.data / "root.key").read_text()
        # The server first, then the vaults: it opens both meanwhile.
        again(server, config(kms, arn("one")))
        assert work() and kms.came() == []
        assert "2 of 2 vaults were wrapped anew" in server.run("vault", "rotate") and work()
        (server.data / "root.key").unlink()
        vaults.append(made(client, target))
        again(server)
        assert work()
        # From one key to another: it may be gone for good afterwards.
        again(server, config(kms, "two", arn("one")))
        assert "3 of 3 vaults were wrapped anew" in server.run("vault", "rotate")
        del kms.masters["one"]
        again(server, config(kms, arn("two")))
        assert work() and "the root key aws-kms:two is there" in doctor(server)
        # A key service that is away is no reason to lose a vault.
        away = config(kms, arn("two"), more="wraps = false")
        again(server, away)
        kms.stop()
        done = subprocess.run(server.command("vault", "rotate"), capture_output=True, text=True, env=server.environment, timeout=60)
        assert done.returncode != 0 and "aws-kms:two" in done.stderr
        kms.start()
        assert work()
        # And back to the file, which is made anew: the one before is not needed any more.
        assert "3 of 3 vaults were wrapped anew" in server.run("vault", "rotate")
        assert (server.data / "root.key").read_text() != kept
        again(server, OPEN)
        kms.stop()
        assert work() and doctor(server).startswith("ok")
        assert kms.unsigned == []
        holds_no_data_key(server, kms)


def test_a_vault_that_a_key_service_keeps_is_not_opened_without_it(tmp_path):
    with (
        Kms("one") as kms, Server(tmp_path / "server", config(kms, "one"), ACCESS) as server,
        ToolServer(tool("add"), token="token") as target,
    ):
        client = server.client()
        vault = made(client, target)
        again(server, OPEN)
        assert "their root key is missing" in closed(client.beta.agents.vaults.create)
        assert call(client, target, vault)[1] == [] and "cannot be opened" in doctor(server)
        again(server, config(kms, "one"))
        assert works(client, target, vault)
