"""What is known: files that people wrote, git, the journal, recorded use, answers of forges. Read, and put together as plain facts."""
