"""Histories of GitHub and GitLab, as their REST APIs answer, as deployments, incidents and lead times. Called by ``dora``."""
