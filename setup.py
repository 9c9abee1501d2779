"""Installs the library `articulate` and nothing else; tool settings live in pyproject.toml."""

from setuptools import find_packages, setup

setup(packages=find_packages(include=["articulate", "articulate.*"]))
