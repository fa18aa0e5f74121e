"""Join modules of the node's image that are in memory together anyway; on the host only.

A module costs about 250 B of the node's heap however little is in it: its object, its path, its table of names, an entry for every name that it
imports from another. In the image those of a group are one. Who asks for one of them by its own name, as tests do, finds a few lines there that
import from the whole.
"""

import ast
import builtins
from collections.abc import Iterable


def join(trees: dict[str, ast.Module], groups: dict[str, tuple[str, ...]], offered: dict[str, set[str]]) -> None:
    """Replace the members of each group; what no other module takes becomes private, except in modules without ``__all__`` that keep their names.

    Parameters
    ----------
    trees : modules by their full names; those of a group are changed into what imports from the whole
    groups : name of the whole → its members, each after those that it needs to be defined; one may have the name of the whole
    offered : module → what its ``__all__`` says; empty where it has none

    Raises
    ------
    ValueError
        if a module does at its top level what cannot be joined, takes what is not defined, or a name that has to change is also a local one
    """
    whole_of = {member: whole for whole, members in groups.items() for member in members}
    for members in groups.values():
        for member in members:
            _check(member, trees[member])
    alone = {name: (name,) for name in trees if name not in whole_of}
    names: dict[str, dict[str, str]] = {}
    for whole, members in [*groups.items(), *alone.items()]:
        if whole in members and not offered[whole]:
            offered = offered | {whole: set(_top(trees[whole]))}
        names |= _renamed(trees, members, offered, alone=whole not in groups)
    imported: dict[str, _Imported] = {}
    for members in [*groups.values(), *alone.values()]:
        taken = {new for member in members for new in names[member].values()}
        taken = taken.union(*(_used(trees[member]) for member in members))
        imported |= dict.fromkeys(members, _Imported(taken))
    for name, tree in trees.items():
        _Resolver(name, whole_of, names, imported[name], offered[name]).visit(tree)
    for whole, members in groups.items():
        bodies = {member: trees[member].body for member in members}
        for member in members:
            public = [ast.alias(new, old) for old, new in sorted(names[member].items()) if not old.startswith("_")]
            trees[member] = ast.Module([ast.ImportFrom(whole, public, 0)] if public else [], [])
        trees[whole] = ast.Module(_joined(bodies), [])


def _check(name: str, tree: ast.Module) -> None:
    for statement in tree.body:
        plain = isinstance(
            statement, ast.Import | ast.ImportFrom | ast.Assign | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        )
        if not plain and not _is_text(statement):
            raise ValueError(f"{name}, line {statement.lineno}: only definitions and imports can be joined")


