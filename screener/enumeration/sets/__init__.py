"""Specifications that ship, one TOML file each; copy one and edit it to make your own."""
