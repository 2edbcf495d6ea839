#!/usr/bin/python3
"""Send requests to the site from one of its own hosts until standard input ends; print what became of each as JSON.

usage: load.py SITE CA_FILE RATE

Every fifth is a POST whose key the site counts the executions of, every tenth a page that takes half a second in the database: at
any time one request is in flight that a restart could cut. Half of them go over connections that are kept open, as
browsers do. Standard library only: it is copied onto the host.
"""

import contextlib
import functools
import http.client
import json
import queue
import select
import ssl
import sys
import threading
import time
import urllib.parse
import uuid

SITE, CA_FILE, RATE = sys.argv[1], sys.argv[2], int(sys.argv[3])
LIMIT_SECONDS = 90  # longer than the proxy lets anybody wait
CONTEXT = ssl.create_default_context(cafile=CA_FILE)
NEW = functools.partial(http.client.HTTPSConnection, SITE, context=CONTEXT, timeout=LIMIT_SECONDS)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
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


def send(number: int, at: float) -> None:
    """Send one request and note what came back, and when it began: *at* seconds after the first."""
    key = str(uuid.uuid4()) if number % 5 == 4 else ""
    result: Result = {"at": at, "key": key, "status": 0, "fault": ""}
    began = time.monotonic()
    try:
        kept = number % 2 == 0
        one = connection(kept)
        if key:
            one.request("POST", "/standin/count", urllib.parse.urlencode({"key": key}), FORM)
        else:
            one.request("GET", "/standin/slow.html?seconds=0.5" if number % 10 == 1 else "/index/login.html")
        answer = one.getresponse()
        page = answer.read()
        result["status"] = answer.status
        if answer.status != 200:
            result["fault"] = page[-200:].decode(errors="replace")
        if kept and not answer.will_close:
            idle.put(one)
        else:
            one.close()
    except (OSError, http.client.HTTPException) as fault:
        result["fault"] = repr(fault)
    result["seconds"] = round(time.monotonic() - began, 3)
    results.append(result)


def main() -> None:
    """Send at the same rate whether answers come or not."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    threads: list[threading.Thread] = []
    began = time.monotonic()
    while not ended.is_set():
        at = round(time.monotonic() - began, 3)
        threads.append(threading.Thread(target=send, args=[len(threads), at]))
        threads[-1].start()
        time.sleep(max(0, began + len(threads) / RATE - time.monotonic()))
    for thread in threads:
        thread.join()
    print(json.dumps(results))


main()