def _top(tree: ast.Module) -> list[str]:
    """Return the names that a module defines at its top level."""
    found: list[str] = []
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append(statement.name)
        elif isinstance(statement, ast.Assign):
            found += [node.id for target in statement.targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    return found


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _renamed(
    trees: dict[str, ast.Module], members: tuple[str, ...], offered: dict[str, set[str]], *, alone: bool
) -> dict[str, dict[str, str]]:
    """Return member → its name of a thing → the name in the whole, where no two are the same."""
    taken = set(dir(builtins))
    for member in members:
        for node in trees[member].body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                package = node.module if isinstance(node, ast.ImportFrom) else None
                outside = [alias for alias in node.names if not {package, f"{package}.{alias.name}"} & set(members)]
                taken |= {alias.asname or alias.name for alias in outside}
    kept = {name for member in members for name in offered[member]}
    if alone:
        kept |= _wanted([tree for name, tree in trees.items() if name not in members])
    found: dict[str, dict[str, str]] = {}
    for member in members:
        found[member] = {}
        used = _used(trees[member])
        local = {name for node in trees[member].body if not isinstance(node, ast.Assign) for name in _bound(node)}
        for name in _top(trees[member]):
            # an error's name is told to people
            hidden = not (name.startswith("_") or name in kept or name.endswith("Error") or name in local)
            new = name
            if hidden or (name in taken and name.startswith("_")):
                new = next(f"_{number}" for number in range(1000) if f"_{number}" not in taken.union(used))
            elif name in taken:
                new = f"{member.rpartition('.')[2]}_{name}"
            found[member][name] = new
            taken.add(new)
    for member in members:
        for node in trees[member].body:
            if isinstance(node, ast.ImportFrom) and node.module in found:  # it can be had from here, too
                found[member] |= {alias.asname or alias.name: found[node.module][alias.name] for alias in node.names}
    return found


def _wanted(trees: list[ast.Module]) -> set[str]:
    """Return all that modules could take from others."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    return names | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def _used(tree: ast.Module) -> list[str]:
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return names + [node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)]


def _joined(bodies: dict[str, list[ast.stmt]]) -> list[ast.stmt]:
    """Return what the members do, their imports first and once."""
    imports: dict[tuple[str | None, str, str], ast.stmt] = {}
    rest: list[ast.stmt] = []
    for body in bodies.values():
        for statement in body:
            if isinstance(statement, ast.ImportFrom):
                for alias in statement.names:
                    one = ast.ImportFrom(statement.module, [alias], 0)
                    imports[statement.module, alias.name, alias.asname or alias.name] = one
            elif isinstance(statement, ast.Import):
                for alias in statement.names:
                    imports[None, alias.name, alias.asname or alias.name] = ast.Import([alias])
            elif not _is_text(statement):
                rest.append(statement)
    bound = [key[2] for key in imports]
    if len(bound) != len(set(bound)):
        raise ValueError(f"{', '.join(bodies)}: one name is imported for two things: {sorted(bound)}")
    return [*imports.values(), *rest]


class _Imported:
    """The names in one module of what it takes from wholes where it is private."""

    def __init__(self, taken: set[str]) -> None:
        self._taken, self._names = taken, dict[str, str]()

    def name(self, what: str) -> str:
        if what not in self._names:
            self._names[what] = next(f"_{number}" for number in range(1000) if f"_{number}" not in self._taken)
            self._taken.add(self._names[what])
        return self._names[what]


class _Resolver(ast.NodeTransformer):
    """Has one module take from the whole what it took from a member; a member of the same group has it already."""

    def __init__(
        self, module: str, whole_of: dict[str, str], names: dict[str, dict[str, str]], imported: _Imported, kept: set[str]
    ) -> None:
        self._module, self._whole_of, self._all, self._imported, self._kept = module, whole_of, names, imported, kept
        self._names = {old: new for old, new in names.get(module, {}).items() if old != new}
        self._modules: dict[str, str] = {}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        kept: list[ast.alias] = []
        others: list[ast.stmt] = []
        for alias in node.names:
            bound, member = alias.asname or alias.name, f"{node.module}.{alias.name}"
            whole = self._whole_of.get(node.module or "") or self._whole_of.get(member)
            here = whole is not None and whole == self._whole_of.get(self._module)
            if whole is None:
                kept.append(alias)
                self._modules.pop(bound, None)
                self._names.pop(bound, None)
            elif member in self._whole_of:
                self._modules[bound] = member
                package, _, last = whole.rpartition(".")
                if not here:
                    others.append(ast.ImportFrom(package, [ast.alias(last, bound if bound != last else None)], 0))
            else:
                new = self._all[node.module or ""].get(alias.name, alias.name)
                if not here:
                    if new.startswith("_") and node in self._tops and bound not in self._kept | self._local:
                        self._names[bound] = bound = self._imported.name(f"{whole}.{new}")
                    others.append(ast.ImportFrom(whole, [ast.alias(new, bound if bound != new else None)], 0))
                elif bound != new:
                    self._names[bound] = new
        node.names = kept
        return [*([node] if kept else []), *others]

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.value, ast.Name) or node.value.id not in self._modules:
            return node
        member = self._modules[node.value.id]
        if node.attr not in self._all[member]:
            raise ValueError(f"{self._module}, line {node.lineno}: {member} does not define {node.attr}")
        node.attr = self._all[member][node.attr]
        here = self._whole_of[member] == self._whole_of.get(self._module)
        return ast.Name(node.attr, node.ctx) if here else node

    def _scope(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.AST:
        outer = self._names, self._modules
        self._names, self._modules = dict(self._names), dict(self._modules)
        local = set(_bound(node))
        self.generic_visit(node)
        wrong = local & {*self._names, *self._names.values(), *self._modules}
        if wrong:
            raise ValueError(f"{self._module}, {node.name}: {', '.join(wrong)}: a name of the module and a local one")
        self._names, self._modules = outer
        if node.name in self._names and node in self._tops:
            node.name = self._names[node.name]
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _scope  # noqa: N815 (as `ast` wants it)

    def visit_Module(self, node: ast.Module) -> ast.AST:
        self._tops = list(node.body)
        self._local = {name for part in node.body if not isinstance(part, ast.Assign) for name in _bound(part)}
        return self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> ast.AST:
        node.names = [self._names.get(name, name) for name in node.names]
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._names.get(node.id, node.id)
        return node


def _bound(node: ast.AST) -> Iterable[str]:
    """Yield the names that something inside binds; those of methods are found through their class."""
    inside = list(ast.walk(node))
    methods = [node] + [member for inner in inside if isinstance(inner, ast.ClassDef) for member in inner.body]
    for inner in inside:
        if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
            yield inner.id
        elif isinstance(inner, ast.arg):
            yield inner.arg
        elif isinstance(inner, ast.ExceptHandler | ast.FunctionDef | ast.AsyncFunctionDef) and inner not in methods:
            yield inner.name or ""
