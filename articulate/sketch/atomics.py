"""What compiled code needs to share memory between threads: atomic words, addresses as pointers, calls by address.

Addresses are plain integers, so that a description of work can lie in one buffer that all threads read.
"""

from typing import no_type_check

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

WORD = ir.IntType(64)


def _word(builder, address, index):
    """Pointer to word `index` at `address`."""
    return builder.inttoptr(builder.add(address, builder.mul(index, ir.Constant(WORD, 8))), WORD.as_pointer())


@intrinsic
@no_type_check
def load(typingctx, address, index):
    """Word `index` at `address`, read after everything that was written before it was."""

    def generate(context, builder, signature, args):
        return builder.load_atomic(_word(builder, *args), "seq_cst", 8)

    return types.int64(types.int64, types.int64), generate


@intrinsic
@no_type_check
def store(typingctx, address, index, value):
    """Write word `index` at `address` after everything that was written before."""

    def generate(context, builder, signature, args):
        builder.store_atomic(args[2], _word(builder, *args[:2]), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@intrinsic
@no_type_check
def add(typingctx, address, index, value):
    """Add to word `index` at `address`; its value before."""

    def generate(context, builder, signature, args):
        return builder.atomic_rmw("add", _word(builder, *args[:2]), args[2], "seq_cst")

    return types.int64(types.int64, types.int64, types.int64), generate


@intrinsic
@no_type_check
def exchange(typingctx, address, index, expected, value):
    """Write word `index` at `address` if it still is `expected`; whether it was."""

    def generate(context, builder, signature, args):
        pair = builder.cmpxchg(_word(builder, *args[:2]), args[2], args[3], "seq_cst", "seq_cst")
        return builder.extract_value(pair, 1)

    return types.boolean(types.int64, types.int64, types.int64, types.int64), generate


@intrinsic
@no_type_check
def call(typingctx, function, description, piece):
    """Call the compiled function at an address with (description, piece)."""

    def generate(context, builder, signature, args):
        kind = ir.FunctionType(ir.VoidType(), [WORD, WORD])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@intrinsic
@no_type_check
def pointer_like(typingctx, address, example):
    """The address as a pointer to numbers of the type of `example`, for `numba.carray`."""

    def generate(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return types.CPointer(example)(types.int64, example), generate
