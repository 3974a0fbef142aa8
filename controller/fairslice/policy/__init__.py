"""Policy files: YAML to frozen slices and flows."""
