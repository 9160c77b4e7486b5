"""
BTF (the kernel's own compact type format) to the types of a Volatility 3 symbol file.
Format: Linux kernel documentation, bpf/btf.rst. Only little-endian BTF, as on x86-64.
"""

import struct

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST = range(1, 11)
RESTRICT, FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(11, 20)
TRANSPARENT = frozenset((TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG))
NAMED = frozenset((STRUCT, UNION, ENUM, ENUM64))

# What follows a type's common 12 bytes: a fixed record, or one record for each member.
FIXED = {INT: "<I", VAR: "<I", DECL_TAG: "<I", ARRAY: "<III"}
MEMBERS = {STRUCT: "<III", UNION: "<III", DATASEC: "<III", ENUM64: "<III", ENUM: "<Ii", FUNC_PROTO: "<Ii"}

SIGNED, BOOL = 1, 4
ENUM_BASES = {1: "unsigned char", 2: "short unsigned int", 8: "long unsigned int"}


class BrokenBtf(Exception):
    """These bytes only begin like BTF."""


class BtfType:
    __slots__ = ("kind", "flag", "size", "name", "extra")

    def __init__(self, kind, flag, size, name, extra):
        self.kind = kind
        self.flag = flag
        # The size in bytes, or for kinds that point on, the number of the other type.
        self.size = size
        self.name = name
        self.extra = extra


class Btf:
    """All types in order; number 0 is void."""

    def __init__(self, data):
        try:
            self._parse(data)
        except (struct.error, IndexError, ValueError) as error:
            raise BrokenBtf(str(error)) from error

    def _parse(self, data):
        magic, _version, _flags, header, types_at, types_size, strings_at, strings_size = struct.unpack_from(
            "<HBBIIIII", data
        )
        if magic != 0xEB9F:
            raise BrokenBtf("no BTF magic")
        self.strings = data[header + strings_at : header + strings_at + strings_size]
        if len(self.strings) != strings_size or self.strings[:1] != b"\0" or not self.strings.isascii():
            raise BrokenBtf("its strings are not text")
        self.types = [BtfType(0, 0, 0, "", ())]
        position, end = header + types_at, header + types_at + types_size
        while position < end:
            name, info, size = struct.unpack_from("<III", data, position)
            position += 12
            kind, members = info >> 24 & 31, info & 0xFFFF
            extra = ()
            if kind in FIXED:
                extra = struct.unpack_from(FIXED[kind], data, position)
                position += struct.calcsize(FIXED[kind])
            elif kind in MEMBERS:
                length = struct.calcsize(MEMBERS[kind]) * members
                extra = list(struct.iter_unpack(MEMBERS[kind], data[position : position + length]))
                position += length
            elif not INT <= kind <= ENUM64:
                raise BrokenBtf(f"there is no kind {kind}")
            self.types.append(BtfType(kind, info >> 31, size, self.text(name), extra))
        if position != end:
            raise BrokenBtf("its types do not end where the header says")

    def text(self, offset):
        return self.strings[offset : self.strings.index(b"\0", offset)].decode()


def base(name):
    return {"kind": "base", "name": name}


def struct_named(name):
    return {"kind": "struct", "name": name}


def pointer(subtype):
    return {"kind": "pointer", "subtype": subtype}


def array(count, subtype):
    return {"kind": "array", "count": count, "subtype": subtype}


def _number(size, signed, kind="int"):
    return {"size": size, "signed": signed, "kind": kind, "endian": "little"}


# Named by symbols and enumerations, whether or not a kernel's BTF mentions them.
ALWAYS_THERE = {
    "void": {"kind": "void", "size": 0, "signed": False, "endian": "little"},
    "pointer": _number(8, False),
    "int": _number(4, True),
    "char": _number(1, True, "char"),
    "unsigned char": _number(1, False, "char"),
    "short unsigned int": _number(2, False),
    "unsigned int": _number(4, False),
    "long unsigned int": _number(8, False),
    "long int": _number(8, True),
}


