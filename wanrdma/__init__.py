"""Packet-level emulator of lossless RDMA over wide-area optical networks.

A scenario (``scenario``) becomes tables (``build``), which the ``engine`` has the ``kernels``
run to an end; ``results`` says what came of it. ``theory`` has the closed forms beside it,
``cli`` the commands. Imports only go down: docs/architecture.md, Floors.
"""
