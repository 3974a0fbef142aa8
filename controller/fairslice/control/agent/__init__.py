"""The data plane's companion on the switch's machine: what OVSDB can't set on a port."""
