"""A stand-in for the Hugging Face hub on 127.0.0.1, a program of its own.

It has as much of the API as the real client asks for.

    python tests/hub.py FILE LOG NAME

serves FILE as NAME in every repository; the owner's name says how well: good/x, corrupt/x, gated/x,
barred/x (gated, and the token has no access), closed/x, missing/x, limited/x, broken/x, stops/x
(half a file, then errors, until the next client comes), plain/x (no hash). Each request is a line
of LOG. Prints its port.
"""

import hashlib
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

COMMIT = "c0ffee" * 6 + "c0ff"
CONTENT, LOG, NAME = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), sys.argv[3]
#: Answers that owners give to everything: status and the hub's own code.
REFUSALS = {
    "gated": (401, "GatedRepo"),
    "barred": (403, "GatedRepo"),
    "closed": (403, ""),
    "missing": (404, "RepoNotFound"),
    "limited": (429, ""),
    "broken": (500, ""),
}
stopped = set()


class Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Only LOG is written."""

    def respond(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer()

    def answer(self):
        path = unquote(self.path.split("?")[0])
        details = [self.headers.get(name, "") for name in ("Range", "Authorization")]
        with LOG.open("a") as log:
            log.write(" ".join([self.command, path, *details]) + "\n")
        owner = path.removeprefix("/api/models/").strip("/").split("/")[0]
        if owner in REFUSALS and not (
            owner == "gated" and self.headers.get("Authorization") == "Bearer good"
        ):
            status, code = REFUSALS[owner]
            self.respond(status, b"{}", X_Error_Code=code, X_Error_Message=code)
        elif "/revision/" in path:
            self.about(path.rsplit("/", 1)[1])
        elif "/paths-info/" in path:
            large = {
                "oid": hashlib.sha256(CONTENT).hexdigest(),
                "size": len(CONTENT),
                "pointerSize": 134,
            }
            entry = {
                "type": "file",
                "path": NAME,
                "size": len(CONTENT),
                "oid": "0" * 40,
                **({} if owner == "plain" else {"lfs": large}),
            }
            self.respond(200, json.dumps([entry]).encode(), Content_Type="application/json")
        else:
            self.send_file(owner)

    do_GET = do_HEAD = answer

    def about(self, revision):
        if revision not in ("main", COMMIT):
            self.respond(
                404, b"{}", X_Error_Code="RevisionNotFound", X_Error_Message="no such revision"
            )
            return
        about = {
            "_id": "1",
            "id": "a/b",
            "sha": COMMIT,
            "siblings": [{"rfilename": NAME}],
            "cardData": {"license": "apache-2.0"},
            "tags": [],
            "private": False,
        }
        self.respond(200, json.dumps(about).encode(), Content_Type="application/json")

    def send_file(self, owner):
        wanted = self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
        body = CONTENT[start:]
        if owner == "corrupt":
            body = body[:-1] + b"!"
        if owner == "stops":
            if "half" not in stopped:
                stopped.add("half")
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                self.close_connection = True
                return
            if "again" not in stopped:
                stopped.add("again")
                self.respond(500)
                return
        headers = {"ETag": '"1"', "X_Repo_Commit": COMMIT, "Accept_Ranges": "bytes"}
        if wanted:
            headers["Content_Range"] = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        self.respond(206 if wanted else 200, body, **headers)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    print(server.server_port, flush=True)
    server.serve_forever()
