"""Make the Python code of protos/, or say where it is stale.

protos.py           writes the code beside the .proto files
protos.py --check   makes it elsewhere and compares: what differs is named, and the exit status is 1
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).parents[1] / "protos"
GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py")


def generate(folder: Path, root: Path = ROOT) -> None:
    """Write the code of every .proto below the root into a folder, laid out alike."""
    sources = sorted(str(path.relative_to(root)) for path in root.rglob("*.proto"))
    flags = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
    if protoc.main(["protoc", f"--proto_path={root}", *flags, *sources]) != 0:
        sys.exit("protos: protoc found mistakes in protos/, see above")
    for path in folder.rglob("*_pb2_grpc.py"):
        if "Stub" not in path.read_text(encoding="utf-8"):  # the empty shell of a file without a service
            path.unlink()


def stale(made: Path, root: Path = ROOT) -> Iterator[str]:
    """Name each generated file that is missing, left over, or not what its .proto says."""
    for name in sorted(_generated(made) | _generated(root)):
        fresh, kept = made / name, root / name
        if not kept.is_file():
            yield f"{name} is missing"
        elif not fresh.is_file():
            yield f"{name} belongs to no .proto"
        elif fresh.read_bytes() != kept.read_bytes():
            yield f"{name} is not what its .proto says"


def _generated(root: Path) -> set[Path]:
    return {path.relative_to(root) for pattern in GENERATED for path in root.rglob(pattern)}


def main() -> int:
    """Generate, or check."""
    if "--check" not in sys.argv[1:]:
        generate(ROOT)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        found = list(stale(Path(folder)))
    for line in found:
        print(f"protos: {line}; run make protos")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
