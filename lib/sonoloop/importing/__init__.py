"""Study folders from published data sets, from plain pictures, and from phantoms."""
