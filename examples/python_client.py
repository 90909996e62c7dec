#!/usr/bin/env python3
"""Prints a line for each frame: stream, number, latency, what was found. Reconnects by itself.

Needs: pip install websockets
"""
import asyncio
import json
import os
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

URL = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:7272/ws/v1"
TOKEN = os.environ.get("LYNCEUS_TOKEN")
FRAMES = int(os.environ["FRAMES"]) if "FRAMES" in os.environ else None
# The server closes with these for good: a token is missing or wrong, or what we say is.
FATAL_CLOSE_CODES = {1008, 4400}


async def main() -> None:
    count = 0
    headers = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
    # Iterating over connect() reconnects with growing waits.
    async for socket in connect(URL, subprotocols=["lynceus.v1.json"], additional_headers=headers):
        try:
            await socket.send(json.dumps({"type": "subscribe", "streams": ["*"], "fields": ["detections", "end_to_end_ms", "patches", "guard"]}))
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "frame":
                    print(line(message), flush=True)
                    count += 1
                    if count == FRAMES:
                        return
                elif message["type"] == "event":
                    print(f"{message['stream']} is {message['state']}: {message['message']}", file=sys.stderr)
                elif message["type"] == "error":
                    print(f"{message['code']}: {message['message']}", file=sys.stderr)
                elif message["type"] == "auth_required":
                    sys.exit("The server asks for a token: set LYNCEUS_TOKEN.")
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else 1006
            print(f"connection lost ({code})", file=sys.stderr)
            if code in FATAL_CLOSE_CODES:
                sys.exit(1)


def line(frame: dict) -> str:
    found = ", ".join(f"{d['label']} {d['score']:.2f} {[round(v) for v in d['bbox']]}" for d in frame["detections"])
    return f"{frame['stream']} #{frame['seq']} {frame['end_to_end_ms']:.1f} ms  {found or '-'}{guard_note(frame)}"


def guard_note(frame: dict) -> str:
    """What a guarded stream did about patches; nothing for other streams."""
    if "guard" not in frame:
        return ""
    patches = [p for p in frame.get("patches", []) if p["verdict"] == "adversarial"]
    recovered = sum(d.get("guard") == "recovered" for d in frame["detections"])
    if not patches and frame["guard"]["state"] == "guarded":
        return ""
    return f"  [{frame['guard']['state']}: {len(patches)} patches, {recovered} boxes recovered]"


try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
