"""The locals of bound code, for locals(), eval(), exec(), debuggers, and what looks for names in its caller's frame."""

from _collections_abc import MutableMapping


def make_cell_type():
    value = None
    return type((lambda: value).__closure__[0])


Cell = make_cell_type()
empty_cell = Cell()  # equal to every other one without a value


class Names(MutableMapping):
    """The names that bound code sees at its top level: its bindings, and the variables of the session, in which all
    other names are set. The hidden ones are the code's own: they are never set."""

    __slots__ = ("cells", "variables", "hidden")

    def __init__(self, names, cells, variables, hidden):
        self.cells, self.variables, self.hidden = dict(zip(names, cells)), variables, hidden

    def __getitem__(self, name):
        cell = self.cells.get(name)
        if cell is None:
            return self.variables[name]
        try:
            return cell.cell_contents
        except ValueError:
            raise KeyError(name) from None

    def __setitem__(self, name, value):
        cell = self.cells.get(name)
        if cell is not None:
            cell.cell_contents = value
        elif name not in self.hidden:
            self.variables[name] = value

    def __delitem__(self, name):
        cell = self.cells.get(name)
        if cell is not None:
            if cell == empty_cell:
                raise KeyError(name)
            del cell.cell_contents
        elif name not in self.hidden:
            del self.variables[name]

    def __iter__(self):
        for name, cell in self.cells.items():
            if cell != empty_cell:
                yield name
        for name in self.variables:
            if name not in self.cells:
                yield name

    def __len__(self):
        return sum(1 for _ in self)

    def __contains__(self, name):
        cell = self.cells.get(name)
        return name in self.variables if cell is None else cell != empty_cell

    def __repr__(self):
        return repr(self.copy())

    def copy(self):
        return {name: self[name] for name in self}

    def __or__(self, other):
        return self.copy() | other

    def __ror__(self, other):
        return other | self.copy()
