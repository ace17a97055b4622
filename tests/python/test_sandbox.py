"""What the binary says and does about sandboxes of hosted environments. What they contain is shown by the tests of the
crate `sandbox`."""
import subprocess

from server import BINARY


def doctor(tmp_path):
    output = subprocess.run([BINARY, "--data", tmp_path / "data", "doctor"], capture_output=True, text=True, cwd=tmp_path)
    lines = (output.stdout + output.stderr).splitlines()
    return [line.split(None, 2) for line in lines if line[6:].startswith("sandbox ")]


def test_doctor_starts_a_sandbox_or_says_why_not(tmp_path):
    lines = doctor(tmp_path)
    assert lines, "doctor says nothing about the sandbox"
    verdict = lines[-1]
    if verdict[0] == "ok":
        assert len(lines) == 1 and "started with all its layers" in verdict[2]
        assert verdict[2].endswith("and an executor in it")
        return
    # What is missing comes with a reason and with what to do, and each on its own line.
    assert all(word == "warn" for word, _, _ in lines)
    assert "started with the layers that there are, and an executor in it" in verdict[2] or "cannot be had" in verdict[2]
    assert all(text.startswith("no ") and "; " in text for _, _, text in lines[:-1])


def test_a_keeper_without_an_order_ends(tmp_path):
    for given in (subprocess.DEVNULL, subprocess.PIPE):
        output = subprocess.run([BINARY, "sandbox-keeper"], stdin=given, capture_output=True, timeout=60, cwd=tmp_path)
        assert (output.returncode, output.stdout, output.stderr) == (1, b"", b"")
