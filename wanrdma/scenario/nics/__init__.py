"""NIC presets as data: one YAML file each, read by wanrdma/scenario/presets.py."""
