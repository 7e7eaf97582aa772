"""The options of middlewares that are compiled: mypyc loses the types that msgspec needs."""
