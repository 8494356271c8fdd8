"""What runs beside a job on a worker: the quantum runner, and how it becomes the one file that travels."""
