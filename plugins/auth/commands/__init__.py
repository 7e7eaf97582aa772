"""What the plugin does by `ait-gateway auth ...`."""
