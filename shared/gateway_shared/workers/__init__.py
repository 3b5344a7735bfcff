"""One supervisor and its workers: a service's processes.

    sys.exit(supervise(Service(...)))

The supervisor is the process that is started and stopped: it forks workers, starts again those that die, hands them
connections, and alone serves the operations port. Workers die with it (see supervisor.py and worker.py).
"""

from gateway_shared.workers.supervisor import Service, supervise
from gateway_shared.workers.worker import Worker

__all__ = ["Service", "Worker", "supervise"]
