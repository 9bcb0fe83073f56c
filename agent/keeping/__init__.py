"""What outlives a disk: backups, coming back from one, and finding out what the world has done meanwhile."""
