"""A setting as it must be typed: through the shell, and through Hydra's grammar."""

import re
import shlex

# What neither the shell nor Hydra reads anything into.
_PLAIN = re.compile(r"[A-Za-z0-9_./:+@%-]+")
_SHELL = re.compile(r'["$`\\!]')


def override(key: str, value: object) -> str:
    """`key=value` for a command line: quoted where it must be, so that `value` arrives as it is."""
    text = str(value)
    if _PLAIN.fullmatch(text):
        return f"{key}={text}"
    # Within Hydra's quotes a backslash means itself, but before a quote.
    inner = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), text)
    whole = f"{key}='{inner}'"
    return shlex.quote(whole) if _SHELL.search(whole) else f'"{whole}"'
