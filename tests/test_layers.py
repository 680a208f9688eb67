"""The shape of the code base: who may import whom, what may be imported when, and how long things may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "unigurd_sdk": ROOT / "unigurd_sdk",
    "unigurd_trainer": ROOT / "trainer" / "unigurd_trainer",
    "unigurd_plugins": ROOT / "plugins" / "unigurd_plugins",
    "unigurd_integrations": ROOT / "integrations" / "unigurd_integrations",
}
HEAVY = {"huggingface_hub", "langchain", "onnxruntime", "openai", "torch", "transformers"}
TORCH_MODULES = (Path("nn"), Path("runtime", "torch.py"))
LONGEST_MODULE = 450
MEDIAN_FUNCTION = 10
P90_FUNCTION = 35
Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(package: str) -> list[Path]:
    return sorted(PACKAGES[package].rglob("*.py"))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def import_statements(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """The top-level package of every absolute import among `nodes`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").partition(".")[0]


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def executed_on_import(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below `node` that runs when the module is imported: no function bodies, no TYPE_CHECKING."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.Lambda):
            continue
        if is_type_checking(child):
            assert isinstance(child, ast.If)
            for other in child.orelse:
                yield other
                yield from executed_on_import(other)
            continue
        yield child
        yield from executed_on_import(child)


def functions(package: str) -> Iterator[Function]:
    for path in modules(package):
        yield from (node for node in ast.walk(parse(path)) if isinstance(node, Function))


def body_lines(function: Function) -> int:
    """Lines of the body, without the docstring."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_every_package_has_modules():
    assert all(modules(package) for package in PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_towards_the_sdk_only(package: str):
    allowed = {package, "unigurd_sdk"}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in import_statements(ast.walk(parse(path)))
        if name in PACKAGES and name not in allowed
    ]
    assert wrong == []


def test_the_sdk_imports_heavy_packages_at_the_point_of_use():
    base = PACKAGES["unigurd_sdk"]
    wrong = [
        f"{path.relative_to(ROOT)} imports {name} at the top level"
        for path in modules("unigurd_sdk")
        if not any(path.relative_to(base).is_relative_to(place) for place in TORCH_MODULES)
        for name in import_statements(executed_on_import(parse(path)))
        if name in HEAVY
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import torch.nn as nn", ["torch"]),
        ("try:\n    from torch import nn\nexcept ImportError:\n    pass", ["torch"]),
        ("class A:\n    import torch", ["torch"]),
        ("def f():\n    import torch", []),
        ("if TYPE_CHECKING:\n    import torch\nelse:\n    import numpy", ["numpy"]),
        ("from . import torch", []),
    ],
)
def test_the_detector_sees_what_runs_on_import(source: str, found: list[str]):
    assert list(import_statements(executed_on_import(ast.parse(source)))) == found


@pytest.mark.parametrize("container", ["trainer", "plugins", "integrations"])
def test_containers_are_not_packages(container: str):
    assert [path.name for path in (ROOT / container).glob("*.py")] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_typed_and_have_no_drawers(package: str):
    assert (PACKAGES[package] / "py.typed").is_file()
    drawers = {"common", "helper", "helpers", "misc", "util", "utils"}
    names = [path.relative_to(ROOT) for path in modules(package)]
    assert [str(name) for name in names if drawers & set(name.with_suffix("").parts)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_are_short_and_documented(package: str):
    sizes = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in modules(package)
    }
    assert {name: size for name, size in sizes.items() if size > LONGEST_MODULE} == {}
    silent = [path for path in modules(package) if not ast.get_docstring(parse(path))]
    assert [str(path.relative_to(ROOT)) for path in silent] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_functions_are_short(package: str):
    lengths = [body_lines(function) for function in functions(package)]
    if len(lengths) < 2:
        return  # a package that holds a docstring only
    assert median(lengths) <= MEDIAN_FUNCTION
    assert quantiles(lengths, n=10, method="inclusive")[-1] <= P90_FUNCTION
