"""What a change of files would change in clusters: pure functions over what was compiled before and after it.

Called by ``cli.planning``, which reads the files of both sides.
"""
