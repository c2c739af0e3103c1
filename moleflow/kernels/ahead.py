"""Kernels compiled side by side, before the first of them is needed."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch


class Compiler:
    """Stands in for the kernels: where one would be launched, its compilation is asked for."""

    def __init__(self, kernels: Any):
        self._kernels = kernels
        self._asked: list[Any] = []

    def __getattr__(self, name: str) -> "_Asks":
        return _Asks(getattr(self._kernels, name), self._asked)

    def compiled(self) -> list[Any]:
        """All that were asked for; they must be ready."""
        from triton import FutureKernel

        kernels = [k.result() if isinstance(k, FutureKernel) else k for k in self._asked]
        return list({id(kernel): kernel for kernel in kernels}.values())


class _Asks:
    """A kernel, as far as it is launched: `kernel[grid](arguments)`."""

    def __init__(self, kernel: Any, asked: list[Any]):
        self._kernel = kernel
        self._asked = asked

    def __getitem__(self, grid: tuple[int, ...]) -> partial[None]:
        return partial(self._compile, grid)

    def _compile(self, grid: tuple[int, ...], *arguments: Any, **options: Any) -> None:
        self._asked.append(self._kernel.warmup(*arguments, grid=grid, **options))


@contextmanager
def side_by_side(kernels: Any) -> Generator[Compiler]:
    """What is launched by the compiler within this block is compiled and loaded at its end.

    As many at once as torch may use threads. Gradients are computed by the caller's own thread, or
    Triton would not know that it may go on.
    """
    from triton import AsyncCompileMode
    from triton.runtime import _async_compile, driver

    here = torch.cuda.current_device() if torch.cuda.is_available() else None
    with ThreadPoolExecutor(torch.get_num_threads(), initializer=_begin, initargs=(here,)) as pool:
        compiler = Compiler(kernels)
        try:
            with AsyncCompileMode(pool), torch.autograd.set_multithreading_enabled(False):
                yield compiler
        finally:  # until Triton 3.6 a kernel that fails leaves the mode on
            _async_compile.active_mode.set(None)
        compiled = compiler.compiled()
        # Until Triton 3.6 a C compiler makes what launches a kernel. Here that is only made and
        # kept on disk: its modules share a name, so two threads may load each other's.
        launcher: Any = driver.active.launcher_cls  # pyright: ignore
        wait([pool.submit(launcher, kernel.src, kernel.metadata) for kernel in compiled])
    for kernel in compiled:
        _ = kernel.run  # Triton loads a kernel when it is first asked for what launches it


def _begin(device: int | None) -> None:
    if device is not None:
        torch.cuda.set_device(device)
