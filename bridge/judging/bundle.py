"""A model bundle: a folder with ``manifest.json`` and the files it names, each held to its SHA-256.

A bundle is written once, atomically, and never changed; the manifest's own hash therefore names everything
in it. Names of files are flat, so a manifest cannot point outside its folder. Nothing here imports numpy:
the gateway, training and the worker all read bundles.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from bridge.durable import keep_names
from bridge.errors import ConfigError
from bridge.judging.spec import Comparison, Detection, HeatMapOutput, Input, Normalisation, Registration
from bridge.messages import Box, Goal, Verdict
from bridge.plugin import BoxOptions, Name

MANIFEST: Final = "manifest.json"
MODEL: Final = "model.xml"
"""The OpenVINO IR; its weights lie beside it as ``model.bin``."""
ANY_VIEW: Final = "*"
"""The key of ``Manifest.roi`` and ``Manifest.registration`` for views that are not named."""

_MANIFEST_BYTES = 1 << 20  # a manifest is a few kilobytes; more is no manifest

FileName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
Sha256: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Precision(StrEnum):
    """How numbers are held while the model runs; part of a bundle, because it moves the scores."""

    F32 = "f32"
    BF16 = "bf16"
    INT8 = "int8"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ModelClass(_Frozen):
    """One output of the model."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    """the class as people call it"""
    verdict: Verdict
    """OK or NG, in words"""


class Golden(_Frozen):
    """A picture in the bundle of which the truth is known."""

    file: FileName
    """its name in the bundle; hashed like every other file"""
    verdict: Verdict
    """OK or NG, in words; a bundle that lets one of its own NG pass is refused"""
    view: str = ""
    """the view it shows, which says where to look; empty: as views that are not named"""


class OperatingPoint(_Frozen):
    """What the threshold promises, and on what evidence: counted on parts that the model had never seen.

    An error is, at goals 1 and 3, a bad part that passes; at goal 2 a good part that is called NG.
    """

    goal: Goal
    """1, 2 or 3: whose risk was bounded"""
    risk: Annotated[float, Field(gt=0, lt=1)]
    """the share of errors that is allowed"""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """how sure the bound is, one-sided"""
    bound: Annotated[float, Field(ge=0, le=1)]
    """the share of errors that is not exceeded, at this confidence"""
    holds: bool
    """whether the bound is within the allowed risk; if not, the threshold is a guess"""
    good: Annotated[int, Field(ge=0)]
    """how many good parts it was counted on"""
    bad: Annotated[int, Field(ge=0)]
    """how many bad parts it was counted on"""
    errors: Annotated[int, Field(ge=0)]
    """how many of them were errors"""
    missing: Annotated[int | None, Field(ge=0)] = 0
    """how many more labelled parts it would take where it does not hold, if errors go on at the rate seen; null
    where no number would do, 0 where it holds"""
    steps: Annotated[int, Field(ge=0)] = 0
    """how many thresholds were tested, from the strictest on"""
    strictest: Annotated[float | None, Field(gt=0, le=1)] = None
    """the threshold that the tests began with"""


class Manifest(_Frozen):
    """``manifest.json``: all that is known of a model and all that is needed to run it."""

    format: Literal[1] = 1
    """1"""
    name: Name
    """the model's name, as in ``judge.NAME.model``"""
    version: Annotated[int, Field(ge=1, le=65535)]
    """a number from 1, one more at each training; a PLC is told it in one register"""
    kind: Literal["classifier", "anomaly", "detector", "template"] = "classifier"
    """classifier, anomaly (learnt from good parts alone), detector or template: which type of judge runs it"""
    classes: Annotated[tuple[ModelClass, ...], Field(min_length=2, max_length=1000)]
    """the classes in the order of the model's output, each called OK or NG; a detector and a template have one
    more, the last, for views in which nothing was found"""
    threshold: Annotated[float, Field(gt=0, le=1)]
    """a number above 0 and up to 1: a view is OK if p(OK) is at least this"""
    input: Input
    """size and colour of the model's input"""
    normalisation: Normalisation = Normalisation()
    """how pixels become numbers"""
    roi: dict[str, BoxOptions] = {}
    """where to look, by view name, in original pixels; ``*`` for the others; empty: all of the picture"""
    registration: dict[str, Registration] = {}
    """how loose parts are found before the ROI is cut, by view; ``*`` for the others; empty: they lie still"""
    precision: Precision = Precision.F32
    """f32, bf16 or int8: the precision under which the threshold was validated"""
    output: Literal["probabilities", "logits", "anomaly"] = "probabilities"
    """probabilities, logits to be put through a softmax, or one number that is higher the stranger a picture is"""
    limit: Annotated[float | None, Field(allow_inf_nan=False)] = None
    """the anomaly a that is as likely OK as NG: p(OK) = 1 / (1 + exp((a - limit) / temperature)); only with output
    = anomaly"""
    temperature: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] = 1.0
    """the logits are divided by this before the softmax, so that p(OK) is as often right as it says; never baked
    into the model"""
    score: Annotated[str, Field(max_length=500)] = ""
    """what the score means, in a sentence"""
    heat_map: HeatMapOutput | None = None
    """the output that shows where the model looked, and how it becomes boxes; null where it has none"""
    detection: Detection | None = None
    """how the boxes of a detector are read, and which count; null for all others"""
    comparison: Comparison | None = None
    """what counts as a difference from a template, onto which every view is registered; null for all others"""
    operating_point: OperatingPoint | None = None
    """what the threshold promises; null where nothing was shown"""
    files: dict[FileName, Sha256] = {}
    """every other file of the bundle and its SHA-256"""
    golden: Annotated[tuple[Golden, ...], Field(max_length=64)] = ()
    """pictures of known truth that the bundle must get right before it may judge; at most 64"""
    parent: str = ""
    """the identity of the bundle that this one was trained from; empty for none"""
    training_data: str = ""
    """a hash over the training data"""
    recipe: dict[str, JsonValue] = {}
    """all that it takes to train it again: data, split, network, weights, augmentation, phases, seed, by name"""
    metrics: dict[str, float | int | str] = {}
    """what was measured at training, by name"""
    made_at: str = ""
    """when it was made, ISO 8601 in UTC"""
    tools: dict[str, str] = {}
    """versions of the tools that made it, by name"""

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        names = [one.name for one in self.classes]
        if len(set(names)) != len(names):
            raise ValueError("two classes have the same name")
        if {one.verdict for one in self.classes} != {Verdict.OK, Verdict.NG}:
            raise ValueError("there must be a class called OK and a class called NG")
        for what in ("mean", "std"):
            if len(getattr(self.normalisation, what)) not in {1, self.input.channels}:
                raise ValueError(f"normalisation.{what} needs 1 or {self.input.channels} numbers")
        if self.temperature != 1.0 and self.output == "probabilities":
            raise ValueError("temperature needs output = logits or anomaly")
        self._hold_kind()
        anchors = (one.anchor for one in self.registration.values() if one.anchor)
        if not all(one.w > 0 and one.h > 0 for one in anchors):
            raise ValueError("registration: an anchor needs a width and a height above 0")
        return self

    def _hold_kind(self) -> None:
        for kind, part in (("detector", self.detection), ("template", self.comparison)):
            if (self.kind == kind) != (part is not None):
                what = "detection" if kind == "detector" else "comparison"
                raise ValueError(f"kind = {kind} needs {what}, and no other kind has it")
            if part and (self.output, self.classes[-1].verdict) != ("probabilities", Verdict.OK):
                raise ValueError(f"a {kind} needs output = probabilities and a last class called OK, of no box")
        if self.comparison and ANY_VIEW not in self.registration:
            raise ValueError("a template needs a registration for every view, *")
        if len({self.kind == "anomaly", self.output == "anomaly", self.limit is not None}) > 1:
            raise ValueError("kind = anomaly, output = anomaly and a limit belong together")
        if self.kind == "anomaly" and (len(self.classes), self.ok_outputs) != (2, (0,)):
            raise ValueError("kind = anomaly has two classes, the first of them OK")

    def region(self, view: str) -> Box | None:
        """Return where to look in this view, in pixels of the original picture; None: everywhere."""
        box = self.roi.get(view, self.roi.get(ANY_VIEW))
        return box.box() if box else None

    def registered(self, view: str) -> Registration | None:
        """Return how a loose part is found in this view; None: it lies still."""
        return self.registration.get(view, self.registration.get(ANY_VIEW))

    @property
    def references(self) -> tuple[str, ...]:
        """The views that are registered, each onto a golden picture with a region of interest of its own."""
        if not self.registration:
            return ()
        keys = dict.fromkeys((*self.registration, *self.roi))
        return tuple(key for key in keys if self.registered(key))

    def reference(self, view: str) -> int | None:
        """Return the place in ``references`` of what a view is registered onto; None: it lies still."""
        keys = self.references
        return next((keys.index(key) for key in (view, ANY_VIEW) if key in keys), None)

    @property
    def ok_outputs(self) -> tuple[int, ...]:
        """The outputs whose probabilities add up to p(OK)."""
        return tuple(i for i, one in enumerate(self.classes) if one.verdict is Verdict.OK)


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read and whose every file matched its hash."""

    folder: Path
    manifest: Manifest
    identity: str
    """``name version hash`` with 12 digits of the manifest's SHA-256: what a decision is recorded with."""

    @property
    def model(self) -> Path:
        """The OpenVINO IR."""
        return self.folder / MODEL


