"""Many pictures or prompts to folders of views: what the command line and `harmony.generate` do."""
