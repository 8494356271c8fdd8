"""Demonstration data: real repositories and graphs of the middleware, and synthetic graphs without it."""

from compiler.demo_data.make import KINDS, Kind, make_demo_data
from compiler.demo_data.workloads import TaskFacts, Workload, workloads

__all__ = ["KINDS", "Kind", "TaskFacts", "Workload", "make_demo_data", "workloads"]