class SymbolFileTypes:
    """The types of one kernel, as a symbol file has them: `base_types`, `user_types`, `enums`."""

    def __init__(self, btf):
        self.btf = btf
        self.base_types = {}
        self.user_types = {}
        self.enums = {}
        self.names = {}
        self._choose_names()
        for number, entry in enumerate(btf.types):
            if entry.kind in (STRUCT, UNION):
                self.user_types[self.names[number]] = {
                    "kind": "struct" if entry.kind == STRUCT else "union",
                    "size": entry.size,
                    "fields": self._fields(entry),
                }
            elif entry.kind in (ENUM, ENUM64):
                self.enums[self.names[number]] = self._enumeration(entry)
        for name, description in ALWAYS_THERE.items():
            self.base_types.setdefault(name, description)

    def _choose_names(self):
        """Every structure and enumeration gets a name of its own; an anonymous one takes that of its typedef."""
        types = self.btf.types
        typedefs = {}
        for entry in types:
            if entry.kind == TYPEDEF and types[entry.size].kind in NAMED and not types[entry.size].name:
                typedefs.setdefault(entry.size, entry.name)
        used = set()
        for number, entry in enumerate(types):
            if entry.kind in NAMED:
                name = entry.name or typedefs.get(number) or f"unnamed_{number:x}"
                if name in used:
                    name = f"{name}_{number:x}"
                used.add(name)
                self.names[number] = name

    def _fields(self, entry):
        fields = {}
        for name_at, number, where in entry.extra:
            name, kind = self.btf.text(name_at), self.describe(number)
            # With the kind flag a member's upper 8 bits hold the width of a bit field.
            bits, offset = (where >> 24, where & 0xFFFFFF) if entry.flag else (0, where)
            field = {"type": kind, "offset": offset // 8}
            if bits:
                unit = self._integer_size(number) or 4
                start = offset // (unit * 8) * unit
                position = offset - start * 8
                bit_field = {"kind": "bitfield", "bit_position": position, "bit_length": bits, "type": kind}
                field = {"type": bit_field, "offset": start}
            if not name:
                name = f"unnamed_field_{offset // 8:x}_{len(fields)}"
                field["anonymous"] = True
            fields[name] = field
        return fields

    def _enumeration(self, entry):
        text = self.btf.text
        if entry.kind == ENUM64:
            constants = {text(name): high << 32 | low for name, low, high in entry.extra}
            return {"size": entry.size, "base": "long int" if entry.flag else "long unsigned int", "constants": constants}
        constants = {text(name): value for name, value in entry.extra}
        fallback = "int" if entry.flag else "unsigned int"
        return {"size": entry.size, "base": ENUM_BASES.get(entry.size, fallback), "constants": constants}

    def _integer_size(self, number):
        entry = self.btf.types[number]
        while entry.kind in TRANSPARENT:
            entry = self.btf.types[entry.size]
        return entry.size if entry.kind in (INT, ENUM, ENUM64) else 0

    def describe(self, number):
        """A type by its number, as symbols and fields of a symbol file refer to it."""
        entry = self.btf.types[number]
        if entry.kind in TRANSPARENT:
            return self.describe(entry.size)
        if entry.kind in (INT, FLOAT):
            self.base_types.setdefault(entry.name, self._base_type(entry))
            return base(entry.name)
        if entry.kind == PTR:
            return pointer(self.describe(entry.size))
        if entry.kind == ARRAY:
            element, _index, count = entry.extra
            return array(count, self.describe(element))
        if entry.kind in (STRUCT, UNION):
            return {"kind": "struct" if entry.kind == STRUCT else "union", "name": self.names[number]}
        if entry.kind in (ENUM, ENUM64):
            return {"kind": "enum", "name": self.names[number]}
        if entry.kind == FWD:
            return {"kind": "union" if entry.flag else "struct", "name": entry.name}
        if entry.kind in (FUNC, FUNC_PROTO):
            return {"kind": "function"}
        return base("void")

    @staticmethod
    def _base_type(entry):
        if entry.kind == FLOAT:
            return _number(entry.size, True, "float")
        encoding = entry.extra[0] >> 24 & 15
        if encoding & BOOL:
            kind = "bool"
        else:
            kind = "char" if entry.name in ("char", "unsigned char", "signed char") else "int"
        return _number(entry.size, bool(encoding & SIGNED), kind)

    def variables(self):
        """{name: type} of the variables that BTF types: only per-CPU ones."""
        return {entry.name: self.describe(entry.size) for entry in self.btf.types if entry.kind == VAR}
