"""Nouns: what the customer has, wants and agreed. Loaded from a folder of YAML files, every fault named."""
