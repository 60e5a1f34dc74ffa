"""Verbs that release and look on: deploy, status, undo, logs, rollout."""
