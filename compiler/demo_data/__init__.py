"""Demonstration data: real repositories and graphs of the middleware, and synthetic graphs without it."""

from compiler.demo_data.make import KINDS, make_demo_data

__all__ = ["KINDS", "make_demo_data"]
