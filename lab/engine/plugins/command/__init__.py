"""Stand-in for pulumi-resource-command 1.2.1: scripts on this machine and, over SSH, on others."""
