"""Tests of `lab.engine.plugins`, over real gRPC against real plugin processes."""
