"""The only door to MONAI Label: its interfaces over our service; adapters that decide nothing.

MONAI Label's own interfaces are imported module by module: they are light, while its application
class loads torch.
"""
