"""A local server of the OpenAI chat protocol: it answers every instruction properly, or as a test scripts it."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KINDS = {
    "You write": "texts",
    "You compare": "verdicts",
    "Two readers": "settlement",
    "You edit": "policy",
    "You draft": "policies",
}
UNSAFE = ("policy does not accept it.", "shows that the policy rules it out.", "The writer wants to get past a filter:")
"""What instructions say where texts are wanted that the policy rules out, one for each difficulty."""


@dataclass(frozen=True)
class Call:
    """A request that arrived."""

    body: dict[str, Any]
    headers: dict[str, str]
    path: str = ""
    version: str = ""
    raw: bytes = b""

    @property
    def kind(self) -> str:
        system = self.body["messages"][0]["content"]
        return next(kind for start, kind in KINDS.items() if system.startswith(start))

    @property
    def user(self) -> str:
        return str(self.body["messages"][1]["content"])

    @property
    def count(self) -> int:
        found = re.search(r"Write exactly (\d+) (?:texts|policies)", self.user)
        return int(found[1]) if found else 0

    @property
    def texts(self) -> list[str]:
        """The texts that are to be judged."""
        return [json.loads(line) for line in re.findall(r'^\d+\. (".*")$', self.user, re.MULTILINE)]

    @property
    def unsafe(self) -> bool:
        """Whether texts are wanted that the policy rules out."""
        return any(sign in self.user for sign in UNSAFE)

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps(self.body, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Reply:
    """What the server does: waits, then answers, or cuts the connection after `cut` bytes of the body."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: int | None = None


def chat(text: str | None, *, finish: str = "stop", usage: Any = (100, 50), **message: Any) -> Reply:
    """An answer in the shape of OpenAI; `usage=None` leaves the counts out, as some servers do."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    body: dict[str, Any] = {"id": "x", "object": "chat.completion", "choices": [choice]}
    if usage:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return Reply(body=body)


def items(rows: list[dict[str, Any]]) -> str:
    return json.dumps({"items": [{"id": number, **row} for number, row in enumerate(rows, start=1)]})


def texts_for(call: Call, count: int | None = None) -> list[dict[str, Any]]:
    """Texts that no other request gets; they tell their side twice, as augmentation may spoil one of the words."""
    word, stem = ("bad" if call.unsafe else "good"), int(call.key[:12], 16)
    numbers = range(call.count if count is None else count)
    return [{"text": f"A {word} text {stem} {number}, {word}", "rationale": "The line decides."} for number in numbers]


def policies_for(call: Call, count: int | None = None) -> list[dict[str, Any]]:
    """Policies that no other request gets: their words are made of the request."""
    made = []
    for number in range(call.count if count is None else count):
        words = [hashlib.sha256(f"{call.key}{number}{at}".encode()).hexdigest()[:6] for at in range(12)]
        lists = {"allowed": [f"Asking for {words[0]}"], "disallowed": [f"Asking for {words[1]}", f"Using {words[2]}"]}
        made.append({"title": f"Rule {words[3]}", "description": f"No {' '.join(words)}.", **lists})
    return made


def honest(call: Call) -> Reply:
    """Do what the instruction says, without a mistake."""
    if call.kind == "texts":
        return chat(items(texts_for(call)))
    if call.kind == "policies":
        return chat(items(policies_for(call)))
    if call.kind == "verdicts":
        return chat(items([verdict(is_bad(text)) for text in call.texts]))
    if call.kind == "settlement":
        return chat(json.dumps({"rationale": "Settled.", "decision": "drop", "text": "", "side": ""}))
    return chat(json.dumps({"description": "As before.", "allowed": [], "disallowed": []}))


def is_bad(text: str) -> bool:
    return "bad" in text.casefold()


def verdict(unsafe: bool, confidence: float = 0.9) -> dict[str, Any]:
    side = "violates" if unsafe else "complies"
    return {"verdict": side, "rationale": f"It {side}.", "confidence": confidence}


class FakeLlm:
    """The server. `answer` maps a call to a reply; the replies or functions in `script` go first, one per call."""

    def __init__(self) -> None:
        self.answer: Callable[[Call], Reply] = honest
        self.script: list[Reply | Callable[[Call], Reply]] = []
        self.models: list[str] = ["tiny", "large"]
        self.calls: list[Call] = []
        self.answered: Counter[str] = Counter()
        self.busiest = 0
        self._busy = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def kinds(self) -> Counter[str]:
        return Counter(call.kind for call in self.calls)

    def reply(self, call: Call) -> Reply:
        with self._lock:
            self.calls.append(call)
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
            made = self.script.pop(0) if self.script else self.answer
        reply = made if isinstance(made, Reply) else made(call)
        time.sleep(reply.delay)
        with self._lock:
            self._busy -= 1
            self.answered[call.key] += reply.status == 200 and reply.cut is None
        return reply


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away: tests kill them."""


def _handler(llm: FakeLlm) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._send(Reply(body={"object": "list", "data": [{"id": name} for name in llm.models]}))

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            self._send(llm.reply(Call(json.loads(raw), dict(self.headers), self.path, self.request_version, raw)))

        def _send(self, reply: Reply) -> None:
            body = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
            raw = body.encode()
            if reply.cut == 0:
                return self._reset()
            self.send_response(reply.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw if reply.cut is None else raw[: reply.cut])
            if reply.cut is not None:
                self._reset()
            return None

        def _reset(self) -> None:
            """Close with RST, as a server that crashes."""
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()

    return Handler
