"""`RemoteMonitor` against a real HTTP server on loopback."""

import http.server
import json
import threading
import urllib.parse

import pytest

import torchkeras
from tests.training.test_fit import VALUE, X, mlp
from torchkeras.callbacks import RemoteMonitor


@pytest.fixture
def server():
    received = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            received.append((self.path, self.headers["Content-Type"], self.headers["X-Key"], body))
            self.send_response(404 if "missing" in self.path else 200)
            self.end_headers()

        def log_message(self, *arguments): ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}", received
        serving.shutdown()
        thread.join()


def fit(monitor):
    model = mlp(1)(torchkeras)
    model.compile("sgd", "mse", metrics=["mae"])
    return model.fit(X, VALUE, epochs=2, validation_split=0.2, verbose=0, callbacks=[monitor]).history


@pytest.mark.parametrize("as_json", [False, True])
def test_every_epoch_is_sent(server, as_json):
    root, received = server
    history = fit(RemoteMonitor(root, "/train", field="logs", headers={"X-Key": "1"}, send_as_json=as_json))
    assert [(path, key) for path, _, key, _ in received] == [("/train", "1")] * 2
    for epoch, (_, kind, _, body) in enumerate(received):
        assert kind == ("application/json" if as_json else "application/x-www-form-urlencoded")
        sent = json.loads(body if as_json else urllib.parse.parse_qs(body)["logs"][0])
        assert sent == {"epoch": epoch, **{name: values[epoch] for name, values in history.items()}}


def test_an_answer_of_any_kind_will_do(server):
    root, received = server
    fit(RemoteMonitor(root, "/missing"))
    assert len(received) == 2


def test_a_server_that_is_not_there_costs_a_warning(server):
    with pytest.warns(UserWarning, match="RemoteMonitor could not reach the server at http://127.0.0.1:1"):
        fit(RemoteMonitor("http://127.0.0.1:1"))
