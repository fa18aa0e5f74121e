"""Shorten the private names of a module before it is compiled for the node; on the host only.

Every name that a module uses stays in the node's heap for ever, once for the whole image, and the table of names doubles when it is full. What no
other module can know (``_name``) is therefore called the same few names in every module.
"""

import ast


def shorten(source: str) -> str:
    """Return a module's source with short private names, and without annotations.

    Raises
    ------
    ValueError
        if it takes a private name from another module, which would no longer be found
    """
    return ast.unparse(_Shortener().visit(ast.parse(source)))


class _Shortener(ast.NodeTransformer):
    def __init__(self) -> None:
        self._short: dict[str, str] = {}

    def _name(self, name: str) -> str:
        if not name.startswith("_") or name.startswith("__") or name == "_":
            return name
        return self._short.setdefault(name, f"_{len(self._short)}")

    def visit(self, node: ast.AST) -> ast.AST:
        """Rename what `node` itself names, then what is in it."""
        if isinstance(node, ast.ImportFrom) and any(alias.name != self._name(alias.name) for alias in node.names):
            raise ValueError(f"line {node.lineno}: a private name is imported from another module")
        if isinstance(node, ast.AnnAssign):
            return self.visit(ast.copy_location(ast.Assign([node.target], node.value), node)) if node.value else ast.Pass()
        if isinstance(node, ast.Name):
            node.id = self._name(node.id)
        elif isinstance(node, ast.Attribute):
            node.attr = self._name(node.attr)
        elif isinstance(node, ast.arg):
            node.arg, node.annotation = self._name(node.arg), None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.name, node.returns = self._name(node.name), None
        elif isinstance(node, ast.ClassDef):
            node.name = self._name(node.name)
        elif isinstance(node, ast.keyword) and node.arg:
            node.arg = self._name(node.arg)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [self._name(name) for name in node.names]
        result: ast.AST = self.generic_visit(node)
        return result
