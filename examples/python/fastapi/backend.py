# backend.py
import json
import os
import sys
import urllib.error
import urllib.request

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse

import webhook

ATS_URL = os.environ["ATS_URL"]
QUESTION = {"secret_key": os.environ["ATS_SECRET_KEY"], "action_type": "register", "allowed_network": "testnet"}
UNREACHABLE = {"error": {"code": "common.service_unavailable", "message": "The registry cannot be reached."}}

app = FastAPI()


@app.post("/my-backend/session")
def session():  # without async: FastAPI runs it in a thread
    # Here you know your visitor: refuse those who may not register a song.
    request = urllib.request.Request(
        f"{ATS_URL}/v1/sessions",
        data=json.dumps(QUESTION).encode(),
        headers={"Content-Type": "application/json", "Origin": os.environ["SITE"]},
    )
    try:
        try:
            answer = urllib.request.urlopen(request, timeout=10)
        except urllib.error.HTTPError as refusal:  # it goes to the page as it is
            answer = refusal
        with answer:
            status, body = answer.status, json.load(answer)
    except (OSError, ValueError) as cause:  # no answer, or none in JSON
        print("mint:", cause, file=sys.stderr)
        status, body = 502, UNREACHABLE
    return Response(json.dumps(body), status, media_type="application/json")


@app.post("/my-backend/webhook")
async def receive(request: Request):  # without a parameter for the body: FastAPI would parse it
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > webhook.LARGEST:
            return PlainTextResponse("The body is too large.", 413)
    status, text = webhook.receive(request.headers, body)
    return PlainTextResponse(text, status)


@app.get("/")
def page():
    return FileResponse("index.html")


uvicorn.run(app, host="localhost", port=int(os.environ.get("PORT", "3000")))
