"""What rubincwl costs, side by side with the tools that users have today. `make benchmark` runs all of it."""
