"""What comes out of a run.

summary: its figures, and as JSON. trace: its course over time, as HDF5. table: for a person.
"""
