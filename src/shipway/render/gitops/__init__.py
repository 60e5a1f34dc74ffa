"""Compiled objects as a repository that Kustomize, Argo CD or Flux applies. Called through ``render.formats``.

Pure layouts of what was compiled: nothing here talks to a cluster or to Git, and no object is changed.
"""
