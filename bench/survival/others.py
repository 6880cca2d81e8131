"""Another client: one request over and over, each timed, until stdin ends. A process of its own.

python -m bench.survival.others PORT PATH < BODY

What is measured beside an attack must not wait for the interpreter that the attack runs in.
"""

import http.client
import json
import sys
import threading
import time

_PATIENCE_S = 30.0
_PAUSE_S = 0.02


def main(port: int, path: str) -> None:
    """Print the seconds of each request, and what was told instead of answers, in the end."""
    body = sys.stdin.readline().encode()
    seconds: list[float] = []
    failed: set[str] = set()
    is_over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), is_over.set()), daemon=True).start()
    print("begun", flush=True)
    while not is_over.wait(_PAUSE_S):
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                failed.add(f"{answer.status} {text[:80].decode(errors='replace')}")
        except (OSError, http.client.HTTPException) as error:
            failed.add(type(error).__name__)
        finally:
            connection.close()
        seconds.append(time.monotonic() - began)
    print(json.dumps({"seconds": seconds, "failed": sorted(failed)}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
