"""An MCP server that wants a token, and the authorization server that gives it: both on one port, small and strict.

    python guarded.py

Prints `ready PORT`. `GET /seen` answers with all that was asked, as JSON. Access tokens hold for three calls.
"""

import base64
import hashlib
import json
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SEEN = []
CHALLENGES = {}
LEFT = {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, status, body=None, **headers):
        data = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self):
        return self.rfile.read(int(self.headers.get("content-length", 0))).decode()

    def note(self, **what):
        SEEN.append({"path": self.path, **what})

    def do_GET(self):
        path, _, query = self.path.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        if path == "/seen":
            return self.answer(200, SEEN)
        self.note(asked=asked)
        if path == "/.well-known/oauth-protected-resource/mcp":
            return self.answer(200, {"resource": f"{self.origin}/mcp", "authorization_servers": [self.origin]})
        if path == "/.well-known/oauth-authorization-server":
            return self.answer(200, {
                "issuer": self.origin,
                "authorization_endpoint": f"{self.origin}/authorize",
                "token_endpoint": f"{self.origin}/token",
                "registration_endpoint": f"{self.origin}/register",
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
                "authorization_response_iss_parameter_supported": True,
            })
        if path == "/authorize":
            code = f"code-{len(CHALLENGES)}"
            CHALLENGES[code] = asked["code_challenge"]
            back = urllib.parse.urlencode({"code": code, "state": asked["state"], "iss": self.origin})
            return self.answer(302, location=f"{asked['redirect_uri']}?{back}")
        self.answer(404, {})

    def do_POST(self):
        text = self.body()
        if self.path == "/register":
            self.note(asked=json.loads(text))
            return self.answer(201, {"client_id": "registered"})
        if self.path == "/token":
            return self.token(dict(urllib.parse.parse_qsl(text)))
        question = json.loads(text)
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        self.note(method=question["method"], token=token)
        if LEFT.get(token, 0) == 0:
            where = f'{self.origin}/.well-known/oauth-protected-resource/mcp'
            return self.answer(401, {}, www_authenticate=f'Bearer resource_metadata="{where}", scope="call"')
        LEFT[token] -= 1
        results = {
            "server/discover": {"supportedVersions": ["2026-07-28"], "serverInfo": {"name": "guarded"}},
            "tools/list": {"tools": [{"name": "act", "inputSchema": {"type": "object"}}]},
            "tools/call": {"content": [{"type": "text", "text": "acted"}]},
        }
        self.answer(200, {"jsonrpc": "2.0", "id": question["id"], "result": results[question["method"]]})

    def token(self, asked):
        self.note(asked=asked)
        if asked["grant_type"] == "authorization_code":
            digest = hashlib.sha256(asked["code_verifier"].encode()).digest()
            if CHALLENGES.pop(asked["code"]) != base64.urlsafe_b64encode(digest).decode().rstrip("="):
                return self.answer(400, {"error": "invalid_grant"})
        elif asked["refresh_token"] != f"refresh-{len(LEFT) - 1}":
            return self.answer(400, {"error": "invalid_grant"})
        number = len(LEFT)
        LEFT[f"token-{number}"] = 3
        self.answer(200, {
            "access_token": f"token-{number}", "token_type": "bearer", "refresh_token": f"refresh-{number}",
        })


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print("ready", server.server_port, flush=True)
    server.serve_forever()
