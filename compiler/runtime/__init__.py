"""What runs beside a job on a worker: the quantum runner, one file that travels with the workflow."""
