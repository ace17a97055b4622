"""Files and uploads through the unmodified SDK: what comes back is what went in, and nothing half done stays."""
import hashlib
import http.client
import io
import json
import os
import random
import socket
import time
from pathlib import Path

import openai
import pytest

from server import KEY, Server

MIB = 1 << 20


def some_bytes(size, seed=1):
    return random.Random(seed).randbytes(size)


def form(*parts, boundary="BoUnDaRy"):
    """A form of (name, filename or None, bytes); its content type and its bytes."""
    out = b""
    for name, filename, body in parts:
        named = "" if filename is None else f'; filename="{filename}"'
        out += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + body + b"\r\n"
    return f"multipart/form-data; boundary={boundary}", out + f"--{boundary}--\r\n".encode()


def send(server, path, *parts, **options):
    content_type, body = form(*parts)
    return server.json("POST", path, body, {"Content-Type": content_type}, **options)


def blobs(server):
    return sum(1 for path in (server.data / "blobs").rglob("*") if path.is_file())


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A server whose files are only ours."""
    with Server(tmp_path_factory.mktemp("files")) as server:
        yield server


def test_a_file_comes_back(client, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_bytes(b"line one\nline two\n")
    for given, name, size in [
        (path, "notes.txt", 18),
        (("näme \"x\".bin", b"\x00\xff" * 10), 'näme "x".bin', 20),
        (io.BytesIO(b"bytes"), "upload", 5),
        (("empty.txt", b""), "empty.txt", 0),
    ]:
        made = client.files.create(file=given, purpose="user_data")
        assert (made.object, made.filename, made.bytes, made.purpose, made.status) == (
            "file", name, size, "user_data", "processed")
        assert made.id.startswith("file-") and made.expires_at is None
        assert client.files.retrieve(made.id) == made
        content = client.files.content(made.id)
        expected = path.read_bytes() if given is path else given[1] if isinstance(given, tuple) else b"bytes"
        assert content.content == expected
        assert content.response.headers["content-type"] == "application/octet-stream"
        assert content.response.headers["content-disposition"].startswith("attachment; filename=")
        deleted = client.files.delete(made.id)
        assert (deleted.id, deleted.deleted, deleted.object) == (made.id, True, "file")
        for gone in (client.files.retrieve, client.files.content, client.files.delete):
            with pytest.raises(openai.NotFoundError) as raised:
                gone(made.id)
            assert raised.value.body["message"] == f"No such File object: {made.id}"
            assert (raised.value.type, raised.value.param, raised.value.code) == ("invalid_request_error", "id", None)


def test_twenty_megabytes_and_their_ranges(own):
    client = own.client()
    data = some_bytes(20 * MIB + 7)
    before = blobs(own)
    made = client.files.create(file=("big.bin", data), purpose="assistants")
    assert made.bytes == len(data) and blobs(own) == before + 3
    assert client.files.content(made.id).content == data
    path = f"/v1/files/{made.id}/content"
    for first, last in [(0, 0), (8 * MIB - 3, 8 * MIB + 3), (16 * MIB, len(data) - 1)]:
        status, headers, body = own.request("GET", path, headers={"Range": f"bytes={first}-{last}"})
        assert (status, headers["content-range"]) == (206, f"bytes {first}-{last}/{len(data)}")
        assert body == data[first:last + 1]
    status, headers, body = own.request("GET", path, headers={"Range": "bytes=-5"})
    assert (status, body) == (206, data[-5:])
    status, headers, _ = own.request("GET", path, headers={"Range": f"bytes={len(data)}-"})
    assert (status, headers["content-range"]) == (416, f"bytes */{len(data)}")
    client.files.delete(made.id)
    wait_for(lambda: blobs(own) == before)


def test_equal_files_are_each_their_own(own):
    client = own.client()
    first, second = (client.files.create(file=("same.txt", b"the same"), purpose="vision") for _ in range(2))
    client.files.delete(first.id)
    assert client.files.content(second.id).content == b"the same"
    client.files.delete(second.id)


def test_lists_are_paged(own):
    key, _ = own.create_key("--project", "lists")
    client = own.client(key)
    made = [client.files.create(file=(f"{n}.txt", b"x"), purpose=["batch", "vision"][n % 2]) for n in range(7)]
    ids = [file.id for file in made]
    assert [file.id for file in client.files.list()] == ids[::-1]
    assert [file.id for file in client.files.list(order="asc", limit=2)] == ids
    assert [file.id for file in client.files.list(purpose="vision", limit=2, order="asc")] == ids[1::2]
    page = client.files.list(limit=3, order="asc", after=ids[1])
    assert [file.id for file in page.data] == ids[2:5] and page.has_more
    client.files.delete(ids[4])
    assert [file.id for file in client.files.list(order="asc", after=ids[4])] == ids[5:]
    assert client.files.list(purpose="evals").data == []
    for query in ("limit=0", "limit=10001", "order=up", "after=file-none"):
        status, answer = own.json("GET", f"/v1/files?{query}", key=key)
        assert status == (404 if "after" in query else 400), answer
    assert made[0].expires_at == made[0].created_at + 30 * 24 * 3600 and made[1].expires_at is None


def test_a_life_may_be_given(client):
    made = client.files.create(
        file=("a.txt", b"a"), purpose="vision", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert made.expires_at == made.created_at + 3600
    for wrong in ({"anchor": "created_at", "seconds": 3599}, {"anchor": "last_active_at", "seconds": 3600}, {}):
        with pytest.raises(openai.BadRequestError) as raised:
            client.files.create(file=("a.txt", b"a"), purpose="vision", expires_after={"seconds": 2592001, **wrong})
        assert raised.value.param.startswith("expires_after")


@pytest.mark.parametrize("parts, param", [
    ([("purpose", None, b"vision")], "file"),
    ([("file", "a.txt", b"a")], "purpose"),
    ([("file", None, b"a"), ("purpose", None, b"vision")], "file"),
    ([("file", "a.txt", b"a"), ("purpose", None, b"none")], "purpose"),
    ([("purpose", None, b"none"), ("file", "a.txt", b"a" * 9 * MIB)], "purpose"),
    ([("file", "a.txt", b"a"), ("file", "b.txt", b"b"), ("purpose", None, b"vision")], "file"),
    ([("file", "a.txt", b"a"), ("purpose", None, b"vision"), ("other", None, b"x")], "other"),
    ([("file", "a.txt", b"a" * 9 * MIB), ("purpose", None, b"x" * 5000)], "purpose"),
    ([("file", "a.txt", b"a"), ("purpose", None, b"\xff")], "purpose"),
])
def test_a_wrong_form_is_refused_and_leaves_nothing(own, parts, param):
    before = blobs(own)
    status, answer = send(own, "/v1/files", *parts)
    assert (status, answer["error"]["param"]) == (400, param), answer
    assert answer["error"]["type"] == "invalid_request_error"
    wait_for(lambda: blobs(own) == before)


def test_what_is_no_form_is_refused(own):
    _, body = form(("file", "a.txt", b"a"), ("purpose", None, b"vision"))
    for content_type, sent in [
        ("application/json", b"{}"), ("multipart/form-data", body), ("multipart/form-data; boundary=other", body),
        ("multipart/form-data; boundary=BoUnDaRy", body[:-20]), ("multipart/form-data; boundary=BoUnDaRy", b""),
        ("multipart/form-data; boundary=BoUnDaRy", b"x" * 100_000),
    ]:
        status, answer = own.json("POST", "/v1/files", sent, {"Content-Type": content_type})
        assert (status, answer["error"]["type"]) == (400, "invalid_request_error"), (content_type, answer)


def test_too_much_is_refused_before_it_comes(own):
    for path, limit in (("/v1/files", 512 * MIB), ("parts", 64 * MIB)):
        if path == "parts":
            upload = own.client().uploads.create(bytes=1, filename="a", mime_type="text/plain", purpose="vision")
            path = f"/v1/uploads/{upload.id}/parts"
        connection = http.client.HTTPConnection("127.0.0.1", own.port, timeout=30)
        connection.putrequest("POST", path)
        connection.putheader("Authorization", f"Bearer {KEY}")
        connection.putheader("Content-Type", "multipart/form-data; boundary=B")
        connection.putheader("Content-Length", str(limit + 2 * MIB))
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 413 and json.loads(answer.read())["error"]["code"] == "request_too_large"
        connection.close()


def test_a_client_that_goes_away_leaves_nothing(own):
    before = blobs(own)
    content_type, body = form(("purpose", None, b"vision"), ("file", "a.bin", some_bytes(20 * MIB)))
    head = (
        f"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", own.port)) as connection:
        connection.sendall(head.encode() + body[:17 * MIB])
        wait_for(lambda: blobs(own) > before)
    wait_for(lambda: blobs(own) == before)


def test_names_are_made_safe(own):
    for sent, kept in [("../../etc/passwd", "passwd"), ("C:\\\\x\\\\y.txt", "y.txt"), ("", "file"), ("a%0d%0ab", "ab")]:
        status, made = send(own, "/v1/files", ("purpose", None, b"vision"), ("file", sent, b"x"))
        assert (status, made["filename"]) == (200, kept)
        _, headers, _ = own.request("GET", f"/v1/files/{made['id']}/content")
        assert headers["content-disposition"] == f"attachment; filename=\"{kept}\"; filename*=UTF-8''{kept}"


def test_nobody_sees_another_projects_files(own):
    key, _ = own.create_key("--project", "elsewhere")
    other, mine = own.client(key), own.client()
    made = mine.files.create(file=("mine.txt", b"mine"), purpose="vision")
    upload = mine.uploads.create(bytes=1, filename="a", mime_type="text/plain", purpose="vision")
    unknown = "file-" + "0" * 24
    for path, method in [("", "GET"), ("/content", "GET"), ("", "DELETE")]:
        foreign = own.request(method, f"/v1/files/{made.id}{path}", key=key)
        missing = own.request(method, f"/v1/files/{unknown}{path}", key=key)
        assert foreign[0] == missing[0] == 404
        assert foreign[2].replace(made.id.encode(), b"") == missing[2].replace(unknown.encode(), b"")
    assert other.files.list().data == []
    for ask in (
        lambda: other.uploads.cancel(upload.id),
        lambda: other.uploads.complete(upload.id, part_ids=["part_1"]),
        lambda: other.uploads.parts.create(upload.id, data=b"x"),
    ):
        with pytest.raises(openai.NotFoundError):
            ask()
    assert mine.files.content(made.id).content == b"mine"


def test_scopes_count(own):
    reader, _ = own.create_key("--scopes", "api.files.read")
    assert own.request("GET", "/v1/files", key=reader)[0] == 200
    assert send(own, "/v1/files", ("purpose", None, b"vision"), ("file", "a", b"x"), key=reader)[0] == 403
    assert own.request("GET", "/v1/files", key="sk-nobody")[0] == 401


def test_an_upload_in_chunks(own, tmp_path):
    client = own.client()
    data = some_bytes(20 * MIB + 1)
    path = tmp_path / "large.bin"
    path.write_bytes(data)
    md5 = hashlib.md5(data).hexdigest()
    upload = client.uploads.upload_file_chunked(
        file=path, mime_type="application/octet-stream", purpose="assistants", part_size=9 * MIB, md5=md5
    )
    assert (upload.status, upload.bytes, upload.filename) == ("completed", len(data), "large.bin")
    assert upload.expires_at == upload.created_at + 3600
    assert upload.file.bytes == len(data) and upload.file == client.files.retrieve(upload.file.id)
    assert client.files.content(upload.file.id).content == data
    status, _, body = own.request(
        "GET", f"/v1/files/{upload.file.id}/content", headers={"Range": f"bytes={9 * MIB - 2}-{9 * MIB + 1}"}
    )
    assert (status, body) == (206, data[9 * MIB - 2:9 * MIB + 2])
    client.files.delete(upload.file.id)


def new_upload(client, size, **options):
    return client.uploads.create(bytes=size, filename="a.txt", mime_type="text/plain", purpose="vision", **options)


def test_parts_are_put_in_the_order_asked_for(own):
    client = own.client()
    before = blobs(own)
    upload = new_upload(client, 6, expires_after={"anchor": "created_at", "seconds": 7200})
    assert (upload.status, upload.object, upload.file) == ("pending", "upload", None)
    ab, cd, ef, unused = (client.uploads.parts.create(upload.id, data=data).id for data in (b"ab", b"cd", b"ef", b"xx"))
    for part_ids, param in [([ab, cd], "part_ids"), ([ab, ab, cd], "part_ids"), ([ab, cd, "part_x"], "part_ids")]:
        with pytest.raises(openai.BadRequestError) as raised:
            client.uploads.complete(upload.id, part_ids=part_ids)
        assert raised.value.param == param
    for md5 in ("0" * 32, "no"):
        with pytest.raises(openai.BadRequestError) as raised:
            client.uploads.complete(upload.id, part_ids=[ef, ab, cd], md5=md5)
        assert raised.value.param == "md5"
    md5 = hashlib.md5(b"efabcd").hexdigest().upper()
    done = client.uploads.complete(upload.id, part_ids=[ef, ab, cd], md5=md5)
    assert client.files.content(done.file.id).content == b"efabcd"
    assert done.file.expires_at == done.file.created_at + 7200
    wait_for(lambda: blobs(own) == before + 3)
    # Asked again, as after a lost answer.
    assert client.uploads.complete(upload.id, part_ids=[ef, ab, cd]) == done
    for again in (
        lambda: client.uploads.complete(upload.id, part_ids=[ab, cd, ef]),
        lambda: client.uploads.parts.create(upload.id, data=b"x"),
        lambda: client.uploads.cancel(upload.id),
    ):
        with pytest.raises(openai.BadRequestError, match="already completed"):
            again()
    client.files.delete(done.file.id)
    assert client.uploads.complete(upload.id, part_ids=[ef, ab, cd]).file is None
    wait_for(lambda: blobs(own) == before)


def test_a_cancelled_upload_is_over(own):
    client = own.client()
    before = blobs(own)
    upload = new_upload(client, 4)
    part = client.uploads.parts.create(upload.id, data=b"abcd").id
    assert blobs(own) == before + 1
    assert client.uploads.cancel(upload.id).status == client.uploads.cancel(upload.id).status == "cancelled"
    wait_for(lambda: blobs(own) == before)
    for ask in (
        lambda: client.uploads.complete(upload.id, part_ids=[part]),
        lambda: client.uploads.parts.create(upload.id, data=b"x"),
    ):
        with pytest.raises(openai.BadRequestError, match="is cancelled"):
            ask()


def test_parts_have_a_bound(own):
    client = own.client()
    upload = new_upload(client, 1)
    status, answer = send(own, f"/v1/uploads/{upload.id}/parts", ("data", "d", b"x" * (64 * MIB + 1)))
    assert (status, answer["error"]["param"]) == (413, "data")
    status, answer = send(own, f"/v1/uploads/{upload.id}/parts", ("data", "d", b"x"), ("purpose", None, b"vision"))
    assert (status, answer["error"]["param"]) == (400, "purpose")
    status, answer = send(own, f"/v1/uploads/{upload.id}/parts", ("file", "d", b"x"))
    assert (status, answer["error"]["param"]) == (400, "data")


def test_parts_outlive_a_kill(tmp_path):
    data = some_bytes(10 * MIB)
    with Server(tmp_path) as server:
        client = server.client(retries=0)
        kept = client.files.create(file=("kept.bin", data), purpose="vision")
        upload = new_upload(client, len(data))
        first = client.uploads.parts.create(upload.id, data=data[:9 * MIB]).id
        server.kill()
        server.start()
        second = client.uploads.parts.create(upload.id, data=data[9 * MIB:]).id
        server.kill()
        server.start()
        done = client.uploads.complete(upload.id, part_ids=[first, second], md5=hashlib.md5(data).hexdigest())
        server.kill()
        server.start()
        assert client.uploads.complete(upload.id, part_ids=[first, second]) == done
        assert client.files.content(done.file.id).content == data
        assert client.files.content(kept.id).content == data
        for file in (kept, done.file):
            client.files.delete(file.id)
        wait_for(lambda: blobs(server) == 0)


def test_what_a_kill_left_behind_is_swept(tmp_path):
    with Server(tmp_path) as server:
        made = server.client().files.create(file=("kept.txt", b"kept"), purpose="vision")
        content_type, body = form(("purpose", None, b"vision"), ("file", "a.bin", some_bytes(20 * MIB)))
        head = (
            f"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head.encode() + body[:17 * MIB])
            wait_for(lambda: blobs(server) > 1)
            server.kill()
        for path in (server.data / "blobs").rglob("*"):
            os.utime(path, (time.time() - 7200, time.time() - 7200))
        server.start()
        assert blobs(server) == 1
        assert server.client().files.content(made.id).content == b"kept"


def resident(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024


class Zeros(io.RawIOBase):
    """A file of zeros that is nowhere."""

    name = "zeros.bin"

    def __init__(self, size):
        self.size, self.at = size, 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=0):
        self.at = offset + (0, self.at, self.size)[whence]
        return self.at

    def tell(self):
        return self.at

    def readinto(self, buffer):
        size = min(len(buffer), self.size - self.at)
        buffer[:size] = bytes(size)
        self.at += size
        return size


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_stays_flat_while_much_goes_through(tmp_path):
    size = 300 * MIB
    with Server(tmp_path) as server:
        client = server.client(timeout=60)
        client.files.create(file=("warm.bin", b"x" * MIB), purpose="vision")
        before = resident(server)
        made = client.files.create(file=("zeros.bin", Zeros(size)), purpose="vision")
        assert made.bytes == size
        with client.files.with_streaming_response.content(made.id) as content:
            assert sum(len(chunk) for chunk in content.iter_bytes(MIB)) == size
        assert resident(server) - before < 100 * MIB
