"""Fakes (hostile ones too), builders and contract suites, shipped so that others can test their own adapters with them."""
