"""`make clean`: a stack's data, and nothing else that may be in its folder."""

import shutil

from gateway_local.layout import Home
from gateway_local.postgres_install import remove_server_folder

_FOLDERS = ("bin", "rabbitmq", "journal", "certificates", "secrets", "logs")
_FILES = ("keys.json", "ports.json", "prices.json", "run.json", "start.json", "start.lock", "supervisor.lock")


def remove_data(home: Home) -> None:
    """The environments of the checkout stay: they are no data."""
    if not home.folder.exists():
        return
    remove_server_folder(home)
    for name in _FOLDERS:
        shutil.rmtree(home.folder / name, ignore_errors=True)
    for name in _FILES:
        (home.folder / name).unlink(missing_ok=True)
    if not any(home.folder.iterdir()):
        home.folder.rmdir()
