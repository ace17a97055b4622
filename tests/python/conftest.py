"""One server for most tests, a watchdog for all, and `--quick`."""
import signal

import pytest

from server import Server
from upstream import Upstream

SECONDS = 60


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="leave out what kills or breaks servers on purpose")


def pytest_configure(config):
    config.addinivalue_line("markers", "soak(seconds): takes long; left out with --quick")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--quick"):
        for item in items:
            if item.get_closest_marker("soak"):
                item.add_marker(pytest.mark.skip(reason="--quick"))


@pytest.fixture(autouse=True)
def watchdog(request):
    """A test that waits for something that never comes fails where it stands."""
    def bark(*_):
        raise TimeoutError(f"still waiting after {seconds} s")

    soak = request.node.get_closest_marker("soak")
    seconds = soak.args[0] if soak else SECONDS
    old = signal.signal(signal.SIGALRM, bark)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, old)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("server")) as server:
        yield server
        assert server.process.poll() is None, f"the server ended by itself: {server.log()}"


@pytest.fixture(scope="session")
def client(server):
    return server.client()


@pytest.fixture
def upstream():
    with Upstream() as upstream:
        yield upstream
