"""What a model's name may look like where an operator writes one. Pure."""

import re

MODEL = re.compile(r"[A-Za-z0-9._:/@-]{1,128}")
MODEL_WORDS = "a model's name: 1 to 128 characters out of A-Z, a-z, 0-9, '.', '_', ':', '/', '@' and '-'"
