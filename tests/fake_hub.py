"""A Hugging Face Hub on this machine: one repository, of models or of data sets, behind a real HTTP server."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

FIRST, SECOND = "1" * 40, "2" * 40


class FakeHub:
    """What the Hub's client talks to: revisions, file listings and files of one repository.

    `kind` is "models" or "datasets"; `refusal` (status, error code) answers every request, `file_refusal` those for
    files, as a gated repository does. The body of the file `stalled` stops halfway until the event `go_on`; `stalls` is
    set when it does.
    """

    def __init__(self, files, repo, kind="models"):
        self.repo, self.kind = repo, kind
        self.file_refusal: tuple[int, str] | None = None
        self.commits = {FIRST: files}
        self.branches = {"main": FIRST}
        self.requests: list[str] = []
        self.refusal: tuple[int, str] | None = None
        self.stalled = ""
        self.stalls, self.go_on = threading.Event(), threading.Event()

    def respond(self, method, path):
        """Return (status, headers, body)."""
        self.requests.append(f"{method} {path}")
        if self.refusal is not None:
            status, code = self.refusal
            return status, {"X-Error-Code": code, "X-Error-Message": code}, b""
        place = path.strip("/")
        api, files = f"api/{self.kind}/{self.repo}", f"{self.repo}/resolve/"
        if self.kind == "datasets":
            files = f"datasets/{files}"
        if place == api or place.startswith(f"{api}/"):
            return self._api(place[len(api) :].strip("/").split("/"))
        if place.startswith(files):
            revision, _, name = place[len(files) :].partition("/")
            return self._file(revision, name)
        return 404, {"X-Error-Code": "RepoNotFound"}, b""

    def _commit(self, revision):
        commit = self.branches.get(revision, revision)
        return commit if commit in self.commits else None

    def _api(self, parts):
        commit = self._commit(parts[1] if len(parts) > 1 else "main")
        if commit is None:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        files = self.commits[commit]
        if parts[:1] == ["tree"]:
            rows = [
                {"type": "file", "path": name, "size": len(body), "oid": hashlib.sha1(body).hexdigest()}
                for name, body in files.items()
            ]
            return 200, {"Content-Type": "application/json"}, json.dumps(rows).encode()
        siblings = [{"rfilename": name} for name in files]
        info = {
            "id": self.repo,
            "modelId": self.repo,
            "sha": commit,
            "siblings": siblings,
            "private": False,
            "tags": [],
        }
        return 200, {"Content-Type": "application/json"}, json.dumps(info).encode()

    def _file(self, revision, name):
        if self.file_refusal is not None:
            status, code = self.file_refusal
            return status, {"X-Error-Code": code, "X-Error-Message": code}, b""
        commit = self._commit(revision)
        body = self.commits.get(commit, {}).get(name)
        if body is None:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit or ""}, b""
        return 200, {"ETag": f'"{hashlib.sha256(body).hexdigest()}"', "X-Repo-Commit": commit}, body

    @property
    def downloads(self):
        return sorted(
            {line.rpartition("/")[2] for line in self.requests if line.startswith("GET") and "/resolve/" in line}
        )


@contextmanager
def serving(fake):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            status, headers, body = fake.respond(self.command, unquote(urlsplit(self.path).path))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.send_body(body)

        def send_body(self, body):
            half = len(body) // 2 if fake.stalled and self.path.endswith(fake.stalled) else 0
            self.wfile.write(body[:half])
            if half:
                self.wfile.flush()
                fake.stalls.set()
                fake.go_on.wait(60)
            with suppress(ConnectionError):  # who asked may have been killed meanwhile
                self.wfile.write(body[half:])

        do_HEAD = do_GET

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
