"""The conformance suite on hosted environments: a server with any one of these defects does not pass."""
import pytest

from crooked import Proxy
from test_conform import Json, Status, changed, conform, drop, error, outcomes, put, without

T, E, S = "/agents/environments/templates", "/agents/environments", "/agents/sessions/[^/]+"
ONE_T, ONE_E = T + "/envtmpl_[^/]+", E + "/env_[^/]+"
FILES, ARTIFACTS = ONE_E + "/files", S + "/artifacts"


def paths(change):
    """Of pages with several files."""
    def bend(body):
        if len(body.get("data", [])) > 1:
            change(body["data"])
    return bend


class Error404(Status):
    """A 404 that is a 400 where a thing is gone."""

    def __init__(self, path):
        super().__init__("GET", path, 404, 400)


# The defect, where it is looked for, and a check that must say so.
MUTANTS = {
    "template: 200 for 201": ("templates", Status("POST", T, 201, 200), "templates.create"),
    "template: shows a variable": ("templates", Json(T, put("env", {"CONFORM": "value-nobody-sees"}), "POST"), "templates.hides"),
    "template: shows a command, later": ("templates", Json(ONE_T, put("setup", "echo command-nobody-sees"), "POST"), "templates.hides"),
    "template: no updated_at": ("templates", Json(T, drop("updated_at"), "POST"), "shapes.environments.templates.create"),
    "template: no size of a file": ("templates", Json(T, lambda body: [file.pop("size_bytes") for file in body.get("files", [])], "POST"), "templates.create"),
    "template: a name that stays": ("templates", Json(ONE_T, put("name", "conform"), "POST"), "templates.null"),
    "template: another one when read": ("templates", Json(ONE_T, put("name", "another"), "GET"), "templates.retrieve"),
    "templates: oldest first": ("templates", Json(T, paths(lambda data: data.reverse()), "GET"), "templates.listed"),
    "template: deleted and there": ("templates", Error404(ONE_T), "templates.delete"),
    "template: faults without their place": ("templates", error(param=None), "templates.path"),
    "environment: 200 for 201": ("environments", Status("POST", E, 201, 200), "environments.create"),
    "environment: no type": ("environments", Json(E, drop("type")), "shapes.environments.create"),
    "environment: no plugins": ("environments", Json(ONE_E, drop("plugins"), "GET"), "shapes.environments.retrieve"),
    "environment: another key's body": ("environments", Status("POST", E, 409, 201), "environments.key-other-body"),
    "environment: never ready": ("environments", Json(ONE_E, put("status", "pending"), "GET"), "environments.ready"),
    "environments: an empty list": ("environments", Json(E, lambda body: body.get("data", []).clear(), "GET"), "environments.listed"),
    "files: no next": ("environments", Json(FILES, lambda body: body.pop("next", None), "GET"), "shapes.environments.files.list"),
    "files: object list": ("environments", Json(FILES, lambda body: "data" in body and body.update(object="list"), "GET"), "shapes.environments.files.list"),
    "files: first first": ("environments", Json(FILES, paths(lambda data: data.reverse()), "GET"), "environments.files"),
    "files: pages that end early": ("environments", Json(FILES, lambda body: body.update(next=None, has_more=False), "GET"), "environments.files-pages"),
    "file: 200 for 201": ("environments", Status("POST", FILES, 201, 200), "environments.file"),
    "file: one byte more": ("environments", Json(FILES, put("size_bytes", 7), "POST"), "environments.file"),
    "files: a directory that is not there is missing": ("environments", Json(FILES, lambda body: body.get("data") == [] and body.update(data=[{}]), "GET"), "environments.files-missing"),
    "events: nothing of the environment's setup": ("environments", without("environment.pending"), "environments.told"),
    "events: no output": ("environments", without("agent.output.command_execution_output.delta"), "environments.output"),
    "events: output twice": ("environments", changed("agent.output.command_execution_output.delta", lambda e: e.update(delta=2 * e["delta"])), "environments.output"),
    "artifact: no turn": ("environments", Json(ARTIFACTS, drop("turn_id")), "shapes.sessions.artifacts.list"),
    "artifact: another environment's": ("environments", Json(ARTIFACTS, put("environment_id", "env_x")), "environments.artifact"),
    "artifact: there after its deletion": ("environments", Error404(ARTIFACTS + "/[^/]+"), "environments.artifact-delete"),
    "artifacts: no filter": ("environments", Json(ARTIFACTS, lambda body: body.get("data") == [] and body.update(data=[{}])), "environments.artifact-filter"),
}


@pytest.mark.soak(60)
@pytest.mark.parametrize("defect", MUTANTS)
def test_a_defect_is_reported(server, tmp_path, defect):
    area, bend, check = MUTANTS[defect]
    with Proxy(server.port, bend) as proxy:
        status, report, printed = conform(proxy.base, "--only", area, folder=tmp_path, patience=2)
    assert status == 1, printed
    assert check in outcomes(report, "failed"), printed


@pytest.mark.soak(60)
def test_they_pass_where_nothing_is_bent(server, tmp_path):
    with Proxy(server.port) as proxy:
        status, report, printed = conform(proxy.base, "--part", "environments", folder=tmp_path)
    assert status == 0 and not report["absent"], printed
    assert len(outcomes(report, "passed")) >= 70, printed
