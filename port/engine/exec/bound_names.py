"""The locals of bound code, for locals(), eval(), exec(), debuggers, and what looks for names in its caller's frame."""

from _collections_abc import MutableMapping


def make_cell_type():
    value = None
    return type((lambda: value).__closure__[0])


Cell = make_cell_type()
empty_cell = Cell()  # equal to every other one without a value


class Names(dict):
    """The names that bound code sees at its top level: its bindings, and the variables of the session, in which all
    other names are set.

    The dict itself has the bindings as they were at first, for C code that uses it without the methods."""

    __slots__ = ("state",)  # names, their cells, the session's variables, the names that only the code's function has

    def find(self, name):
        names, cells, _, _ = self.state
        return cells[names.index(name)] if name in names else None

    def __getitem__(self, name):
        cell = self.find(name)
        if cell is None:
            return self.state[2][name]
        try:
            return cell.cell_contents
        except ValueError:
            raise KeyError(name) from None

    def __setitem__(self, name, value):
        cell = self.find(name)
        if cell is not None:
            cell.cell_contents = value
        elif name not in self.state[3]:
            self.state[2][name] = value

    def __delitem__(self, name):
        cell = self.find(name)
        if cell is not None:
            if cell == empty_cell:
                raise KeyError(name)
            del cell.cell_contents
        elif name not in self.state[3]:
            del self.state[2][name]

    def __iter__(self):
        names, cells, variables, _ = self.state
        for name, cell in zip(names, cells):
            if cell != empty_cell:
                yield name
        for name in variables:
            if name not in names:
                yield name

    def __len__(self):
        return sum(1 for _ in self)

    def __contains__(self, name):
        cell = self.find(name)
        return name in self.state[2] if cell is None else cell != empty_cell

    def __repr__(self):
        return repr(self.copy())

    def copy(self):
        return {name: self[name] for name in self}

    def __or__(self, other):
        return self.copy() | other

    def __ror__(self, other):
        return other | self.copy()

    __eq__, __ne__ = MutableMapping.__eq__, object.__ne__
    get, keys, values, items = MutableMapping.get, MutableMapping.keys, MutableMapping.values, MutableMapping.items
    pop, popitem, clear = MutableMapping.pop, MutableMapping.popitem, MutableMapping.clear
    update, setdefault = MutableMapping.update, MutableMapping.setdefault
    __hash__ = None
