"""Make the node's modules smaller before they are compiled; on the host only, for all modules of an image at once.

What a module means stays; what only people and type checkers need goes, for every name that is used anywhere stays in the node's heap for ever, and
the table of names doubles when it is full:

- annotations, and what is imported for them (what others are to find in a module that only imports it stands in its ``__all__``);
- constants (``UPPER_CASE``, one number or text): their values stand where they are used, in other modules too;
- private names (``_name``) and the names of positional parameters: no other module can know them, so they are the same few names everywhere;
- functions of shared modules that only others need;
- the asterisk before keyword-only parameters, whose defaults would need a table each.
"""

import ast
import re

from firmware.join import join

SHARED = "vuong."  # the modules that are not the node's alone
KEPT = ("firmware.version",)  # a constant of theirs is what one image has and another has not
_UPPER_CASE = re.compile(r"_?[A-Z][A-Z0-9_]*")
_ON_THE_NODE = "sys.implementation.name == 'micropython'"
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def shorten(sources: dict[str, str], groups: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """Return the sources of modules, by their full names, made smaller.

    Parameters
    ----------
    groups : what is joined: see `firmware.join`

    Raises
    ------
    ValueError
        if one takes a private name from another module, which would no longer be found; as of `join`
    """
    trees = {name: ast.parse(source) for name, source in sources.items()}
    offered = {name: _offered(tree) for name, tree in trees.items()}
    for tree in trees.values():
        _Bare().visit(tree)
    _inline(trees)
    _drop_unused(trees)
    for name, tree in trees.items():
        _Imports(tree, offered[name]).visit(tree)
    for tree in trees.values():
        _Private().visit(tree)
    join(trees, groups, offered)
    called = {node.arg for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    called |= {
        arg.arg
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, _Function)
        for arg in node.args.kwonlyargs
    }
    for tree in trees.values():
        _Parameters(called).visit(tree)
    return {name: ast.unparse(ast.fix_missing_locations(tree)) for name, tree in trees.items()}


def _offered(tree: ast.Module) -> set[str]:
    """Return what ``__all__`` says."""
    told = [node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"]
    return {str(name) for value in told for name in ast.literal_eval(value)}


class _Bare(ast.NodeTransformer):
    """Takes away what the node never runs."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        return self.visit(ast.copy_location(ast.Assign([node.target], node.value), node)) if node.value else ast.Pass()

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        told = isinstance(node.targets[0], ast.Name) and node.targets[0].id in {"TYPE_CHECKING", "__all__"}
        return None if told else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return node.orelse
        if isinstance(node.test, ast.Constant):
            return node.body if node.test.value else node.orelse
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        return ast.Constant(value=True) if ast.unparse(node) == _ON_THE_NODE else self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node


# -- constants --------------------------------------------------------------------------------------------------------------------------------


def _inline(trees: dict[str, ast.Module]) -> None:
    """Put constants where they are used, until none is left that is made of others."""
    while True:
        found = {name: _constants(tree) for name, tree in trees.items() if name not in KEPT}
        if not any(found.values()):
            return
        for name, tree in trees.items():
            _Inliner(found, found.get(name, {})).visit(tree)


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Take the definitions of constants out of a module, and return them."""
    bound = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)]
    bound += [node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)]
    found: dict[str, ast.expr] = {}
    for statement in list(tree.body):
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            continue
        target, value = statement.targets[0], statement.value
        names, values = (
            (target.elts, value.elts) if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) else ([target], [value])
        )
        folded = [_folded(value) for value in values]
        texts = [name.id for name in names if isinstance(name, ast.Name) and _UPPER_CASE.fullmatch(name.id)]
        if len(texts) == len(names) and all(folded) and all(bound.count(text) == 1 for text in texts):
            found.update(zip(texts, folded, strict=True))  # type: ignore[arg-type]
            tree.body.remove(statement)
    return found


def _folded(value: ast.expr) -> ast.Constant | None:
    """Return the constant that an expression of constants is, ``None`` where it is none."""
    if any(not isinstance(node, ast.Constant | ast.UnaryOp | ast.BinOp | ast.operator | ast.unaryop) for node in ast.walk(value)):
        return None
    return ast.Constant(value=eval(compile(ast.Expression(ast.fix_missing_locations(value)), "", "eval")))  # noqa: S307 (our own constants)


