# backend.py
import json
import os
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import webhook

ATS_URL = os.environ["ATS_URL"]
QUESTION = {"secret_key": os.environ["ATS_SECRET_KEY"], "action_type": "register", "allowed_network": "testnet"}
UNREACHABLE = {"error": {"code": "common.service_unavailable", "message": "The registry cannot be reached."}}


def mint():
    """Return the server's answer, a token or a refusal. It raises when the server does not answer."""
    request = urllib.request.Request(
        f"{ATS_URL}/v1/sessions",
        data=json.dumps(QUESTION).encode(),
        headers={"Content-Type": "application/json", "Origin": os.environ["SITE"]},
    )
    try:
        answer = urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as refusal:  # it goes to the page as it is
        answer = refusal
    with answer:
        return answer.status, json.load(answer)


class Backend(BaseHTTPRequestHandler):
    timeout = 30  # for a browser that sends nothing

    def do_POST(self):
        if self.path == "/my-backend/session":
            self.session()
        elif self.path == "/my-backend/webhook":
            self.webhook()
        else:
            self.send_error(404)

    def session(self):
        # Here you know your visitor: refuse those who may not register a song.
        try:
            status, body = mint()
        except (OSError, ValueError) as cause:  # no answer, or none in JSON
            print("mint:", cause, file=sys.stderr)
            status, body = 502, UNREACHABLE
        self.answer(status, "application/json", json.dumps(body).encode())

    def webhook(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            return self.answer(411, "text/plain", b"The length of the body is missing.")
        body = self.rfile.read(min(int(length[:9]), webhook.LARGEST + 1))
        if len(body) > webhook.LARGEST:
            return self.answer(413, "text/plain", b"The body is too large.")
        status, text = webhook.receive(self.headers, body)
        self.answer(status, "text/plain", text.encode())

    def do_GET(self):
        if self.path != "/":
            return self.send_error(404)
        with open("index.html", "rb") as page:
            self.answer(200, "text/html; charset=utf-8", page.read())

    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("localhost", int(os.environ.get("PORT", "3000"))), Backend).serve_forever()
