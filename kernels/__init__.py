"""The event loop and all that it calls, compiled by Numba; installed as ``wanrdma.kernels``.

One idea a file. From the outside in: ``loop`` takes the next event from the ``heap``;
``arrival`` and ``port`` move a packet into a node and out of it, over a ``link`` with its bit
``errors``, under ``pfc``; ``requester`` and ``responder`` are the two ends of a queue pair;
``operations`` and ``completions`` are the work. ``tables`` says what every field means, and
``docs/protocol.md`` what is done with it. Nothing here reads or writes a file, but for the
cache of machine code (``jit``).
"""
