"""The password grant, for the few clients that are marked for it."""
