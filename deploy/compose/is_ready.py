#!/venv/bin/python
"""The containers' health check: status 0 when the service in this container answers 200.

What a service that is not ready answers, the dependency it misses with it, is kept by `docker inspect`.
"""

import os
import sys
import urllib.error
import urllib.request

_READINESS = {  # the setting that moves the port, its default, the path
    "edge": ("EDGE_OPS_PORT", "9080", "/ready"),
    "router": ("ROUTER_OPS_PORT", "9081", "/ready"),
    "billing": ("BILLING_OPS_PORT", "9082", "/ready"),
    "simulator": ("SIMULATOR_PORT", "19001", "/health"),
}
_TIMEOUT_S = 4.0


def main() -> int:
    setting, default, path = _READINESS[os.environ["SERVICE"]]
    url = f"http://127.0.0.1:{os.environ.get(setting) or default}{path}"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S):
            return 0
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode(errors="replace"))
    except OSError as error:
        print(error)
    return 1


if __name__ == "__main__":
    sys.exit(main())
