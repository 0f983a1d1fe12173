"""YAML text → `ProjectSpec`, every problem with its place."""
