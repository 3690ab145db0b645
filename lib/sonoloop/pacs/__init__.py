"""Where studies come from: a folder or a DICOMweb PACS, behind one port."""
