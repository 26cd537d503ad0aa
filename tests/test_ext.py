"""Every C function is its Python twin: same result for the same arguments, and the same refusals."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.wire.checksum import ones_sum_in_python

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def ones_sum(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes, int], int]:
    """The C function, built here from the source as `make ext` builds it."""
    compiler = shutil.which("cc")
    include = sysconfig.get_path("include")
    if compiler is None or not (Path(include) / "Python.h").exists():
        pytest.skip("no C compiler or no Python headers; the Python twins are all there is")
    built = tmp_path_factory.mktemp("ext") / "fast.abi3.so"
    flags = ["-O3", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-DPy_LIMITED_API=0x030b0000", f"-I{include}"]
    subprocess.run([compiler, *flags, "-o", built, ROOT / "ext" / "fast.c"], check=True)
    spec = importlib.util.spec_from_file_location("fast", built)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Callable[[bytes, int], int] = module.ones_sum
    return function


@given(st.binary(max_size=3000), st.integers(0, 2**64 - 1))
def test_ones_sum(ones_sum: Callable[[bytes, int], int], data: bytes, initial: int) -> None:
    assert ones_sum(data, initial) == ones_sum_in_python(data, initial)


@pytest.mark.parametrize("data", [b"", b"\0", b"\0" * 64, b"\xff" * 63, b"\xff" * 65_535, b"\xff\xff"])
@pytest.mark.parametrize("initial", [0, 1, 0xFFFF, 0x1FFFE])
def test_ones_sum_at_the_edges(ones_sum: Callable[[bytes, int], int], data: bytes, initial: int) -> None:
    assert ones_sum(data, initial) == ones_sum_in_python(data, initial)
    assert ones_sum(memoryview(data), initial) == ones_sum_in_python(memoryview(data), initial)


def test_refusals(ones_sum: Callable[..., int]) -> None:
    with pytest.raises(TypeError):
        ones_sum("text")
    with pytest.raises(TypeError):
        ones_sum()