def locate(models: Path, model: str) -> Path:
    """Return the folder that ``model`` means: a folder with a manifest, or ``models/<model>/live``.

    A link ``live`` is followed here, once: what it points to later does not change what runs now.

    Raises:
        ConfigError: there is no such bundle.
    """
    for folder in (Path(model), models / model / "live"):
        if (folder / MANIFEST).is_file():
            return folder.resolve()
    raise ConfigError(
        f"model {model!r}",
        f"neither {model} nor {models / model / 'live'} holds a {MANIFEST}",
        "write a bundle's folder, or a name under the models folder",
    )


def load(folder: Path) -> Bundle:
    """Read a bundle and hold every file to its hash; blocks on the disk.

    Raises:
        ConfigError: the manifest is wrong, a file is missing, unknown, no plain file, or not what was hashed.
    """
    found = peek(folder)
    _verify(folder, found.manifest)
    return found


def peek(folder: Path) -> Bundle:
    """Read a bundle's manifest and hold no file to its hash: enough to say what it is, not to run it.

    Raises:
        ConfigError: the manifest is wrong or cannot be read.
    """
    raw = _read_manifest(folder)
    try:
        manifest = Manifest.model_validate_json(raw)
    except ValidationError as exc:
        first = exc.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{folder / MANIFEST}: {key}".rstrip(": "), first["msg"]) from exc
    return _bundle(folder, manifest, raw)


