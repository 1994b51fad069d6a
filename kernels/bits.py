"""The lowest and the highest set bit of a word, by the processor's own instructions."""

from numba import types
from numba.core import config
from numba.extending import intrinsic


@intrinsic
def lowest_bit(_typing, _word):
    """Return the number of the lowest bit that is set in an int64 that is not 0."""

    def make(context, builder, _signature, arguments):
        zero_is_undefined = context.get_constant(types.boolean, True)
        return builder.cttz(arguments[0], zero_is_undefined)

    return types.int64(types.int64), make


@intrinsic
def highest_bit(_typing, _word):
    """Return the number of the highest bit that is set in an int64 that is not 0."""

    def make(context, builder, _signature, arguments):
        zero_is_undefined = context.get_constant(types.boolean, True)
        zeros = builder.ctlz(arguments[0], zero_is_undefined)
        return builder.sub(context.get_constant(types.int64, 63), zeros)

    return types.int64(types.int64), make


if config.DISABLE_JIT:

    def lowest_bit(word):
        """Return the number of the lowest bit that is set in an int64 that is not 0."""
        return (int(word) & -int(word)).bit_length() - 1

    def highest_bit(word):
        """Return the number of the highest bit that is set in an int64 that is not 0."""
        return int(word).bit_length() - 1
