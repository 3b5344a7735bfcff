"""Contracts between the services: what crosses a process is defined here and nowhere else."""
