#!/venv/bin/python
"""The container's health check: status 0 when the service answers `/ready` with 200 on its operations port.

What a service that is not ready answers, with the dependency it misses, is shown by `docker inspect`.
"""

import os
import sys
import urllib.error
import urllib.request

_PORTS = {"edge": "9080", "router": "9081", "billing": "9082"}
_TIMEOUT_S = 4.0


def main() -> int:
    service = os.environ["SERVICE"]
    port = os.environ.get(f"{service.upper()}_OPS_PORT") or _PORTS[service]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=_TIMEOUT_S):
            return 0
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode(errors="replace"))
    except OSError as error:
        print(error)
    return 1


if __name__ == "__main__":
    sys.exit(main())
