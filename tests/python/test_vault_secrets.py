"""Secrets of vaults on their way out of a hosted environment: whoever may have one gets its true value over HTTPS, and
commands, whoever else is asked, and all that is kept see a placeholder. The network ends at this machine."""
import datetime
import http.server
import ipaddress
import json
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from conversation import settle
from server import CONFIG, Server
from test_hosted import again, commands, script, shell, wait_for
from test_hosted_hostile import OTHER, in_a_network_of_its_own
from test_vaults import found_in, variable

pytestmark = pytest.mark.soak(180)

PUBLIC_NAME, OTHER_NAME = "public.test", "other.test"
FIRST, SECOND, LATER = "planted-first-value", "planted-second-value", "planted-later-value"


def certificates(folder):
    """An authority, and with it a certificate of the decoys; the paths of both."""
    now = datetime.datetime.now(datetime.timezone.utc)

    def made(name, of, key, signer, *extensions):
        builder = x509.CertificateBuilder(
            subject_name=name, issuer_name=of, public_key=key.public_key(), serial_number=x509.random_serial_number(),
            not_valid_before=now - datetime.timedelta(days=1), not_valid_after=now + datetime.timedelta(days=1),
        )
        for extension, is_critical in extensions:
            builder = builder.add_extension(extension, critical=is_critical)
        return builder.sign(signer, hashes.SHA256())

    def named(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ours = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
    root = made(
        named("an authority of tests"), named("an authority of tests"), authority, authority,
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (x509.KeyUsage(False, False, False, False, False, True, True, False, False), True),
        (x509.SubjectKeyIdentifier.from_public_key(authority.public_key()), False),
    )
    names = [x509.DNSName(PUBLIC_NAME), x509.DNSName(OTHER_NAME), x509.IPAddress(ipaddress.ip_address(OTHER))]
    leaf = made(
        named(PUBLIC_NAME), root.subject, key, authority,
        (x509.BasicConstraints(ca=False, path_length=None), True), (x509.SubjectAlternativeName(names), False), (ours, False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    )
    pem = serialization.Encoding.PEM
    (folder / "root.pem").write_bytes(root.public_bytes(pem))
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "leaf.pem").write_bytes(leaf.public_bytes(pem) + secret)
    return folder / "root.pem", folder / "leaf.pem"


class HttpsDecoys(http.server.ThreadingHTTPServer):
    """Notes which name was asked with what, and repeats it in its answer, as a careless server does."""

    daemon_threads = True

    def __init__(self, certificate):
        self.heard = []
        decoys = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                key = self.headers.get("x-key")
                decoys.heard.append((self.headers["host"], key, self.path.partition("key=")[2]))
                self.send_response(200)
                self.send_header("Content-Length", str(len(key)))
                self.end_headers()
                self.wfile.write(key.encode())

            def log_message(self, *_):
                pass

        super().__init__(("0.0.0.0", 443), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def came(self):
        came, self.heard[:] = list(self.heard), []
        return came


SEND = """python3 - <<'END'
import os, urllib.request as u
key = os.environ.get(%s, "none")
print("holds", key)
for host in %s:
  url = "https://" + host + "/?key=" + key
  try: print(host, u.urlopen(u.Request(url, headers={"X-Key": key}), timeout=9).read().decode())
  except Exception as e: print(host, "failed", getattr(e, "headers", {}).get("outcrop-egress"), e)
END"""


def send(*hosts, name="SERVICE_API_KEY"):
    return shell(SEND % (json.dumps(name), json.dumps(hosts)))


def begin(client, vault, *lines, **environment):
    """A session that has the vault and has run the lines, and what its commands printed."""
    session = client.beta.agents.sessions.create(
        agent={"model": "scripted"}, environment={"type": "openai_hosted", "container_size": "small", **environment},
        vault_ids=[vault.id], input=script(*lines, "say done"),
    )
    settle(client, session.id, "idle")
    return session, [command.output for command in commands(client, session)]


def in_that_network(tmp_path, work):
    """`work` with a server that trusts the decoys, its client and the decoys."""
    root, leaf = certificates(tmp_path)

    def inside(*_):
        with HttpsDecoys(leaf) as decoys, Server(tmp_path / "server", CONFIG, {"SSL_CERT_FILE": str(root)}) as server:
            work(server, server.client(timeout=100), decoys)
            assert server.stop() == 0

    in_a_network_of_its_own(inside)


def placeholder(credential):
    return f"outcrop-secret-{credential.id}"


def test_a_secret_is_put_in_where_it_may_go_and_nowhere_else(tmp_path):
    def work(server, client, decoys):
        credentials = client.beta.agents.vaults.credentials
        vault = client.beta.agents.vaults.create()
        made = credentials.create(vault.id, name="c", auth=variable(FIRST, hosts=[PUBLIC_NAME]))
        held = placeholder(made)
        session, (out,) = begin(client, vault, send(PUBLIC_NAME, OTHER_NAME), network={"access": "enabled"})
        # The answer that repeats the secret does not show it to the command either.
        assert out.splitlines() == [f"holds {held}", f"{PUBLIC_NAME} {'*' * len(FIRST)}", f"{OTHER_NAME} {held}"], out
        assert decoys.came() == [(PUBLIC_NAME, FIRST, FIRST), (OTHER_NAME, held, held)]
        credentials.update(made.id, vault_id=vault.id, auth={"type": "environment_variable", "secret_value": SECOND})
        again(client, session, send(PUBLIC_NAME))
        assert decoys.came() == [(PUBLIC_NAME, SECOND, SECOND)]
        credentials.delete(made.id, vault_id=vault.id)
        again(client, session, send(PUBLIC_NAME))
        assert decoys.came() == [(PUBLIC_NAME, held, held)]
        assert found_in(server, [FIRST, SECOND]) == []

    in_that_network(tmp_path, work)


def test_a_network_that_is_restricted_holds_for_secrets_too(tmp_path):
    def work(server, client, decoys):
        vault = client.beta.agents.vaults.create()
        credentials = client.beta.agents.vaults.credentials
        everywhere = {**variable(FIRST, "EVERYWHERE"), "networking": {"type": "unrestricted"}}
        free = credentials.create(vault.id, name="c", auth=everywhere)
        credentials.create(vault.id, name="d", auth=variable(SECOND, hosts=[OTHER_NAME]))
        only = {"access": "restricted", "allowed_domains": [PUBLIC_NAME]}
        lines = send(PUBLIC_NAME, OTHER_NAME, name="EVERYWHERE"), send(OTHER_NAME)
        _, (first, second) = begin(client, vault, *lines, network=only)
        assert first.startswith(f"holds {placeholder(free)}\n{PUBLIC_NAME} {'*' * len(FIRST)}\n"), first
        assert f"{OTHER_NAME} failed" in first and f"{OTHER_NAME} failed" in second, first + second
        assert decoys.came() == [(PUBLIC_NAME, FIRST, FIRST)]
        # Without a list of the environment's own it stays a placeholder.
        begin(client, vault, send(PUBLIC_NAME, name="EVERYWHERE"), network={"access": "enabled"})
        assert decoys.came() == [(PUBLIC_NAME, placeholder(free), placeholder(free))]

    in_that_network(tmp_path, work)


def test_commands_have_the_variables_of_the_moment(tmp_path):
    def work(server, client, decoys):
        vault = client.beta.agents.vaults.create()
        network = {"access": "enabled"}
        made = client.beta.agents.environments.create(
            environment={"type": "openai_hosted", "network": network})
        ready = lambda: client.beta.agents.environments.retrieve(made.id).status == "ready"
        wait_for(ready, "the environment")
        credential = client.beta.agents.vaults.credentials.create(vault.id, name="c", auth=variable(FIRST, hosts=[PUBLIC_NAME]))
        # Made ahead, for nobody, and taken by a session that has a vault.
        session = client.beta.agents.sessions.create(
            agent={"model": "scripted"}, environment={"type": "openai_hosted", "environment_id": made.id},
            vault_ids=[vault.id], input=script(send(PUBLIC_NAME), "say done"),
        )
        settle(client, session.id, "idle")
        (ran,) = commands(client, session)
        assert ran.output.startswith(f"holds {placeholder(credential)}\n"), ran.output
        # Added while the sandbox runs.
        later = client.beta.agents.vaults.credentials.create(
            vault.id, name="d", auth=variable(LATER, "LATER", hosts=[PUBLIC_NAME]))
        (ran,) = again(client, session, send(PUBLIC_NAME, name="LATER"))
        assert ran.output.startswith(f"holds {placeholder(later)}\n"), ran.output
        assert [key for _, key, _ in decoys.came()] == [FIRST, LATER]

    in_that_network(tmp_path, work)
