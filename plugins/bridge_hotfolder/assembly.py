"""From what was told to a part with its pictures: ties images to views, and reads them.

Blocks; runs in a thread. What is wrong with one image costs that image alone: its view is handed in without
it, so that no goal can clear the part, and the reason goes to the quarantine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bridge.plugin import Inspection, View, count
from bridge_hotfolder.codec import Told, read_names, read_result
from bridge_hotfolder.completion import Candidate
from bridge_hotfolder.formats import ParseError, ends_with_footer
from bridge_hotfolder.listing import Listing
from bridge_hotfolder.names import ImageName, image_names, locate
from bridge_hotfolder.options import HotfolderOptions
from bridge_hotfolder.reading import ChangedError, Images, read_steady


@dataclass(frozen=True)
class Assembled:
    """One candidate, read and understood."""

    parts: tuple[Inspection, ...]
    """With references, still without images."""
    data: bytes
    """The result file; empty where names tell the verdict."""
    problems: tuple[str, ...]
    """What was wrong with single images."""


class Unfit(Exception):  # noqa: N818 - named after what it says of the file: unfit to be used, ever
    """A result that cannot be understood, with its bytes for the quarantine."""

    def __init__(self, reason: str, data: bytes = b"") -> None:
        super().__init__(reason)
        self.data = data


def assemble(candidate: Candidate, listing: Listing, options: HotfolderOptions, images: Images) -> Assembled:
    """Read and understand a candidate; its images are found, not yet read.

    Raises:
        ChangedError: if it is not whole yet after all: look again.
        Unfit: if it will never be understood.
        OSError: if it cannot be read.
    """
    if options.verdict_in == "name":
        return _from_names(candidate, options)
    data = read_whole(candidate, options)
    waits = options.complete in ("footer", "manifest") and not candidate.last_try
    try:
        told = read_result(data, candidate.path, options)
        assembled = tie(told, candidate.path, listing, options, data)
    except ParseError as exc:
        if waits:
            raise ChangedError(str(exc)) from exc
        raise Unfit(str(exc), data) from exc
    if options.complete == "manifest":
        _manifest(told, assembled, images, waits=waits)
    return assembled


def read_whole(candidate: Candidate, options: HotfolderOptions) -> bytes:
    """Return the bytes of a candidate's file, with its footer where it has one; raises as ``assemble``."""
    try:
        data, _ = read_steady(options.path / candidate.path, options.max_result_bytes, candidate.files[0][1])
    except ParseError as exc:
        raise Unfit(str(exc)) from exc
    if options.complete == "footer" and not ends_with_footer(data, options):
        if candidate.last_try:
            raise Unfit("the footer never came", data)
        raise ChangedError("the footer is not there yet")
    return data


def _from_names(candidate: Candidate, options: HotfolderOptions) -> Assembled:
    try:
        told = read_names([path for path, _ in candidate.files], options)
    except ParseError as exc:
        raise Unfit(str(exc)) from exc
    return Assembled((told.part,), b"", ())


def _manifest(told: Sequence[Told], assembled: Assembled, images: Images, *, waits: bool) -> None:
    """Hold a result back until as many images are there as it says, or as it names."""
    for each, part in zip(told, assembled.parts, strict=True):
        named = [view.reference for view in part.views if view.reference]
        there = sum(_is_there(reference, images) for reference in named)
        if there >= (len(named) if each.images is None else each.images):
            continue
        if waits:
            raise ChangedError(f"{there} images of {part.part} are there")
        count("handed_in_short")


def _is_there(reference: str, images: Images) -> bool:
    try:
        return images.read(reference)[1]
    except ParseError:
        return True  # it will not get better; the reason comes with the part


def tie(told: Sequence[Told], path: str, listing: Listing, options: HotfolderOptions, data: bytes) -> Assembled:
    """Give each view the place of its image below the hot folder.

    Raises:
        ParseError: if a serial number would lead out of the folder.
    """
    problems: list[str] = []
    parts = []
    for each in told:
        views = _named(each.part.views, path, options, problems)
        if not all(view.reference or not view.tied for view in views):
            alone = len(told) == 1 and options.complete != "appended"
            names = image_names(path, each.part.part, options, alone=alone)
            views = _beside(views, names, listing, options)
        parts.append(replace(each.part, views=views))
    return Assembled(tuple(parts), data, tuple(problems))


def _named(views: Sequence[View], path: str, options: HotfolderOptions, problems: list[str]) -> tuple[View, ...]:
    tied = []
    for view in views:
        try:
            reference = locate(view.reference, path, options) if view.reference else ""
            tied.append(replace(view, reference=reference))
        except ParseError as exc:
            problems.append(str(exc))
            tied.append(replace(view, reference="", tied=False))
    return tuple(tied)


def _beside(
    views: tuple[View, ...], names: Iterable[ImageName], listing: Listing, options: HotfolderOptions
) -> tuple[View, ...]:
    """Find the images of views that name none, by the names that images beside a result have."""
    places: dict[str, str] = {}
    for wanted in names:
        for view, image in listing.views(wanted):
            places.setdefault(view, image)
        if options.views or not places:
            places = {**wanted.expected, **places}
    if len(views) == 1:
        return _spread(views[0], places)
    return tuple(view if view.reference else replace(view, reference=places.get(view.name, "")) for view in views)


def _spread(told: View, places: dict[str, str]) -> tuple[View, ...]:
    """Turn the only row of a part into as many views as it has images."""
    if len(places) == 1:
        name, place = next(iter(places.items()))
        return (replace(told, name=told.name if name == "1" else name, reference=place),)
    # One verdict over several pictures says nothing of a single one.
    return tuple(View(name=name, reference=place) for name, place in sorted(places.items())) or (told,)


def read_images(part: Inspection, images: Images, problems: list[str]) -> Inspection:
    """Return the part with those images that are there and whole; the others keep their reference only."""
    return replace(part, views=tuple(_read(view, images, problems) for view in part.views))


def _read(view: View, images: Images, problems: list[str]) -> View:
    if not view.reference:
        return view
    try:
        data, whole = images.read(view.reference)
    except ParseError as exc:
        problems.append(str(exc))
        return replace(view, reference="", tied=False)
    return replace(view, image=data) if whole else view
