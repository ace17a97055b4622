"""A key service as AWS KMS: it takes what botocore would have signed and nothing else, wraps for real, and can be throttled,
broken, lying or gone."""
import base64
import datetime
import http.server
import json
import os
import threading

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from server import free_port

REGION, ACCOUNT = "eu-central-1", "111122223333"
ACCESS = {"AWS_ACCESS_KEY_ID": "AKIAFORTHETESTSOFKMS", "AWS_SECRET_ACCESS_KEY": "a/secret+of=tests", "AWS_REGION": REGION}
TYPE = "application/x-amz-json-1.1"


def arn(key):
    return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}"


class Kms:
    """`calls` is what came and was rightly signed; `plain` every data key that it has seen. The functions in `next` answer,
    each one call, with a status and a body instead of the true one, which they are given."""

    def __init__(self, *keys, token=None):
        self.masters = {key: AESGCM(os.urandom(32)) for key in keys}
        self.token, self.port = token, free_port()
        self.calls, self.unsigned, self.plain, self.next, self.always = [], [], set(), [], None
        self.http = None

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status, said = service.answer(self.path, self.headers, body)
                text = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", TYPE)
                self.send_header("Content-Length", str(len(text)))
                # A server that is stopped takes its connections with it.
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        if self.http is not None:
            self.http.shutdown()
            self.http.server_close()
            self.http = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def answer(self, path, headers, body):
        why = self.wrongly_signed(path, headers, body)
        if why:
            self.unsigned.append(why)
            return 400, {"__type": "InvalidSignatureException", "message": why}
        asked = json.loads(body)
        action = headers["x-amz-target"].removeprefix("TrentService.")
        self.calls.append((action, asked["KeyId"], asked["EncryptionContext"]))
        true = self.true(action, asked)
        lie = self.next.pop(0) if self.next else self.always
        return lie(*true) if lie else true

    def wrongly_signed(self, path, headers, body):
        """Why botocore would not have signed this, with the same key at the same moment."""
        authorization = headers.get("authorization", "")
        algorithm, _, rest = authorization.partition(" ")
        parts = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
        signed = parts.get("SignedHeaders", "").split(";")
        needed = {"host", "content-type", "x-amz-date", "x-amz-target"} | ({"x-amz-security-token"} if self.token else set())
        if algorithm != "AWS4-HMAC-SHA256" or not needed <= set(signed):
            return f"what is not signed: {sorted(needed - set(signed))}, {algorithm!r}"
        if headers["x-amz-security-token"] != self.token or headers["content-type"] != TYPE or path != "/":
            return "another token, type or path"
        request = AWSRequest("POST", self.endpoint + path, headers={name: headers[name] for name in signed}, data=body)
        request.context["timestamp"] = headers["x-amz-date"]
        credentials = Credentials(ACCESS["AWS_ACCESS_KEY_ID"], ACCESS["AWS_SECRET_ACCESS_KEY"], self.token)
        auth = botocore.auth.SigV4Auth(credentials, "kms", REGION)
        at = datetime.datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        if abs(datetime.datetime.now(datetime.timezone.utc) - at) > datetime.timedelta(minutes=5):
            return f"signed at {at}, and it is another time"
        text = auth.string_to_sign(request, auth.canonical_request(request))
        if parts["Credential"] != auth.scope(request) or parts["Signature"] != auth.signature(text, request):
            return "the signature does not match"
        return None

    def true(self, action, asked):
        key = asked["KeyId"].rpartition("key/")[2] or asked["KeyId"]
        if key not in self.masters:
            return 400, {"__type": "com.amazonaws.kms#NotFoundException", "message": f"Key '{key}' does not exist"}
        context = json.dumps(asked["EncryptionContext"], sort_keys=True).encode()
        head = f"{key:>16}".encode()
        if action == "Encrypt":
            plain = base64.b64decode(asked["Plaintext"], validate=True)
            self.plain.add(plain)
            nonce = os.urandom(12)
            blob = head + nonce + self.masters[key].encrypt(nonce, plain, context)
            said = {"CiphertextBlob": base64.b64encode(blob).decode()}
        else:
            blob = base64.b64decode(asked["CiphertextBlob"], validate=True)
            if blob[:16] != head:
                return 400, {"__type": "IncorrectKeyException", "message": "another key"}
            try:
                plain = self.masters[key].decrypt(blob[16:28], blob[28:], context)
            except InvalidTag:
                return 400, {"__type": "InvalidCiphertextException", "message": None}
            said = {"Plaintext": base64.b64encode(plain).decode()}
        return 200, {"KeyId": arn(key), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT", **said}

    def came(self):
        came, self.calls = self.calls, []
        return came

    def secrets(self):
        """Every data key, in the forms in which one may stand in a text."""
        return [form for plain in self.plain for form in (plain, base64.b64encode(plain).rstrip(b"="), plain.hex().encode())]


def throttled(*_):
    return 400, {"__type": "ThrottlingException", "message": "You have exceeded the rate at which you may call KMS."}


def broken(*_):
    return 500, {"__type": "KMSInternalException", "message": None}


def refused(*_):
    return 400, {"__type": "AccessDeniedException", "message": "not authorized to perform: kms:Decrypt"}


def of_another_key(status, said):
    return status, {**said, "KeyId": arn("another")}


def cut(status, said):
    """Half of the wrapped key, and a plaintext as it is."""
    blob = said.get("CiphertextBlob")
    return status, {**said, "CiphertextBlob": blob[: len(blob) // 8 * 4]} if blob else said
