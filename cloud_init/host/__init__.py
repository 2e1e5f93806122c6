"""The program that runs on a host: applies a bundle, proves it, confirms it or takes it back, and reports.

It imports nothing but the standard library and itself: `cloud_init.program` joins these modules into one file, so
every name at the top of a module is the only one of its kind in this package. docs/host.md says what it does.
"""
