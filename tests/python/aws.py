"""AWS's own clients, unmodified, for a server of ours. Every answer that one of them gets is held against the shape that
botocore has of it: no member that it does not know, none missing that it requires, and errors that the operation may have.
"""
import base64
import binascii
import datetime
import json
import re
import types

import boto3
import botocore.config

REGION = "us-east-1"
ACCOUNT = "000000000000"
# What every operation may answer, whether its model says so or not.
COMMON = {
    "AccessDeniedException", "ExpiredToken", "IncompleteSignature", "InternalServerException", "InvalidSignatureException",
    "MissingAuthenticationToken", "RequestTimeoutException", "ServiceUnavailableException", "SignatureDoesNotMatch",
    "ThrottlingException", "UnknownOperationException", "UnrecognizedClientException", "ValidationException",
}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def access_key(server, *options):
    """A new access key: its id and its secret."""
    said = server.run("key", "create", "--aws", *options)
    found = re.fullmatch(r"AWS_ACCESS_KEY_ID=(AKIA[A-Z2-7]{16})\nAWS_SECRET_ACCESS_KEY=([A-Za-z0-9+/]{40})\n", said)
    assert found, said
    return found.groups()


def client(server, service, key, region=REGION, retries=0, timeout=30, checked=True):
    """boto3's client of `service`, by an access key (see `access_key`). It sends bearers only over TLS."""
    config = botocore.config.Config(
        retries={"total_max_attempts": retries + 1, "mode": "standard"}, read_timeout=timeout, connect_timeout=timeout,
        proxies={},
    )
    made = boto3.session.Session(*key, region_name=region).client(
        service, endpoint_url=server.origin, config=config
    )
    made.answers = []
    if checked:
        made.meta.events.register_last(f"before-parse.{made.meta.service_model.service_id.hyphenize()}", checks(made))
    return made


def checks(made):
    """Holds each answer of this client against its shape. The last one is in `answers`, without its body where that streams."""
    def check(operation_model, response_dict, **_):
        status, headers, body = (response_dict[part] for part in ("status_code", "headers", "body"))
        headers = {name.lower(): value for name, value in headers.items()}
        whole = body if isinstance(body, bytes) else None
        made.answers.append(types.SimpleNamespace(
            operation=operation_model.name, status=status, headers=headers, body=whole,
        ))
        del made.answers[:-20]
        answer_is_shaped(operation_model, status, headers, whole)

    return check


def answer_is_shaped(operation, status, headers, body):
    name = operation.name
    assert UUID.fullmatch(headers.get("x-amzn-requestid", "")), f"{name}: {headers}"
    if status >= 300:
        code = headers.get("x-amzn-errortype")
        known = {shape.name for shape in operation.error_shapes} | COMMON
        assert code in known, f"{name}: {status} {code}: {body}"
        if body is not None:
            said = json.loads(body)
            assert isinstance(said.get("message"), str) and said["message"], f"{name}: {said}"
            for shape in operation.error_shapes:
                if shape.name == code:
                    shaped(shape, said, f"{name}: {code}")
        return
    assert status == operation.http.get("responseCode", 200), f"{name}: {status}"
    shape = operation.output_shape
    if shape is None or body is None:
        return
    payload = shape.serialization.get("payload")
    if payload is not None:
        inner = shape.members[payload]
        if inner.type_name == "structure" and body:
            shaped(inner, json.loads(body), name)
    else:
        shaped(shape, json.loads(body) if body else {}, name)
    for member, inner in shape.members.items():
        if inner.serialization.get("location") == "header" and member in shape.required_members:
            assert inner.serialization["name"].lower() in headers, f"{name}: no header for {member}: {headers}"


def shaped(shape, value, path):
    """`value` is JSON as it came. What it is wrong in, is where `path` says."""
    assert value is not None, f"{path}: null, where AWS leaves it out"
    kind = shape.type_name
    if kind == "structure" and getattr(shape, "is_document_type", False):
        return
    if kind == "structure":
        assert isinstance(value, dict), f"{path}: {value!r}"
        structure_is_shaped(shape, value, path)
    elif kind == "list":
        assert isinstance(value, list), f"{path}: {value!r}"
        for index, one in enumerate(value):
            shaped(shape.member, one, f"{path}[{index}]")
    elif kind == "map":
        assert isinstance(value, dict), f"{path}: {value!r}"
        for key, one in value.items():
            shaped(shape.key, key, f"{path} (key)")
            shaped(shape.value, one, f"{path}.{key}")
    else:
        scalar_is_shaped(shape, kind, value, path)


def structure_is_shaped(shape, value, path):
    inside = {
        member.serialization.get("name", name): (name, member) for name, member in shape.members.items()
        if "location" not in member.serialization
    }
    unknown = set(value) - set(inside)
    assert not unknown, f"{path}: unknown members {sorted(unknown)}"
    missing = [name for wire, (name, _) in inside.items() if name in shape.required_members and wire not in value]
    assert not missing, f"{path}: missing members {missing}: {value}"
    if getattr(shape, "is_tagged_union", False):
        assert len(value) == 1, f"{path}: a union of {sorted(value)}"
    for wire, one in value.items():
        shaped(inside[wire][1], one, f"{path}.{wire}")


def scalar_is_shaped(shape, kind, value, path):
    if kind in ("string", "character"):
        assert isinstance(value, str), f"{path}: {value!r}"
        assert not shape.enum or value in shape.enum, f"{path}: {value!r} is none of {shape.enum}"
    elif kind in ("integer", "long", "short", "byte"):
        assert isinstance(value, int) and not isinstance(value, bool), f"{path}: {value!r}"
    elif kind in ("float", "double"):
        assert isinstance(value, (int, float)) and not isinstance(value, bool), f"{path}: {value!r}"
    elif kind == "boolean":
        assert isinstance(value, bool), f"{path}: {value!r}"
    elif kind == "timestamp":
        timestamp_is_shaped(shape, value, path)
    elif kind == "blob":
        try:
            base64.b64decode(value, validate=True)
        except (TypeError, binascii.Error):
            raise AssertionError(f"{path}: no base64: {value!r}") from None
    else:
        raise AssertionError(f"{path}: a shape that is not known here: {kind}")


def timestamp_is_shaped(shape, value, path):
    if shape.serialization.get("timestampFormat", "unixTimestamp") == "iso8601":
        assert isinstance(value, str) and value.endswith("Z"), f"{path}: {value!r}"
        datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    else:
        assert isinstance(value, (int, float)) and not isinstance(value, bool), f"{path}: {value!r}"
        # Seconds, not milliseconds.
        assert 1e9 < value < 1e11, f"{path}: {value!r}"