def write(folder: Path, manifest: Manifest, files: Mapping[str, bytes | Path]) -> Bundle:
    """Write a bundle whole or not at all, hashing every file; ``manifest.files`` is filled in here.

    Args:
        folder: where it will lie; it must not exist yet, because a bundle is never changed.
        manifest: everything but ``files``.
        files: name in the bundle → content, or a path to copy from; ``model.xml`` must be among them, unless it
            is a template's.

    Raises:
        ConfigError: the folder exists, a name is no plain file name, or the disk refuses.
    """
    if folder.exists():
        raise ConfigError(str(folder), "exists already", "write a new version")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as exc:
        raise _not_written(folder, exc) from exc
    try:
        for name, content in files.items():
            _put(draft / Path(name).name, content)
        hashes = {name: _sha256(draft / Path(name).name) for name in files}
        complete = Manifest.model_validate(manifest.model_dump() | {"files": hashes})
        raw = complete.model_dump_json(indent=2).encode() + b"\n"
        _put(draft / MANIFEST, raw)
        _verify(draft, complete)
        draft.chmod(0o755)  # mkdtemp makes it private; the gateway may run as another user
        draft.rename(folder)
    except ValidationError as exc:
        raise ConfigError(str(folder), exc.errors()[0]["msg"]) from exc
    except OSError as exc:
        raise _not_written(folder, exc) from exc
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return _bundle(folder, complete, raw)


def _not_written(folder: Path, error: OSError) -> ConfigError:
    if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
        return ConfigError(str(folder), "was written by another command meanwhile", "write the command again")
    return ConfigError(
        str(folder), f"cannot be written ({error.strerror})", "make room there, or write another place"
    )


def make_live(folder: Path) -> None:
    """Point the link ``live`` beside ``folder`` at it, in one step and for good: readers see either."""
    draft = folder.parent / f".live.{os.getpid()}"
    draft.unlink(missing_ok=True)
    draft.symlink_to(folder.name, target_is_directory=True)
    draft.replace(folder.parent / "live")
    keep_names(folder.parent)


def _bundle(folder: Path, manifest: Manifest, raw: bytes) -> Bundle:
    short = hashlib.sha256(raw).hexdigest()[:12]
    return Bundle(folder, manifest, f"{manifest.name} {manifest.version} {short}")


def _read_manifest(folder: Path) -> bytes:
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            raw = file.read(_MANIFEST_BYTES + 1)
    except OSError as exc:
        raise ConfigError(str(path), f"cannot be read ({exc.strerror})") from exc
    if len(raw) > _MANIFEST_BYTES:
        raise ConfigError(str(path), "is larger than 1 MB and therefore no manifest")
    return raw


def _verify(folder: Path, manifest: Manifest) -> None:
    """Hold the folder to the manifest: the same names, plain files, the same bytes."""
    found = {path.name for path in folder.iterdir()} - {MANIFEST}
    if MODEL not in manifest.files and manifest.kind != "template":
        raise ConfigError(str(folder / MANIFEST), f"names no {MODEL}")
    for one in manifest.golden:
        if one.file not in manifest.files:
            raise ConfigError(str(folder / MANIFEST), f"names no file {one.file}, which is golden")
    for view, how in manifest.registration.items():
        if how.golden not in manifest.files:
            raise ConfigError(
                str(folder / MANIFEST), f"names no file {how.golden}, onto which {view!r} is registered"
            )
    for name in sorted(found - set(manifest.files)):
        raise ConfigError(str(folder / name), "is not named in the manifest", "remove it")
    for name, expected in manifest.files.items():
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise ConfigError(str(path), "is named in the manifest but is no file here")
        if _sha256(path) != expected:
            raise ConfigError(str(path), "is not the file that was validated: its SHA-256 differs")


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise ConfigError(str(path), f"cannot be read ({exc.strerror})") from exc


def _put(path: Path, content: bytes | Path) -> None:
    """Write a file and bring it to the disk before the folder gets its name."""
    with path.open("xb") as target:
        if isinstance(content, Path):
            with content.open("rb") as source:
                shutil.copyfileobj(source, target)
        else:
            target.write(content)
        target.flush()
        os.fsync(target.fileno())
