"""What the router is made of: the pattern language, rules, and the tree they are found in."""
