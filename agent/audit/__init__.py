"""Who did what: audit messages of DICOM PS3.15 A.5, in a chain that shows when one is missing, and on to a syslog server."""