class _Inliner(ast.NodeTransformer):
    """Puts values in place of a module's own constants and of those that it imports."""

    def __init__(self, found: dict[str, dict[str, ast.expr]], own: dict[str, ast.expr]) -> None:
        self._found, self._values = found, dict(own)
        self._modules: dict[str, str] = {}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        constants = self._found.get(node.module or "", {})
        for alias in list(node.names):
            whole = f"{node.module}.{alias.name}"
            if alias.name in constants:
                self._values[alias.asname or alias.name] = constants[alias.name]
                node.names.remove(alias)
            elif whole in self._found:
                self._modules[alias.asname or alias.name] = whole
        return node if node.names else None

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        outer = self._values, self._modules
        self._values, self._modules = dict(self._values), dict(self._modules)  # what it imports is its own
        self.generic_visit(node)
        self._values, self._modules = outer
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = _function  # noqa: N815 (as `ast` wants it)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._values.get(node.id, node) if isinstance(node.ctx, ast.Load) else node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Constant) and node.format_spec is None and node.conversion == -1:
            return ast.Constant(value=str(node.value.value))
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id in self._modules:
            return self._found[self._modules[node.value.id]].get(node.attr, node)
        return node


def _drop_unused(trees: dict[str, ast.Module]) -> None:
    """Take the functions out of `SHARED` that the rest of the image never names."""
    said = [name for tree in trees.values() for node in ast.walk(tree) for name in _says(node)]
    for module, tree in trees.items():
        if module.startswith(SHARED):
            for part in [tree, *(part for part in tree.body if isinstance(part, ast.ClassDef))]:
                part.body = [
                    node
                    for node in part.body
                    if not isinstance(node, ast.FunctionDef) or node.name in said or node.name.startswith("__")
                ] or [ast.Pass()]


def _says(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        return [node.attr]
    return [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []


class _Imports(ast.NodeTransformer):
    """Takes away imports that nothing is left of but annotations."""

    def __init__(self, tree: ast.Module, offered: set[str]) -> None:
        self._used = offered | {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}

    def _import(self, node: ast.Import | ast.ImportFrom) -> ast.AST | None:
        node.names = [alias for alias in node.names if (alias.asname or alias.name.partition(".")[0]) in self._used]
        return node if node.names else None

    visit_Import = visit_ImportFrom = _import  # noqa: N815


# -- names ------------------------------------------------------------------------------------------------------------------------------------


class _Private(ast.NodeTransformer):
    """Calls what no other module can know the same few names in every module."""

    def __init__(self) -> None:
        self._short: dict[str, str] = {}

    def _name(self, name: str) -> str:
        if not name.startswith("_") or name.startswith("__") or name == "_":
            return name
        return self._short.setdefault(name, f"_{len(self._short)}")

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.ImportFrom) and any(alias.name != self._name(alias.name) for alias in node.names):
            raise ValueError(f"line {node.lineno}: a private name is imported from another module")
        if isinstance(node, ast.Name):
            node.id = self._name(node.id)
        elif isinstance(node, ast.Attribute):
            node.attr = self._name(node.attr)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            node.name = self._name(node.name)
        elif isinstance(node, ast.arg) or (isinstance(node, ast.keyword) and node.arg):
            node.arg = self._name(node.arg or "")
        elif isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [self._name(name) for name in node.names]
        result: ast.AST = self.generic_visit(node)
        return result


class _Parameters(ast.NodeTransformer):
    """Calls positional parameters the same few names in every function, unless some call says the name."""

    def __init__(self, called: "set[str | None]") -> None:
        self._called, self._short = called, dict[str, str]()

    def _function(self, node: _Function) -> ast.AST:
        outer = self._short
        arguments = node.args
        # what stands in the head is of the scope around it
        arguments.defaults = [self.visit(value) for value in arguments.defaults]
        arguments.kw_defaults = [self.visit(value) if value else None for value in arguments.kw_defaults]
        if arguments.kwonlyargs and not arguments.vararg and self._ordered(arguments):
            arguments.args += arguments.kwonlyargs
            arguments.defaults += [value for value in arguments.kw_defaults if value]
            arguments.kwonlyargs, arguments.kw_defaults = [], []
        self._short = dict(outer)
        used = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
        for argument in [*arguments.posonlyargs, *arguments.args]:
            if argument.arg != "self" and argument.arg not in self._called:
                free = (f"_{number}" for number in range(1000) if f"_{number}" not in used.union(self._short.values()))
                self._short.setdefault(argument.arg, next(free))
            argument.arg = self._short.get(argument.arg, argument.arg)
        body = node.body if isinstance(node.body, list) else [node.body]
        for part in body:
            self.visit(part)
        self._short = outer
        return node

    @staticmethod
    def _ordered(arguments: ast.arguments) -> bool:
        """Return whether all would still have a default that stand behind one that has."""
        has = [False] * (len(arguments.args) - len(arguments.defaults)) + [True] * len(arguments.defaults)
        has += [value is not None for value in arguments.kw_defaults]
        return has == sorted(has)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _function  # noqa: N815

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._short.get(node.id, node.id)
        return node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        node.names = [self._short.get(name, name) for name in node.names]
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        node.name = self._short.get(node.name, node.name) if node.name else None
        return self.generic_visit(node)

    def visit_alias(self, node: ast.alias) -> ast.AST:
        bound = node.asname or node.name
        node.asname = self._short.get(bound, node.asname)
        return node
