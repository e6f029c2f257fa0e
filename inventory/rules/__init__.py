"""The rules that hold between the parts of an inventory: small functions, each yielding its findings."""
