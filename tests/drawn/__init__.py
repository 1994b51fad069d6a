"""Random small scenarios for tests."""
