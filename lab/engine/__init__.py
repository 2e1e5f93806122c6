"""A stand-in for Pulumi's deployment engine and command line, for a lab and nothing else."""
