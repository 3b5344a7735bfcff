"""What a model's name may look like where an operator writes one, and by which names its list price is found. Pure."""

import re

MODEL = re.compile(r"[A-Za-z0-9._:/@-]{1,128}")
MODEL_WORDS = "a model's name: 1 to 128 characters out of A-Z, a-z, 0-9, '.', '_', ':', '/', '@' and '-'"
_DATED = re.compile(r"[-@](?:20\d\d-[01]\d-[0-3]\d|20\d\d[01]\d[0-3]\d)$")


def list_names(model: str) -> tuple[str, str]:
    """In full, then without its date: providers keep a price across the dated snapshots of a model, as billing does."""
    name = model.lower()
    return name, _DATED.sub("", name)
