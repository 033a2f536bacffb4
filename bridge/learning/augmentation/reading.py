"""Policies from the command line: a name, or a TOML file of one's own; and a policy written out to start from."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bridge.config.words import sentences
from bridge.errors import ConfigError
from bridge.learning.augmentation.named import MEANING, NAMED
from bridge.learning.augmentation.policy import Policy
from bridge.plugin.sample import table


def policy(text: str) -> Policy:
    """Return the policy that ``--augment`` means.

    Args:
        text: a name, or a TOML file that holds the policy's keys, alone or in a table ``[augment]``. There
            ``based_on`` may name the policy that gives what is left out; without it, that is nothing.

    Raises:
        ConfigError: there is no such name or file, or the file has mistakes: one line names the first.
    """
    if text in NAMED:
        return NAMED[text]
    path = Path(text)
    if path.suffix.lower() == ".toml" or path.is_file():
        return _of_file(path)
    raise ConfigError(f"--augment {text}", "is no policy", _meant(text, " or the name of a TOML file"))


def of_table(document: Mapping[str, Any], place: str) -> Policy:
    """Return the policy of a table that has been read already.

    Args:
        document: keys and values, as TOML gives them.
        place: what an error begins with.

    Raises:
        ConfigError: a key is unknown or a value out of bounds; the first is named.
    """
    given = {key: value for key, value in document.items() if key != "based_on"}
    base = document.get("based_on", "none")
    if base not in NAMED:
        raise ConfigError(f"{place}: based_on", f"{base!r} is no policy", _meant(str(base)))
    try:
        return Policy.model_validate(NAMED[base].model_dump() | given)
    except ValidationError as exc:
        said = sentences(exc.errors(include_url=False), Policy, given)[0]
        where, _, rest = said.partition(": ")
        raise ConfigError(f"{place}: {where}", rest) from exc


def printed(name: str, chosen: Policy) -> str:
    """Return a policy as a TOML file to start from: each key with what may stand there, and what does."""
    head = f"# The policy {name}: {MEANING[name]}.\n" if name in MEANING else ""
    use = "# Change what you like and use it with --augment FILE.toml; what is left out is 0 and does nothing.\n"
    return head + use + "\n" + table(Policy, chosen.model_dump())


def _of_file(path: Path) -> Policy:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as exc:
        advice = "write one with aoi-bridge data augment --print aoi"
        raise ConfigError(f"--augment {path}", "there is no such file", advice) from exc
    except OSError as exc:
        raise ConfigError(str(path), f"cannot be read ({exc.strerror})") from exc
    except ValueError as exc:
        raise ConfigError(str(path), f"is not TOML: {' '.join(str(exc).split())}", "correct this place") from exc
    inside = document.get("augment") if set(document) == {"augment"} else document
    if not isinstance(inside, dict):
        raise ConfigError(f"{path}: augment", "is not a table", "write [augment] and keys below it")
    return of_table(inside, str(path))


def _meant(text: str, otherwise: str = "") -> str:
    close = get_close_matches(text, NAMED, n=1)
    return f"did you mean {close[0]}?" if close else f"write one of {', '.join(NAMED)}{otherwise}"
