"""What can be chosen: one frozen model for each concern, in which an option's name, type, range, default and help stand once."""
