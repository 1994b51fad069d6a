"""The built-in scenarios, a YAML file each; installed as ``wanrdma.scenarios``."""
