"""What a person does about a study that went wrong: commands and pages do the very same."""
