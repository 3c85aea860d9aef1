"""
Files that belong together become captures: a raw, its JSON, its XMP, and the JPEG that the camera wrote beside it.

Pure: it knows names, and never looks at the disk. Every file that goes in comes out exactly once, as a part of one
capture or as a leftover with a reason.

Files belong together when they lie in one folder and share a stem, blind to case: `DSC1.NEF`, `dsc1.json`, `DSC1.JPG`.
A sidecar may also carry the whole name of its picture, `DSC1.NEF.json`, which wins over the stem and is the only way to
tell `DSC1.NEF` from `DSC1.CR2`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from flexispd.capture.formats import Kind, kind_of, stem_of
from flexispd.capture.records import Capture


class Reason(Enum):
    """Why a file is not a part of any capture."""

    WAITING_FOR_JSON = "a PNG mosaic needs its metadata beside it"
    NO_PICTURE = "metadata of a picture that is not here"
    AMBIGUOUS = "fits more than one capture of this name"
    SPARE = "the capture has another file of this kind"
    FINISHED = "a finished picture, not a raw"
    BESIDE_RAW = "lies beside a raw of the same name; `flexispd render` takes it when it is named"
    OUTPUT = "written by flexispd"
    UNKNOWN = "not a kind of file that flexispd reads"


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file that was seen and not used, and why."""

    path: Path
    reason: Reason


@dataclass(frozen=True, slots=True)
class Pairing:
    """Every file of a listing, sorted into captures and leftovers; both in the order of their paths."""

    captures: tuple[Capture, ...]
    leftovers: tuple[Leftover, ...]


def pair(files: Iterable[Path], receipts: Set[Path] = frozenset()) -> Pairing:
    """Sort files into captures. `receipts` are those JSON files among them that flexispd wrote beside its outputs."""
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in sorted(set(files)):
        folders[path.parent].append(path)
    captures: list[Capture] = []
    leftovers: list[Leftover] = []
    for listed in folders.values():
        folder = _Folder(listed, receipts)
        captures += folder.captures
        leftovers += [Leftover(path, reason) for path, reason in folder.leftovers.items()]
    return Pairing(
        tuple(sorted(captures, key=lambda capture: capture.raw)), tuple(sorted(leftovers, key=lambda left: left.path))
    )


class _Folder:
    """The files of one folder, while they are being sorted."""

    def __init__(self, listed: Iterable[Path], receipts: Set[Path]) -> None:
        self.leftovers: dict[Path, Reason] = {}
        self._kinds: dict[Kind, list[Path]] = defaultdict(list)
        listed = list(listed)
        developed = {_key(stem_of(path)) for path in listed if path in receipts}
        for path in listed:
            kind = kind_of(path)
            picture = kind in (Kind.PNG, Kind.JPEG) or path.suffix.lower() in (".tif", ".tiff")
            if path in receipts or (picture and _key(stem_of(path)) in developed):
                self.leftovers[path] = Reason.OUTPUT
            else:
                self._kinds[kind].append(path)
        self.captures = self._captures()

    def _captures(self) -> list[Capture]:
        raws, pngs = self._kinds[Kind.RAW], self._kinds[Kind.PNG]
        json = self._assign(self._kinds[Kind.JSON], raws, pngs)
        mosaics = [png for png in pngs if png in json]
        xmp = self._assign(self._kinds[Kind.XMP], raws, mosaics)
        jpeg = self._assign(self._kinds[Kind.JPEG], raws, mosaics, otherwise=Reason.FINISHED)
        # The raw has the JSON of its stem; a PNG there is most likely its preview, but may be a mosaic.
        stems = {_key(stem_of(raw)): Reason.BESIDE_RAW if raw in json else Reason.FINISHED for raw in raws}
        for png in pngs:
            if png not in json:
                self.leftovers[png] = stems.get(_key(stem_of(png)), Reason.WAITING_FOR_JSON)
        self.leftovers.update(dict.fromkeys(self._kinds[Kind.OTHER], Reason.UNKNOWN))
        return [Capture(raw, json.get(raw), xmp.get(raw), jpeg.get(raw)) for raw in (*raws, *mosaics)]

    def _assign(
        self, sidecars: list[Path], raws: list[Path], pngs: list[Path], otherwise: Reason = Reason.NO_PICTURE
    ) -> Mapping[Path, Path]:
        """Picture -> its sidecar, for sidecars of one kind; those that find no picture become leftovers."""
        # In the order of strength: the whole name, then the stem, where a raw goes before a PNG of the same stem.
        indices = (
            _index((picture.name, picture) for picture in (*raws, *pngs)),
            _index((stem_of(raw), raw) for raw in raws),
            _index((stem_of(png), png) for png in pngs),
        )
        wanted: dict[Path, list[tuple[int, Path]]] = defaultdict(list)
        for sidecar in sidecars:
            strength, hosts = _hosts(stem_of(sidecar), indices)
            if len(hosts) == 1:
                wanted[hosts[0]].append((strength, sidecar))
            else:
                self.leftovers[sidecar] = Reason.AMBIGUOUS if hosts else otherwise
        assigned: dict[Path, Path] = {}
        for host, claims in wanted.items():
            (_, assigned[host]), *spare = sorted(claims)
            self.leftovers.update({sidecar: Reason.SPARE for _, sidecar in spare})
        return assigned


_Index = Mapping[str, list[tuple[str, Path]]]


def _index(named: Iterable[tuple[str, Path]]) -> _Index:
    index: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for name, picture in named:
        index[_key(name)].append((name, picture))
    return index


def _hosts(name: str, indices: Iterable[_Index]) -> tuple[int, list[Path]]:
    """Pictures that a sidecar of this name may belong to, and how strongly (0 is strongest)."""
    for strength, index in enumerate(indices):
        alike = index.get(_key(name), [])
        if alike:
            exact = [picture for spelled, picture in alike if spelled == name]
            return strength, exact or [picture for _, picture in alike]
    return 0, []


def _key(name: str) -> str:
    return name.casefold()
