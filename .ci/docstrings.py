"""Public functions with three or more parameters say what they take, give back and raise.

    python .ci/docstrings.py [FOLDER]

Read from the source, without importing it: `Args:` names every parameter, `Returns:` or `Yields:`
is there unless nothing is returned, and `Raises:` is there where the function itself raises. A
class is described by its own docstring, so methods whose names begin with an underscore are left
out, and so are overloads, commands and scripts that lie beside data.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

FEWEST_PARAMETERS = 3
LEFT_OUT = ("data",)  # folders of scripts

Function = ast.FunctionDef | ast.AsyncFunctionDef


def main() -> int:
    """Print what is missing; 1 where anything is."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "screener")
    missing = [
        line
        for path in sorted(root.rglob("*.py"))
        if not set(LEFT_OUT) & set(path.relative_to(root).parts)
        for line in of_file(path)
    ]
    for line in missing:
        print(line)
    if missing:
        print(f"{len(missing)} docstrings are incomplete")
    return int(bool(missing))


def of_file(path: Path) -> Iterator[str]:
    """What is missing in one file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    aliases = option_aliases(tree)
    for name, function in public_functions(tree):
        for lack in lacks(function, aliases):
            yield f"{path}:{function.lineno}: {name}: {lack}"


def public_functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Public functions of a module and public methods of its public classes."""
    for node in tree.body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield node.name, node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for each in node.body:
                if isinstance(each, Function) and not each.name.startswith("_"):
                    yield f"{node.name}.{each.name}", each


def option_aliases(tree: ast.Module) -> set[str]:
    """Names of types of options in a module, such as `Top = Annotated[int, typer.Option(...)]`;
    those that it takes from another one of the command line are such names as well."""
    taken = {
        each.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("screener.cli.")
        for each in node.names
    }
    return taken | {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and "typer." in ast.unparse(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def lacks(function: Function, aliases: set[str]) -> Iterator[str]:
    """What the docstring of a function does not say; `aliases` name types of options."""
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    names = [each.arg for each in given if each.arg not in ("self", "cls")]
    decorators = {ast.unparse(each).partition("(")[0] for each in function.decorator_list}
    if len(names) < FEWEST_PARAMETERS or decorators & {"overload", "override"}:
        return
    if any(is_option(each, aliases) for each in given):
        return  # a command: its help says what the options are
    text = ast.get_docstring(function) or ""
    described = section(text, "Args")
    for name in names:
        # several may be told together: `data, splits, seeds: ...`
        if not re.search(rf"^\s*(\w+, )*{name}(, \w+)*:", described, re.MULTILINE):
            yield f"Args does not say what {name} is"
    if returns_something(function) and not (section(text, "Returns") or section(text, "Yields")):
        yield "Returns is missing"
    if raises(function) and not section(text, "Raises"):
        yield "Raises is missing"


def is_option(parameter: ast.arg, aliases: set[str]) -> bool:
    """Whether it is an option or argument of a command, whose help says what it is."""
    if parameter.annotation is None:
        return False
    written = ast.unparse(parameter.annotation)
    return "typer." in written or written in aliases


def section(text: str, title: str) -> str:
    """The lines of a docstring that follow a title, up to the next one."""
    found = re.search(rf"^{title}:(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def returns_something(function: Function) -> bool:
    """Whether a caller gets anything back."""
    return function.returns is not None and ast.unparse(function.returns) not in ("None", "Never")


def raises(function: Function) -> bool:
    """Whether the function itself raises an error that a caller can meet."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        # an AssertionError tells of what cannot be, and is no promise to a caller
        if isinstance(node, ast.Raise) and "Error" in ast.unparse(node).replace(
            "AssertionError", ""
        ):
            return True
        if not isinstance(node, Function | ast.Lambda | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))
    return False


if __name__ == "__main__":
    sys.exit(main())
