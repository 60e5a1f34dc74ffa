"""Ids, quantities, weights, problems and errors: the words every other room speaks. Imports nothing of ours."""
