"""The auth plugin on both databases: `make bench-auth`.

A second of a core is what the kernel accounts to the gateway's process, so that it hardly matters
what else the machine does; the generator runs on another core.
"""
