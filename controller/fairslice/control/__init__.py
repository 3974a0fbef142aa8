"""The control plane: the controller application and the protocols it speaks with switches."""
