"""Devices: the only module that asks what hardware there is."""

from __future__ import annotations

import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
NO_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")
"""Of MPS, the CPU's allocator on Linux and Windows, and CUDA's libraries."""


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called `name`; "auto" takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        ValueError: The name is unknown, or this machine or build has no such device.
    """
    if name not in DEVICES:
        raise ValueError(f"Device is {name!r}; it must be one of {', '.join(DEVICES)}.")
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(device for device, there in present.items() if there))
    if not present[name]:
        raise ValueError(
            f"There is no {name} device here (or PyTorch was built without it); "
            "use --device cpu or --device auto."
        )
    return torch.device(name)


def choose_dtype(device: torch.device) -> torch.dtype:
    """Return the number type for networks: 16 bits where the device computes in them, else 32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "cpu" and _cpu_computes_bfloat16():
        return torch.bfloat16
    return torch.float32


def describe_device(device: torch.device) -> str:
    """Return what people call the device: a GPU by its name, a processor with its threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    threads = torch.get_num_threads()
    return "CPU, 1 thread" if threads == 1 else f"CPU, {threads} threads"


def describe_precision(dtype: torch.dtype) -> str:
    """Return a number type's name: "float32", "bfloat16"."""
    return str(dtype).removeprefix("torch.")


def _cpu_computes_bfloat16() -> bool:
    """Whether the processor has bfloat16 products; without them bfloat16 is slower than float32."""
    # Older PyTorch cannot tell; float32 is right everywhere.
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def computes_int8() -> bool:
    """Whether the CPU has dot products of 8-bit integers (VNNI) and PyTorch the kernels for it.

    Without VNNI sums of two products may saturate, and little is gained.
    """
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    vnni = capabilities.get("avx512_vnni") or capabilities.get("avx_vnni")
    return bool(vnni) and torch.backends.mkldnn.is_available()


def set_threads(count: int) -> None:
    """Let PyTorch use `count` CPU threads (results may differ in the last bits by count).

    Raises:
        ValueError: `count` is not 1 or more.
    """
    if count < 1:
        raise ValueError(f"The number of threads is {count}; it must be 1 or more.")
    torch.set_num_threads(count)


def prefers_single_samples(device: torch.device) -> bool:
    """Whether samples should be computed one at a time to repeat bit for bit.

    The kernels of a CPU round differently for different batch sizes, and a CPU gains next to
    nothing from a larger batch; a GPU gains much.
    """
    return device.type == "cpu"


def is_out_of_memory(error: Exception) -> bool:
    """Whether the error says that memory ran out: each device says it in its own words."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in NO_MEMORY_WORDS)


def release_memory(device: torch.device) -> None:
    """Hand cached memory back to the device after an out-of-memory error."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
