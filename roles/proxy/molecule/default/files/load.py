#!/usr/bin/python3
"""Send 20 requests a second to the site, every fifth a POST, while a command runs; say what became of them.

usage: load.py CA_FILE COMMAND...

Half of them go over connections that are kept open, as browsers do. Prints JSON: how many were sent, those that failed and
why, the POSTs that ran not exactly once, the longest wait, the command's exit code and words.
"""

import collections
import contextlib
import functools
import http.client
import json
import queue
import select
import ssl
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

RATE = 20
CONTEXT = ssl.create_default_context(cafile=sys.argv[1])
NEW = functools.partial(http.client.HTTPSConnection, "site.example.org", context=CONTEXT, timeout=60)
COMMAND = sys.argv[2:]
Result = dict[str, object]
idle: queue.LifoQueue[http.client.HTTPSConnection] = queue.LifoQueue()
results: list[Result] = []


def connection(kept: bool) -> http.client.HTTPSConnection:
    """Return an open connection, if one is *kept*, or a new one. One that was closed meanwhile is dropped, as browsers do."""
    with contextlib.suppress(queue.Empty):
        while kept:
            one = idle.get(block=False)
            if one.sock and not select.select([one.sock], [], [], 0)[0]:
                return one
            one.close()
    return NEW()


def send(number: int) -> None:
    """Send one request and note what came back."""
    method = "POST" if number % 5 == 4 else "GET"
    body = str(uuid.uuid4()) if method == "POST" else None
    began = time.monotonic()
    result: Result = {"number": number, "body": body}
    try:
        kept = number % 2 == 0
        one = connection(kept)
        one.request(method, "/count" if body else "/page", body)
        answer = one.getresponse()
        text = answer.read()
        result |= {"status": answer.status, "whole": text == b"a page\n"}
        if kept and not answer.will_close:
            idle.put(one)
        else:
            one.close()
    except (OSError, http.client.HTTPException) as fault:
        result |= {"status": 0, "fault": repr(fault)}
    results.append(result | {"seconds": round(time.monotonic() - began, 2)})


def run() -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(COMMAND, check=False, capture_output=True, text=True)


def main() -> None:
    """Send until a second after the command has ended."""
    done: list[subprocess.CompletedProcess[str]] = []
    command = threading.Thread(target=lambda: done.append(run()))
    threads: list[threading.Thread] = []
    began, end = time.monotonic(), float("inf")
    while time.monotonic() < end:
        threads.append(threading.Thread(target=send, args=[len(threads)]))
        threads[-1].start()
        if len(threads) == RATE:
            command.start()
        if done and end == float("inf"):
            end = time.monotonic() + 1
        time.sleep(max(0, began + len(threads) / RATE - time.monotonic()))
    for thread in threads:
        thread.join()
    print(json.dumps(summary() | {"command": [done[0].returncode, done[0].stdout + done[0].stderr]}))


def summary() -> Result:
    """Return what became of the requests."""
    posts = [str(one["body"]) for one in results if one["body"]]
    ran = collections.Counter(Path("/var/lib/application/posts").read_text(encoding="ascii").split())
    return {
        "sent": len(results),
        "posts": len(posts),
        "failed": [one for one in results if one["status"] != 200 or not one["whole"]],
        "not_once": {body: ran[body] for body in posts if ran[body] != 1},
        "longest": max(float(str(one["seconds"])) for one in results),
    }


main()
