"""The CUDA kernels: built once with nvcc, kept in the user's cache folder, called by ctypes."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import fields
from pathlib import Path

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from harmony.training.rasterizer.geometry import Surface, Triangles

SOURCE = Path(__file__).with_name("kernels.cu")
NVCC_FLAGS = ("-O3", "-fmad=false", "-shared", "-Xcompiler", "-fPIC")
SMALL_TRIANGLE_SAMPLES = 160
BLOCKS_PER_MULTIPROCESSOR = 12
TRIANGLE_ARRAYS = (
    "screen",
    "faces",
    "face_scene",
    "face_cutout",
    "uvs",
    "texels",
    "texture_table",
)
TRIANGLE_COUNTS = ("view_count", "vertex_count", "face_count", "sample_size")
SURFACE_ARRAYS = tuple(f.name for f in fields(Surface))


class TrianglePointers(ctypes.Structure):
    """`struct Triangles` of kernels.cu."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in TRIANGLE_ARRAYS),
        *((name, ctypes.c_int) for name in TRIANGLE_COUNTS),
    ]


class SurfacePointers(ctypes.Structure):
    """`struct Surface` of kernels.cu."""

    _fields_ = [(name, ctypes.c_void_p) for name in SURFACE_ARRAYS]


def cache_folder() -> Path:
    """Return the per-user folder of built kernels."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "harmony" / "kernels"


def build(architecture: str, folder: Path) -> Path:
    """Compile the kernels into `folder` unless they are there already; return the library.

    The file's name carries a hash of source, flags and architecture; it is built under a
    temporary name and moved into place, so that several processes may start at once.

    Args:
        architecture: nvcc's word, "sm_90" for Hopper.
        folder: Where the library is kept.

    Raises:
        ValueError: nvcc is missing or reports an error.
    """
    key = SOURCE.read_bytes() + " ".join((*NVCC_FLAGS, architecture)).encode()
    target = folder / f"renderer-{architecture}-{hashlib.sha256(key).hexdigest()[:16]}.so"
    if target.exists():
        return target
    nvcc = shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
    if nvcc is None:
        raise ValueError("The CUDA renderer needs nvcc; put the CUDA toolkit on the PATH.")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        built = Path(scratch) / target.name
        command = [nvcc, *NVCC_FLAGS, f"-arch={architecture}", str(SOURCE), "-o", str(built)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise ValueError(f"nvcc could not build the renderer: {result.stderr.strip()}")
        built.replace(target)
    return target


@functools.cache
def kernels(architecture: str) -> ctypes.CDLL:
    """Build if needed, load and declare the launchers."""
    library = ctypes.CDLL(str(build(architecture, cache_folder())))
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    library.launch_rasterize.argtypes = [
        ctypes.POINTER(TrianglePointers),
        *(pointer, pointer, pointer),
        *(integer, integer),
        pointer,
    ]
    library.launch_shade.argtypes = [
        ctypes.POINTER(TrianglePointers),
        ctypes.POINTER(SurfacePointers),
        *(pointer, pointer, integer, pointer),
    ]
    library.launch_rasterize.restype = library.launch_shade.restype = None
    return library


def _library(device: torch.device) -> ctypes.CDLL:
    major, minor = torch.cuda.get_device_capability(device)
    return kernels(f"sm_{major}{minor}")


def _pointer(tensor: Tensor, name: str) -> int:
    if not tensor.is_contiguous() or tensor.dtype not in (torch.float32, torch.int32, torch.uint8):
        raise ValueError(f"The renderer needs {name} contiguous, as float32, int32 or uint8.")
    return tensor.data_ptr()


def triangle_pointers(triangles: Triangles) -> TrianglePointers:
    """Return the C record of `triangles`; the tensors must outlive the kernel."""
    arrays = [_pointer(getattr(triangles, name), name) for name in TRIANGLE_ARRAYS]
    counts = (
        triangles.view_count,
        triangles.screen.shape[1],
        len(triangles.faces),
        triangles.sample_size,
    )
    return TrianglePointers(*arrays, *counts)


def _check(library: ctypes.CDLL) -> None:
    code = library.last_error()
    if code != 0:
        raise RuntimeError(f"A kernel of the renderer could not start: CUDA error {code}.")


def rasterize_cuda(triangles: Triangles) -> Int[Tensor, "P S S"]:
    """Rasterise as `harmony.training.rasterizer.rasterize` describes, on the current stream."""
    device, size = triangles.screen.device, triangles.sample_size
    with torch.cuda.device(device):
        library = _library(device)
        packed = torch.full(
            (triangles.picture_count, size, size), torch.iinfo(torch.int64).max, device=device
        )
        listed = triangles.view_count * len(triangles.faces)
        large = torch.empty(listed, dtype=torch.int32, device=device)
        large_count = torch.zeros(1, dtype=torch.int32, device=device)
        processors = torch.cuda.get_device_properties(device).multi_processor_count
        library.launch_rasterize(
            ctypes.byref(triangle_pointers(triangles)),
            packed.data_ptr(),
            large.data_ptr(),
            large_count.data_ptr(),
            SMALL_TRIANGLE_SAMPLES,
            processors * BLOCKS_PER_MULTIPROCESSOR,
            torch.cuda.current_stream(device).cuda_stream,
        )
        _check(library)
    return packed


def shade_cuda(
    triangles: Triangles,
    surface: Surface,
    packed: Int[Tensor, "P S S"],
    pictures: UInt8[Tensor, "P 4 H H"],
) -> None:
    """Shade into `pictures`, as `harmony.training.shading.shade` describes."""
    if not pictures.is_contiguous():
        raise ValueError("The renderer writes into contiguous pictures only.")
    device = triangles.screen.device
    arrays = [_pointer(getattr(surface, name), name) for name in SURFACE_ARRAYS]
    with torch.cuda.device(device):
        library = _library(device)
        library.launch_shade(
            ctypes.byref(triangle_pointers(triangles)),
            ctypes.byref(SurfacePointers(*arrays)),
            packed.data_ptr(),
            pictures.data_ptr(),
            triangles.picture_count,
            torch.cuda.current_stream(device).cuda_stream,
        )
        _check(library)
