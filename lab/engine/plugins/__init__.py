"""Stand-ins for Pulumi's resource plugins: each an own process that speaks `pulumirpc.ResourceProvider`.

`python -m lab.engine.plugins.<name> [<engine host:port>]` prints its port as the first line on stdout. Any
engine that speaks Pulumi's protocol can drive one: ours or the real one.
"""
