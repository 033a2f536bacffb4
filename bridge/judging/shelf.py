"""The versions of a model: one folder each under ``models/NAME``, the link ``live``, and what was live before.

The link is moved in one step, so readers find the old version or the new one. ``history`` has the versions that
were live, one a line, the newest last. It is only a memory: what is live is what the link says, and a version to
which the link was moved without us, or just before we were killed, counts as the newest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bridge.durable import replace_text
from bridge.errors import ConfigError
from bridge.judging import bundle
from bridge.judging.bundle import MANIFEST, Bundle

HISTORY = "history"
LIVE = "live"
CANDIDATE = "candidate"
"""Names the newest version that is not live, on a command line only."""


@dataclass(frozen=True, slots=True)
class Version:
    """One bundle on the shelf."""

    name: str
    folder: Path
    bundle: Bundle | None
    live: bool
    trouble: str = ""
    """Why its manifest cannot be read."""


def versions(models: Path) -> list[Version]:
    """Return every version of every model, by name and number."""
    return [one for name in sorted(_folders(models), key=str) for one in _of(name)]


def folder_of(models: Path, name: str, version: int) -> Path:
    """Return the folder of a version.

    Raises:
        ConfigError: there is none, or several folders say they are it.
    """
    known = [(one.bundle.manifest.version, one.folder) for one in _of(_shelf(models, name)) if one.bundle]
    found = [folder for number, folder in known if number == version]
    if not found:
        have = ", ".join(str(number) for number, _ in known)
        advice = f"write one of the versions {have}" if have else "train one with aoi-bridge train"
        raise ConfigError(f"{name} {version}", f"is not under {models / name}", advice)
    if len(found) > 1:
        folders = " and ".join(folder.name for folder in found)
        raise ConfigError(
            f"{name} {version}", f"is what the folders {folders} say they are", "take all but one away"
        )
    return found[0]


def located(text: str) -> Path:
    """Return the folder of the bundle that somebody writes on a command line, whatever ``live`` points to later.

    Args:
        text: a bundle's folder, or a model's folder with ``@`` and a version, ``live`` or ``candidate``, which is
            the newest version that is not live; without, live is meant.

    Raises:
        ConfigError: there is no such bundle.
    """
    place, _, which = text.rpartition("@") if "@" in text and not Path(text).exists() else (text, "", "")
    folder = Path(place)
    if not which and (folder / MANIFEST).is_file():
        return folder.resolve()
    if which in {"", LIVE}:
        if (folder / LIVE / MANIFEST).is_file():
            return (folder / LIVE).resolve()
        advice = "write a bundle's folder, or a model's, which may end in @live or @VERSION"
        raise ConfigError(f"bundle {text!r}", f"neither {folder} nor {folder / LIVE} holds a {MANIFEST}", advice)
    if which == CANDIDATE:
        return _candidate(folder).resolve()
    if not which.isdecimal():
        advice = "write @live, @candidate or a number, as @2"
        raise ConfigError(f"bundle {text!r}", f"{which} is no version", advice)
    return folder_of(folder.parent, folder.name, int(which)).resolve()


def _candidate(model: Path) -> Path:
    """Return the folder of the newest version that is not live."""
    live = _live(_shelf(model.parent, model.name))
    waiting = [one for one in _of(model) if one.bundle and one.folder.name != live]
    if not waiting:
        raise ConfigError(
            f"model {model.name!r}", "has no version beside the live one", "train one, or write @live"
        )
    return max(waiting, key=lambda one: one.bundle.manifest.version if one.bundle else 0).folder


def next_version(model: Path) -> int:
    """Return the number that the next version in a model's folder gets: one more than the highest, from 1."""
    if not model.is_dir():
        return 1
    return 1 + max((int(path.name) for path in model.iterdir() if path.name.isdecimal()), default=0)


def before(models: Path, name: str) -> Path:
    """Return the folder of the version that was live before the one that is.

    Raises:
        ConfigError: none was, or there is no such model.
    """
    shelf = _shelf(models, name)
    for folder in reversed(_lived(shelf)[:-1]):
        if folder != _live(shelf) and (shelf / folder / MANIFEST).is_file():
            return shelf / folder
    raise ConfigError(f"model {name!r}", "has no version that was live before", "write a version to promote")


def put_live(folder: Path, *, back: bool = False) -> None:
    """Make a version live; going back forgets those that came after it.

    Raises:
        ConfigError: the folder cannot be written, and what was live is.
    """
    shelf = folder.parent
    try:
        lived = _lived(shelf)
        _remember(shelf, lived)
        bundle.make_live(folder)
    except OSError as exc:
        raise ConfigError(str(shelf), f"cannot be written ({exc.strerror})", "let this user write there") from exc
    while back and folder.name in lived[:-1]:
        lived.pop()
    with suppress(OSError):  # the link has moved, and says enough
        _remember(shelf, lived if lived[-1:] == [folder.name] else [*lived, folder.name])


def _shelf(models: Path, name: str) -> Path:
    """Return the folder of a model, by its very name: a path to it would slip past the judges that name it."""
    known = {path.name: path for path in _folders(models)}
    if name not in known:
        have = ", ".join(sorted(known))
        advice = f"write one of {have}" if have else "train one with aoi-bridge train"
        raise ConfigError(f"model {name!r}", f"is not under {models}", advice)
    return known[name]


def _folders(models: Path) -> Iterator[Path]:
    if models.is_dir():
        yield from (path for path in models.iterdir() if path.is_dir() and not path.name.startswith("."))


def _of(shelf: Path) -> list[Version]:
    now = _live(shelf)
    found = [
        _version(shelf, path, now) for path in _folders(shelf) if (path / MANIFEST).exists() and not _link(path)
    ]
    return sorted(found, key=lambda one: (one.bundle.manifest.version if one.bundle else 0, one.folder.name))


def _link(path: Path) -> bool:
    return path.name == LIVE and path.is_symlink()


def _version(shelf: Path, folder: Path, now: str) -> Version:
    try:
        return Version(shelf.name, folder, bundle.peek(folder), live=folder.name == now)
    except ConfigError as exc:
        return Version(shelf.name, folder, None, live=folder.name == now, trouble=str(exc))


def _live(shelf: Path) -> str:
    """Return the name of the folder that is live, empty for none."""
    link = shelf / LIVE
    if not (link / MANIFEST).is_file():
        return ""
    return link.resolve().name


def _lived(shelf: Path) -> list[str]:
    """Return the folders that were live, the one that is now at the end."""
    now = _live(shelf)
    try:
        past = (shelf / HISTORY).read_text(encoding="utf-8").splitlines()
    except OSError:
        past = []
    return past if not now or past[-1:] == [now] else [*past, now]


def _remember(shelf: Path, lived: list[str]) -> None:
    replace_text(shelf / HISTORY, "".join(f"{folder}\n" for folder in lived))
