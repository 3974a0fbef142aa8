"""Commands in a virtual machine: user-mode Linux on the host's own files, with the modules it lacks."""
